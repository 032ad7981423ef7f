"""Marks for `adversarial`: people see a daisy, the network does not."""

from __future__ import annotations

import pytest

from netlens_core.grading.marking import check
from netlens_core.measures.difference import added_correlation, amplified_difference
from netlens_core.measures.distance import linf_distance
from netlens_core.measures.similarity import structural_similarity

# Each limit stands between reference and wrong solutions, by benchmarks/thresholds.py over twenty flowers.
# A flower's own probability of daisy is 0.92 and more. Half of that is no answer; a tenth is an error without doubt.
MIX_FOOLS = {"at_most": 0.10, "partial_from": 0.50}
# A veil of amplitude 0.12 keeps 0.51 and more, of 0.15 about 0.44; other flowers' mixes 0.26, too much noise 0.13.
MIX_SIMILAR = {"at_least": 0.40, "partial_from": 0.25}
# Every true mix has 0.99 and more; an adversarial image passed off as a mix 0.007, another flower's mix at most 0.31.
MIX_ADDED = {"at_least": 0.80, "partial_from": 0.40}
# The reference ends below 0.02; what dies at 8 bits keeps 0.93, as an unchanged flower does.
FOOLED = {"at_most": 0.10, "partial_from": 0.50}
# Gradient descent within 3 levels keeps 0.965 and more, within 4 levels 0.95; grain that anybody sees at most 0.82, a
# flower shifted by pixels 0.73.
SIMILAR = {"at_least": 0.93, "partial_from": 0.85}
# The reference changes 3 levels; visible grain 21 and more, a patch 182.
NEAR = {"at_most": 16, "partial_from": 32}
# Both jurors see the reference's daisy on every flower; neither sees one on a blank image.
SEEN = {"at_least": 2}


@pytest.fixture(scope="session")
def flower(inputs):
    """The student's own."""
    return inputs["flower"]


@pytest.fixture(scope="session")
def mixed(submission, flower, inputs):
    return submission.mix(flower, inputs["noise"])


@pytest.fixture(scope="session")
def adversarial(submission, network, flower):
    return submission.craft(network, flower)


@check(points=2)
def test_mix_fools_the_network(mixed, flower, inputs, network, jury, expect, figure):
    """The network no longer sees a daisy in your mix of flower and noise."""
    everybody = (network, *jury.networks)
    figure("flower.png", flower, seen_by=everybody)
    figure("what_is_it.png", inputs["noise"], seen_by=everybody)
    figure("your mix", mixed, seen_by=everybody)
    expect("probability of daisy", network.probability(mixed, "daisy"), **MIX_FOOLS)


@check(points=2, after=test_mix_fools_the_network)
def test_mix_shows_the_flower(mixed, flower, submission, inputs, same_size, expect):
    """A person still sees the flower through the noise, in your mix and in that of another flower."""
    noise, other = inputs["noise"], inputs["hidden_yellow"]
    for of, image, original in (("your mix", mixed, flower), ("another mix", submission.mix(other, noise), other)):
        if same_size(image, original, of=of):
            expect("similarity to the flower", structural_similarity(image, original), of=of, **MIX_SIMILAR)
            expect("share of the noise in it", added_correlation(image, original, noise), of=of, **MIX_ADDED)


@check(points=2)
def test_network_is_fooled(adversarial, network, jury, expect, figure):
    """The network no longer sees a daisy where there still is one."""
    figure("your adversarial image", adversarial, seen_by=(network, *jury.networks))
    expect("probability of daisy", network.probability(adversarial, "daisy"), **FOOLED)
    expect("jury networks that see a daisy", jury.votes(adversarial, "daisy"), at_least=1)


@check(points=2, after=test_network_is_fooled)
def test_people_still_see_a_daisy(adversarial, flower, jury, same_size, expect, figure):
    """A person sees no difference from your flower."""
    if same_size(adversarial, flower):
        figure("what you changed, 20 times as strong", amplified_difference(adversarial, flower, gain=20))
        expect("structural similarity", structural_similarity(adversarial, flower), **SIMILAR)
        expect("largest change of a pixel, in levels of 255", linf_distance(adversarial, flower), **NEAR)
    expect("jury networks that see a daisy", jury.votes(adversarial, "daisy"), **SEEN)


@check(points=2, after=test_network_is_fooled)
def test_hidden_flowers(submission, network, jury, inputs, same_size, expect):
    """Your function does the same for flowers that you have not seen."""
    for name, of in (("hidden_white", "white flower"), ("hidden_yellow", "yellow flower")):
        original = inputs[name]
        image = submission.craft(network, original)
        expect("probability of daisy", network.probability(image, "daisy"), of=of, **FOOLED)
        expect("jury networks that see a daisy", jury.votes(image, "daisy"), of=of, **SEEN)
        if same_size(image, original, of=of):
            expect("structural similarity", structural_similarity(image, original), of=of, **SIMILAR)
            expect("largest change of a pixel, in levels of 255", linf_distance(image, original), of=of, **NEAR)
