"""A transfer comes nearer to the style than any cheap trick does, and stays near the content."""

from __future__ import annotations

import os
import signal

import pytest
import torch
import torchvision

from netlens_core.daisies import draw_daisy
from netlens_core.images import resize, to_8bit
from netlens_core.measures.style import content_distance, gram_distance, luminance_correlation, sliced_wasserstein
from netlens_core.methods import style as method
from netlens_core.methods.style import Keep, Optimizer, match_colors, stylize
from netlens_core.networks import Network
from netlens_core.paintings import paint

FLOWER = draw_daisy(3, 96).image
SWIRLS = paint("swirls", 3, 96)


@pytest.fixture(scope="module")
def painted(lite0):
    return stylize(lite0, FLOWER, SWIRLS, iterations=60)


@pytest.fixture(scope="module")
def cheats():
    generator = torch.Generator().manual_seed(0)
    return {
        "the content": FLOWER,
        "in the style's colours": match_colors(FLOWER, SWIRLS),
        "half a blend": (FLOWER + SWIRLS) / 2,
        "mostly a blend": 0.3 * FLOWER + 0.7 * SWIRLS,
        "blue": (FLOWER * torch.tensor([0.4, 0.6, 1.0]).view(3, 1, 1)),
        "in the style's colours, with noise": (match_colors(FLOWER, SWIRLS)
                                               + 0.1 * torch.randn(FLOWER.shape, generator=generator)).clamp(0, 1),
    }  # fmt: skip


def test_no_cheap_trick_gets_the_style_distance_of_a_transfer(lite0, lite1, painted, cheats):
    own, juror = gram_distance(lite0, painted, SWIRLS), gram_distance(lite1, painted, SWIRLS)
    for name, cheat in cheats.items():
        assert gram_distance(lite0, cheat, SWIRLS) > 1.8 * own, name
        if name != "mostly a blend":  # the juror likes seven tenths of the style itself; the content is gone there
            assert gram_distance(lite1, cheat, SWIRLS) > 1.2 * juror, name
    assert luminance_correlation(cheats["mostly a blend"], FLOWER) < luminance_correlation(painted, FLOWER) - 0.2


def test_patches_come_near_those_of_the_style(painted, cheats):
    assert sliced_wasserstein(painted, SWIRLS) < 0.4 * sliced_wasserstein(FLOWER, SWIRLS)
    strokes = sliced_wasserstein(painted, SWIRLS, strokes_only=True)
    for name in ("the content", "blue", "half a blend"):
        assert strokes < 0.7 * sliced_wasserstein(cheats[name], SWIRLS, strokes_only=True), name


def test_the_flower_stays(lite1, painted):
    assert painted.shape == FLOWER.shape and torch.equal(painted, to_8bit(painted))
    assert luminance_correlation(painted, FLOWER) > 0.85
    other = draw_daisy(4, 96).image
    assert content_distance(lite1, painted, FLOWER) < content_distance(lite1, painted, other)


def test_the_same_picture_again(lite0):
    twice = [stylize(lite0, FLOWER[:, :64, :64], SWIRLS, iterations=10) for _ in range(2)]
    assert torch.equal(*twice)


def test_more_weight_is_more_style_and_less_content(lite0):
    little, much = (stylize(lite0, FLOWER, SWIRLS, weight, iterations=20) for weight in (0.3, 100))
    assert gram_distance(lite0, much, SWIRLS) < gram_distance(lite0, little, SWIRLS)
    assert content_distance(lite0, much, FLOWER) > content_distance(lite0, little, FLOWER)


def test_kept_colors_are_those_of_the_content(lite0):
    kept = stylize(lite0, FLOWER, SWIRLS, keep=Keep.COLORS, iterations=20)
    assert (kept.mean((1, 2)) - FLOWER.mean((1, 2))).abs().max() < 0.05
    assert (SWIRLS.mean((1, 2)) - FLOWER.mean((1, 2))).abs().max() > 0.15
    assert gram_distance(lite0, kept, match_colors(SWIRLS, FLOWER)) < 0.6 * gram_distance(
        lite0, FLOWER, match_colors(SWIRLS, FLOWER)
    )


