"""Marks for `adversarial`: people see a daisy, the network does not."""

from __future__ import annotations

import pytest

from netlens_core.grading.judge import check
from netlens_core.measures.difference import added_correlation, amplified_difference
from netlens_core.measures.distance import linf_distance
from netlens_core.measures.similarity import perceptual_distance, structural_similarity

MIX_FOOLS = {"at_most": 0.10, "partial_from": 0.50}
MIX_SIMILAR = {"at_least": 0.40, "partial_from": 0.25}
MIX_ADDED = {"at_least": 0.80, "partial_from": 0.40}
FOOLED = {"at_most": 0.10, "partial_from": 0.50}
SIMILAR = {"at_least": 0.93, "partial_from": 0.85}
NEAR = {"at_most": 16, "partial_from": 32}
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
    for name, image, original in (("your mix", mixed, flower), ("another mix", submission.mix(other, noise), other)):
        if same_size(image, original):
            expect(f"similarity of {name} to its flower", structural_similarity(image, original), **MIX_SIMILAR)
            expect(f"share of the noise in {name}", added_correlation(image, original, noise), **MIX_ADDED)


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
        expect.note("perceptual distance (LPIPS)", perceptual_distance(adversarial, flower))
    expect("jury networks that see a daisy", jury.votes(adversarial, "daisy"), **SEEN)


@check(points=2, after=test_network_is_fooled)
def test_hidden_flowers(submission, network, jury, inputs, same_size, expect):
    """Your function does the same for flowers that you have not seen."""
    for color in ("white", "yellow"):
        original = inputs[f"hidden_{color}"]
        image = submission.craft(network, original)
        of = f"{color} flower: "
        expect(f"{of}probability of daisy", network.probability(image, "daisy"), **FOOLED)
        expect(f"{of}jury networks that see a daisy", jury.votes(image, "daisy"), **SEEN)
        if same_size(image, original):
            expect(f"{of}structural similarity", structural_similarity(image, original), **SIMILAR)
            expect(f"{of}largest change of a pixel", linf_distance(image, original), **NEAR)
