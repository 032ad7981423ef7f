"""Marks for `noise`: what the network takes an image for, and what a person makes of that."""

from __future__ import annotations

import pytest

from netlens_core.grading.marking import check

# Equal computations differ by under 1e-6; the nearest wrong ones (another image's answer, a cropped daisy) by 0.0013.
PROBABILITY = {"at_most": 0.001, "partial_from": 0.02}


@pytest.fixture
def same_ranking(expect):
    """`same_ranking(yours, own)`: measures how far a ranking is the network's own."""

    def measure(yours, own, of):
        pairs = list(zip(yours, own, strict=False))
        in_place = sum(category == true for (category, _), (true, _) in pairs)
        errors = [abs(probability - true) for (_, probability), (_, true) in pairs]
        expect("likeliest category", yours[0][0] if yours else "–", of=of, equal_to=own[0][0])
        expect("categories in their place", in_place, of=of, at_least=len(own), partial_from=1)
        expect("largest error of a probability", max(errors, default=1.0), of=of, **PROBABILITY)

    return measure


@check(points=3)
def test_what_is_it(submission, inputs, network, jury, figure, same_ranking):
    """The five likeliest categories of what_is_it.png, with the network's own probabilities."""
    image = inputs["what_is_it"]
    figure("what_is_it.png", image, seen_by=(network, *jury.networks))
    same_ranking(submission.classify(network, image, k=5), network.classify(image, k=5), of="what_is_it.png")


@check(points=2)
def test_number_of_categories(submission, inputs, network, expect):
    """As many categories as asked for, five where nobody says."""
    image = inputs["what_is_it"]
    for k, of in ((1, "k=1"), (10, "k=10")):
        expect("number of categories", len(submission.classify(network, image, k=k)), of=of, equal_to=k)
    expect("number of categories", len(submission.classify(network, image)), of="without k", equal_to=5)


@check(points=3)
def test_other_images(submission, inputs, network, same_ranking):
    """The same for images that you have not seen, of other sizes."""
    for name, of in (("hidden_noise", "another noise"), ("hidden_daisy", "a daisy")):
        image = inputs[name]
        same_ranking(submission.classify(network, image, k=5), network.classify(image, k=5), of=of)


@check(points=2, manual=True)
def test_resembles(submission):
    """Your answer: does what_is_it.png resemble what the network takes it for?"""
    submission.answer("resembles")