def test_kept_hues_differ_in_brightness_only(lite0):
    kept = stylize(lite0, FLOWER, SWIRLS, keep=Keep.HUES, iterations=20)
    inside = ((kept > 0.01) & (kept < 0.99)).all(dim=0)  # elsewhere a channel has met its end
    change = (kept - FLOWER)[:, inside]
    assert inside.float().mean() > 0.5 and change.abs().mean() > 0.01
    assert (change - change.mean(dim=0)).abs().max() < 2 / 255


def test_adam_and_lbfgs_both_come_near(lite0):
    for optimizer in Optimizer:
        image = stylize(lite0, FLOWER, SWIRLS, optimizer=optimizer, iterations=30)
        assert gram_distance(lite0, image, SWIRLS) < 0.4 * gram_distance(lite0, FLOWER, SWIRLS), optimizer


def test_squeezenet_too(squeezenet, lite1):
    image = stylize(squeezenet, FLOWER, SWIRLS, iterations=30)
    assert gram_distance(squeezenet, image, SWIRLS) < 0.4 * gram_distance(squeezenet, FLOWER, SWIRLS)
    assert gram_distance(lite1, image, SWIRLS) < 0.8 * gram_distance(lite1, FLOWER, SWIRLS)


@pytest.mark.parametrize("name", ["alexnet", "vgg19"])
def test_other_architectures_and_sizes_that_are_not_square(name):
    torch.manual_seed(0)
    network = Network(name, torchvision.models.get_model(name, weights=None), ("a",), 224, (0.5,) * 3, (0.5,) * 3)
    content, style = FLOWER[:, :32, :47], paint("grid", 1, 40)[:, :33]
    image = stylize(network, content, style, iterations=10)
    assert image.shape == content.shape
    like_style = resize(style, (32, 39))
    assert gram_distance(network, image, like_style) < gram_distance(network, content, like_style)


def test_several_scales(lite0, monkeypatch):
    sizes = []
    begin = method._Painting.begin
    monkeypatch.setattr(
        method._Painting, "begin", lambda self, c, s: (sizes.append((c.shape, s.shape)), begin(self, c, s))
    )
    image = stylize(lite0, resize(FLOWER, (96, 401)), SWIRLS, iterations=10)
    assert image.shape == (3, 96, 401) and sizes == [((3, 96, 401), (3, 96, 96))]
    sizes.clear()
    stylize(lite0, resize(FLOWER, (201, 197)), SWIRLS, iterations=10)
    assert sizes == [((3, 100, 98), (3, 98, 98)), ((3, 201, 197), (3, 197, 197))]


def test_ctrl_c_keeps_the_best_so_far(lite0, monkeypatch):
    go_on, ticks = method._Painting.go_on, []

    def interrupted(self):
        go_on(self)
        ticks.append(self.least)
        if len(ticks) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(method._Painting, "go_on", interrupted)
    image = stylize(lite0, resize(FLOWER, 192), SWIRLS, iterations=100)
    assert len(ticks) == 2 and ticks[1] <= ticks[0]
    assert image.shape == (3, 192, 192)  # though only the smaller scale had been painted
    assert gram_distance(lite0, image, resize(SWIRLS, 192)) < gram_distance(lite0, resize(FLOWER, 192), SWIRLS)


def test_matched_colors_have_the_mean_and_covariance_of_the_other():
    image, like = 0.3 + 0.4 * FLOWER, 0.4 + 0.2 * SWIRLS  # far from where values are clamped
    matched = match_colors(image, like).flatten(1)
    torch.testing.assert_close(matched.mean(1), like.flatten(1).mean(1), atol=2e-3, rtol=0)
    torch.testing.assert_close(torch.cov(matched), torch.cov(like.flatten(1)), atol=1e-3, rtol=0)
    torch.testing.assert_close(match_colors(image, image), image, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("content", "style", "weight", "iterations", "told"),
    [
        (FLOWER[:, :20], SWIRLS, 30, 10, "32 px"),
        (FLOWER, SWIRLS[:1], 30, 10, "32 px"),
        (FLOWER, SWIRLS, -1, 10, "style_weight"),
        (FLOWER, SWIRLS, 30, 0, "iterations"),
    ],
)
def test_misuse_is_told(lite0, content, style, weight, iterations, told):
    with pytest.raises(ValueError, match=told):
        stylize(lite0, content, style, weight, iterations=iterations)
