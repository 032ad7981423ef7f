"""A jury votes by each network's likeliest category, on what a viewer would see."""

from __future__ import annotations

import torch

from netlens_core.daisies import draw_daisy
from netlens_core.measures.jury import Jury


def test_a_jury_sees_a_daisy_and_no_daisy_in_grey(lite1, lite2):
    jury = Jury([lite1, lite2])
    assert jury.votes(draw_daisy(0).image, "daisy") == 2
    assert jury.votes(torch.full((3, 224, 224), 0.5), "daisy") == 0
    said = jury.probabilities(draw_daisy(0).image, "daisy")
    assert list(said) == ["efficientnet_lite1", "efficientnet_lite2"] and min(said.values()) > 0.5


def test_it_votes_on_the_eight_bit_image(lite1):
    flower = draw_daisy(0).image
    almost = (flower + 0.4 / 255).clamp(0, 1)
    jury = Jury([lite1])
    assert jury.probabilities(almost, "daisy") == jury.probabilities(flower, "daisy")
