"""Marks for `style`: the brush is the painting's, the picture is the flower's."""

from __future__ import annotations

import pytest

from netlens_core.grading.marking import check
from netlens_core.measures.style import (
    content_distance,
    edge_correlation,
    explained_by_pixels,
    gram_distance,
    luminance_correlation,
    sliced_wasserstein,
)

# Each limit stands between honest pictures and tricks, measured on both networks over four manners: our reference, the
# recipe of PyTorch's tutorial, a descent on means and spreads of maps, several weights and starts.
# Honest: at most 0.23. Recoloured flowers keep 0.65 and more, halves mixed 0.49 and more. A flower cut out along its
# outline keeps 0.27 to 0.55, since the painting around it is the painting: what it fails is to be painted anew.
STYLE_LEFT = {"at_most": 0.30, "partial_from": 0.45}
# Honest: 0.38 and more with an even touch, 0.34 speckled. Histograms win up to 0.25, noise over other colours 0.14.
JUROR_WON = {"at_least": 0.30, "partial_from": 0.10}
# Honest: 0.29 and more; a learning rate that leaves speckles wins -0.3 to 0.3. Blurred flowers win nothing.
STROKES_WON = {"at_least": 0.15, "partial_from": 0.0}
# Honest: at most 0.14, as by chance. The painting has 1, half of it mixed in 0.38 to 0.79.
OUTLINES = {"at_most": 0.35, "partial_from": 0.70}
# Honest: 0.83 and more. Another content, or none, has -0.2 to 0.3.
LIGHT = {"at_least": 0.80, "partial_from": 0.50}
# Honest: 0.66 and more. None of the content: -0.1 to 0.2.
EDGES = {"at_least": 0.50, "partial_from": 0.20}
# Honest: at most 0.75. Recolouring, mixes, and the painting itself 0.98 and more, blurred recolouring 0.95. Cut-outs
# have 0.78 to 0.90 and are left to the loss of style and content together: 3.5 to 5.6.
EXPLAINED = {"at_most": 0.90, "partial_from": 0.97}


@pytest.fixture(scope="session")
def stylized(submission, network, inputs):
    return submission.stylize(network, inputs["flower"], inputs["painting"])


@pytest.fixture
def expect_style(network, jury, expect):
    """`expect_style(image, content, style)`: the painting's brush has arrived, and not the painting."""

    def expected(image, content, style):
        own, other = (left(gram_distance, judge, image, content, style) for judge in (network, jury.networks[0]))
        strokes, before = (sliced_wasserstein(picture, style, strokes_only=True) for picture in (image, content))
        expect("share of the distance in style that is left", own, **STYLE_LEFT)
        expect("share of the distance in style won, as another network sees it", 1 - other, **JUROR_WON)
        expect("share of the distance of strokes won, by patches alone", 1 - strokes / before, **STROKES_WON)
        expect("correlation of outlines with the painting", edge_correlation(image, style), **OUTLINES)

    return expected


@pytest.fixture
def expect_content(expect):
    """`expect_content(image, content)`: what was to be seen is still to be seen."""

    def expected(image, content):
        expect("correlation of light and dark with the flower", luminance_correlation(image, content), **LIGHT)
        expect("correlation of outlines with the flower", edge_correlation(image, content), **EDGES)

    return expected


@pytest.fixture
def expect_painted(network, thresholds, expect):
    """`expect_painted(image, content, style)`: no formula for pixels, and no overlay, makes it of the other two."""

    def expected(image, content, style):
        explained = explained_by_pixels(image, content, style)
        # What stylize has to lower, measured by the two given pictures: the flower has 1 and 0, the painting 0 and 1.
        of_style = left(gram_distance, network, image, content, style)
        of_content = left(content_distance, network, image, style, content)
        expect("share that the colours at each pixel explain", explained, **EXPLAINED)
        expect("loss of style and content together", 25 * of_style**2 + of_content**2, **thresholds["joint_loss"])

    return expected


def left(distance, network, image, start, goal):
    """What is left of the distance from a start to a goal: 0 at the goal, 1 at the start."""
    return distance(network, image, goal) / distance(network, start, goal)


@check(points=2)
def test_style_arrives(stylized, inputs, same_size, expect_style, figure):
    """Your picture has the strokes and the colours of the painting, and is not the painting."""
    content, style = inputs["flower"], inputs["painting"]
    figure("flower.png", content)
    figure("painting.png", style)
    figure("your picture", stylized)
    if same_size(stylized, content):
        expect_style(stylized, content, style)


@check(points=2, after=test_style_arrives)
def test_content_stays(stylized, inputs, same_size, expect_content):
    """It still shows your flower."""
    if same_size(stylized, inputs["flower"]):
        expect_content(stylized, inputs["flower"])


@check(points=3, after=test_content_stays)
def test_painted_anew(stylized, inputs, same_size, expect_painted):
    """It is painted anew: no change of colours, no mix, no cut-out and no texture laid over the flower."""
    if same_size(stylized, inputs["flower"]):
        expect_painted(stylized, inputs["flower"], inputs["painting"])


@check(points=3, after=test_content_stays)
def test_hidden_pictures(submission, network, inputs, same_size, expect_style, expect_content, expect_painted, figure):
    """Your function does the same for a flower and a painting that you have not seen."""
    content, style = inputs["hidden_flower"], inputs["hidden_painting"]
    image = submission.stylize(network, content, style)
    figure("a hidden flower in the style of a hidden painting", image)
    if same_size(image, content):
        expect_style(image, content, style)
        expect_content(image, content)
        expect_painted(image, content, style)
