"""Marks for `gan`: two networks have learnt to draw digits that are true, varied and new."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from netlens_core.grading.marking import check
from netlens_core.measures.feature_network import classifier_features
from netlens_core.measures.generative import (
    COPY,
    fine_structure,
    measure,
    nearest_blend_distances,
    nearest_distances,
    relative_nearest_distance,
)

# Measured over eight draws of four kinds of digits: GANs of several makes, 3,000 steps each and one of 9,000, and the
# cheats beside them. Fréchet distances are shares of the digits' variance.
DRAWINGS = 480
# All of an honest generator's drawings differ; what was remembered from a call for one image is the same 480 times.
DIFFERENT = {"at_least": 0.95, "partial_from": 0.50}
# Two seconds' worth: nobody has learnt to draw a digit in fewer steps.
STEPS = {"at_least": 200, "partial_from": 20}
# Honest losses pull against each other, -0.6 and below over ten steps; a Wasserstein critic's drift apart, about 0.
# Two invented curves that both fall have 1; constants are "not a number".
OPPOSED = {"at_most": 0.30, "partial_from": 0.80}
# Honest: up to 0.17, and 0.29 after three times as many steps as needed; noise, mean digit, untrained: 1.0 and above.
LEARNT = {"at_most": 0.45, "partial_from": 0.55}
# Honest as above. Gaussians and blends of any two digits: 0.22 to 0.32, which `SURE` tells as well; one image 2.
TRUE = {"at_most": 0.22, "partial_from": 0.45}
# Honest: 0.82 and more. Gaussians 0.66 to 0.71, blends of any two 0.68 to 0.72, untrained up to 0.65.
SURE = {"at_least": 0.75, "partial_from": 0.60}
# Honest: 0.73 and more, 0.64 where training stops early. Blends up to 0.62, a Gaussian 0.35, one kind of four 0.34.
COVERED = {"at_least": 0.65, "partial_from": 0.30}
# Honest: 0.90 and more, 0.83 after too many steps; without one of four kinds 0.75.
EVEN = {"at_least": 0.85, "partial_from": 0.50}
# Honest: 0.90 and more, 0.77 after too many steps. Copies and blends of two 0 to 0.09, of six similar ones 0.55.
NEW = {"at_least": 0.72, "partial_from": 0.60}
# Honest: 1.03 and more, 0.97 after too many steps. Copies under noise of 0.10, 0.15, 0.17: up to 0.65, 0.86, 0.93;
# blends under noise 0.92; shifted copies 0.5.
ALONE = {"at_least": 0.98, "partial_from": 0.96}
# Honest: 0.6 to 1.4, 1.7 to 3.1 where training stops early. Copies under noise of 0.17, 0.2, 0.3: 3.8, 4.9, 9.5 and
# more; under noise of 0.3 in the strokes alone 3.8.
CLEAN = {"at_most": 2.0, "partial_from": 3.4}
# Honest: none. Real digits: all.
FOUND = {"at_most": 0.05, "partial_from": 0.50}


class Hidden(NamedTuple):
    """Digits that no data set has: mirrored. Two thirds are trained on."""

    training: torch.Tensor
    held_out: torch.Tensor
    kinds: torch.Tensor


@pytest.fixture(scope="session")
def hidden(inputs):
    images, labels = inputs["hidden_digits"]
    mirrored, count = images.flip(3), 2 * len(images) // 3
    return Hidden(mirrored[:count], mirrored[count:], torch.unique(labels, return_inverse=True)[1])


@pytest.fixture(scope="session")
def history(submission, hidden):
    return submission.train(hidden.training)


@pytest.fixture(scope="session")
def one(submission, history):
    return submission.sample(1)


@pytest.fixture(scope="session")
def drawings(submission, one):
    """Drawn after a call for one: whoever keeps what the first call drew has too little for the second."""
    return submission.sample(DRAWINGS)


@pytest.fixture(scope="session")
def quality(drawings, hidden):
    images = torch.cat([hidden.training, hidden.held_out])
    if drawings.shape[1:] != images.shape[1:]:
        return None
    return measure(drawings, hidden.training, hidden.held_out, classifier_features(images, hidden.kinds))


@pytest.fixture
def fitting(drawings, hidden, expect):
    """Whether the drawings can be compared with the digits at all."""
    expect("channels, height and width", _shape(drawings), equal_to=_shape(hidden.training))
    return drawings.shape[1:] == hidden.training.shape[1:]


def _shape(images):
    return " x ".join(map(str, images.shape[1:]))


@check(points=1)
def test_sample_gives_images(one, drawings, fitting, expect, figure):
    """`sample` draws as many images as asked for, of the right size, and none of them twice."""
    figure("your drawings", drawings[:64])
    expect("images, asked for 1", len(one), equal_to=1)
    expect("images, asked for 480", len(drawings), equal_to=DRAWINGS)
    expect("share of drawings that differ", len(drawings.flatten(1).unique(dim=0)) / len(drawings), **DIFFERENT)


@check(points=2)
def test_nothing_is_copied(drawings, fitting, quality, hidden, inputs, expect):
    """Something was learnt, and the drawings are new: no digits that exist, not shifted, under noise or blended."""
    if not fitting:
        return
    # Whoever trains can look up all digits that the course has, so copies of any count, as they are and mirrored.
    every = inputs["all_digits"].images
    every = torch.cat([every, every.flip(3)])
    training, held_out = hidden.training, hidden.held_out
    expect("Fréchet distance to digits", quality.frechet, **LEARNT)
    between = nearest_blend_distances(drawings, every).median() / nearest_blend_distances(held_out, training).median()
    expect("distance to the nearest digit or blend of two, held-out digits: 1", between, **NEW)
    alone = relative_nearest_distance(drawings, every) / relative_nearest_distance(held_out, training)
    expect("distance to the nearest digit relative to the next nine, held-out digits: 1", alone, **ALONE)
    expect("fine structure, held-out digits: 1", fine_structure(drawings, held_out, training), **CLEAN)
    found = nearest_distances(drawings, every) < COPY * nearest_distances(held_out, training).median()
    expect("share of drawings that are digits of the data set", found.float().mean(), **FOUND)


@check(points=2, after=test_nothing_is_copied)
def test_both_networks_learn(history, expect):
    """Both networks learn from each other: what one wins, the other loses."""
    losses = torch.tensor([[step["generator"], step["discriminator"]] for step in history], dtype=torch.float64)
    expect("steps in the history", len(losses), **STEPS)
    expect("correlation of the two losses, over ten steps", _correlation(losses), **OPPOSED)


def _correlation(losses):
    """Of means over ten steps, which leaves out the chance of single batches; NaN where a loss never changes."""
    means = losses[: len(losses) // 10 * 10].view(-1, 10, 2).mean(1)
    return float(torch.corrcoef(means.T)[0, 1]) if len(means) > 2 else float("nan")


@check(points=3, after=test_nothing_is_copied)
def test_drawings_look_like_digits(drawings, quality, hidden, expect, figure):
    """The drawings look like the digits that `train` was given."""
    figure("digits that `train` was given", hidden.training[:64])
    figure("your drawings", drawings[:64])
    expect("Fréchet distance to digits", quality.frechet, **TRUE)
    expect("mean confidence of a classifier", quality.confidence, **SURE)
    expect.note("precision", quality.precision)


@check(points=2, after=test_nothing_is_copied)
def test_every_kind_is_drawn(quality, expect):
    """All kinds of digits are drawn, and all their shapes."""
    expect("coverage of held-out digits", quality.coverage, **COVERED)
    expect("evenness over the kinds of digits", quality.modes, **EVEN)
    expect.note("recall", quality.recall)
