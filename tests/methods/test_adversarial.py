"""The reference methods do what the exercise asks of students, with room to spare."""

from __future__ import annotations

import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.images import to_8bit
from netlens_core.measures.distance import linf_distance
from netlens_core.measures.similarity import structural_similarity
from netlens_core.methods.adversarial import craft, mix


@pytest.mark.parametrize("color", ["white", "yellow"])
def test_a_crafted_image_fools_after_rounding_and_stays_near(lite0, color):
    flower = draw_daisy(7, color=color).image
    image = craft(lite0, flower, levels=3)
    assert torch.equal(image, to_8bit(image))
    assert lite0.probability(image, "daisy") < 0.02
    assert linf_distance(image, flower) <= 3
    assert structural_similarity(image, flower) > 0.95


def test_a_radius_below_half_a_level_dies_in_the_rounding(lite0):
    flower = draw_daisy(7).image
    assert torch.equal(craft(lite0, flower, levels=0.49, steps=3), flower)


def test_other_sizes_keep_their_size(lite0):
    flower = draw_daisy(7, size=160).image
    assert craft(lite0, flower, steps=2).shape == flower.shape


def test_a_mix_adds_what_departs_from_grey_and_stays_in_range():
    flower, noise = torch.full((3, 2, 2), 0.5), torch.tensor([0.0, 0.5, 0.75, 1.0]).view(1, 2, 2).expand(3, 2, 2)
    wanted = torch.tensor([0.4, 0.5, 0.55, 0.6]).view(1, 2, 2).expand(3, 2, 2)
    torch.testing.assert_close(mix(flower, noise, amplitude=0.1), wanted)
    assert float(mix(flower, noise, amplitude=3).max()) == 1
    assert float(mix(flower, noise, amplitude=3).min()) == 0


def test_a_mix_of_two_sizes_is_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        mix(torch.zeros(3, 4, 4), torch.zeros(3, 5, 5))
