"""A copy stays a copy, however it is laid; other pictures are none."""

from __future__ import annotations

import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.measures.likeness import likeness


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image.roll((30, 50), (1, 2)),
        lambda image: image.flip(2),
        lambda image: torch.rot90(image, 1, (1, 2)),
        lambda image: 0.3 + 0.4 * image,
        lambda image: (image + 0.125 * torch.rand(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1),
    ],
)
def test_a_copy_is_one(change):
    flower = draw_daisy(5).image
    assert likeness(change(flower), flower) > 0.8  # 0.83 where it is shifted by a part of what one compared pixel holds


def test_sizes_do_not_matter():
    assert likeness(draw_daisy(5, size=448).image, draw_daisy(5, size=200).image) > 0.95


def test_other_daisies_and_noise_are_no_copies():
    flower = draw_daisy(5).image
    noise = torch.rand(3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert max(likeness(draw_daisy(seed).image, flower) for seed in range(20, 28)) < 0.3
    assert likeness(noise, flower) < 0.15


def test_a_flat_picture_is_like_nothing():
    flat = torch.full((3, 200, 200), 0.4)
    assert likeness(flat, flat) == 0 and likeness(flat, draw_daisy(1).image) == 0


@pytest.mark.parametrize("shape", [(1, 9, 9), (9, 9), (3, 0, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="expected an image"):
        likeness(torch.zeros(shape), torch.zeros(3, 9, 9))
