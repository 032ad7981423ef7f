"""Noise is told from pictures, however they are disguised."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d

from netlens_core.daisies import draw_daisy
from netlens_core.measures.noise import looks_like_noise, noise_likeness


def white(seed: int = 0) -> torch.Tensor:
    return (0.5 + 0.18 * torch.randn(3, 224, 224, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)


def test_white_noise_has_its_known_numbers():
    found = noise_likeness(white())
    assert found.autocorrelation < 0.03
    assert found.slow_share == pytest.approx(torch.pi / 64, abs=0.01)  # area of the disc of radius 1/8
    assert found.flatness == pytest.approx(0.561, abs=0.02)  # exp(-Euler's constant)


def test_a_flower_is_no_noise_and_neither_is_half_of_one():
    flower = draw_daisy(3).image
    assert not looks_like_noise(flower)
    assert not looks_like_noise((0.5 * flower + 0.5 * white()).clamp(0, 1))
    assert not looks_like_noise((0.5 + 0.25 * (flower - 0.5) + 0.6 * (white() - 0.5)).clamp(0, 1))


def test_blurred_striped_and_blank_images_are_no_noise():
    assert not looks_like_noise(avg_pool2d(white()[None], 3, 1, 1)[0])
    stripes = (torch.arange(224) % 2).float().expand(3, 224, 224)
    assert not looks_like_noise(stripes)
    assert not looks_like_noise(torch.full((3, 224, 224), 0.5))


def test_one_colour_channel_with_a_picture_gives_it_away():
    disguised = white()
    disguised[1] = draw_daisy(3).image[1]
    assert not looks_like_noise(disguised)


def test_noise_looks_like_noise_at_any_size():
    assert looks_like_noise(white())
    assert looks_like_noise(white()[:, :64, :100])
    with pytest.raises(ValueError, match="at least 32"):
        noise_likeness(white()[:, :20, :20])
