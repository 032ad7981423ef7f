"""Marks for `gan`: two networks have learnt to draw digits that are true, varied and new."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from netlens_core.grading.marking import check
from netlens_core.measures.feature_network import classifier_features
from netlens_core.measures.generative import COPY, measure, nearest_distances, relative_nearest_distance

# Measured over twenty draws of four kinds of digits: a plain GAN and one with averaged weights, 3,000 steps each, and
# the cheats beside them. Fréchet distances are shares of the digits' variance.
DRAWINGS = 480
# All of an honest generator's drawings differ; what was remembered from a call for one image is the same 480 times.
DIFFERENT = {"at_least": 0.95, "partial_from": 0.50}
# Two seconds' worth: nobody has learnt to draw a digit in fewer steps.
STEPS = {"at_least": 200, "partial_from": 20}
# Honest losses pull against each other, -0.6 and below over ten steps; a Wasserstein critic's drift apart, about 0.
# Two invented curves that both fall have 1; constants are "not a number".
OPPOSED = {"at_most": 0.30, "partial_from": 0.80}
# What has learnt anything is below 0.2; noise, the mean digit, untrained networks are at 0.59 and above.
LEARNT = {"at_most": 0.45, "partial_from": 0.55}
# Honest: up to 0.09. Autoencoders 0.17 and more, three kinds of four 0.22, blends and Gaussians 0.24 and more.
TRUE = {"at_most": 0.12, "partial_from": 0.24}
# Honest: 0.83 and more. Blends of two digits and Gaussians: up to 0.71.
SURE = {"at_least": 0.75, "partial_from": 0.60}
# Honest: 0.72 and more. Blends up to 0.62, a Gaussian 0.41, one kind of four 0.34.
COVERED = {"at_least": 0.65, "partial_from": 0.30}
# Honest: 0.96 and more; without one of four kinds 0.75.
EVEN = {"at_least": 0.85, "partial_from": 0.50}
# Honest: 0.87 (trained twice as long as needed) to 1.4. Copies 0 to 0.1, with noise or halfway to a neighbour 0.66.
NEW = {"at_least": 0.75, "partial_from": 0.50}
# Honest: 0.98 and more. Noise hides a copy from `NEW` but not here: 0.82 where the digit can still be read.
ALONE = {"at_least": 0.95, "partial_from": 0.80}
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
def test_both_networks_learn(history, fitting, quality, expect):
    """Both networks learn from each other, and the generator has learnt from it."""
    losses = torch.tensor([[step["generator"], step["discriminator"]] for step in history], dtype=torch.float64)
    expect("steps in the history", len(losses), **STEPS)
    expect("correlation of the two losses, over ten steps", _correlation(losses), **OPPOSED)
    if fitting:
        expect("Fréchet distance to digits", quality.frechet, **LEARNT)


def _correlation(losses):
    """Of means over ten steps, which leaves out the chance of single batches; NaN where a loss never changes."""
    means = losses[: len(losses) // 10 * 10].view(-1, 10, 2).mean(1)
    return float(torch.corrcoef(means.T)[0, 1]) if len(means) > 2 else float("nan")


@check(points=3)
def test_drawings_look_like_digits(drawings, fitting, quality, hidden, expect, figure):
    """The drawings look like the digits that `train` was given."""
    figure("digits that `train` was given", hidden.training[:64])
    figure("your drawings", drawings[:64])
    if fitting:
        expect("Fréchet distance to digits", quality.frechet, **TRUE)
        expect("mean confidence of a classifier", quality.confidence, **SURE)
        expect.note("precision", quality.precision)


@check(points=2)
def test_every_kind_is_drawn(fitting, quality, expect):
    """All kinds of digits are drawn, and all their shapes."""
    if fitting:
        expect("coverage of held-out digits", quality.coverage, **COVERED)
        expect("evenness over the kinds of digits", quality.modes, **EVEN)
        expect.note("recall", quality.recall)


@check(points=2)
def test_nothing_is_copied(drawings, fitting, quality, hidden, inputs, expect):
    """The drawings are digits, and new ones: no copies, not even shifted, under noise or halfway to the next digit."""
    if not fitting:
        return
    expect("Fréchet distance to digits", quality.frechet, **LEARNT)
    expect("distance to the nearest training image, held-out digits: 1", quality.novelty, **NEW)
    alone = relative_nearest_distance(drawings, hidden.training) / relative_nearest_distance(
        hidden.held_out, hidden.training
    )
    expect("the same relative to the next nine images, held-out digits: 1", alone, **ALONE)
    every = inputs["all_digits"].images
    usual = nearest_distances(hidden.held_out, hidden.training).median()
    found = nearest_distances(drawings, torch.cat([every, every.flip(3)])) < COPY * usual
    expect("share of drawings that are real digits", float(found.float().mean()), **FOUND)
