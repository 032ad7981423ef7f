"""Spectra of pictures whose waves are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.measures.spectrum import energy_above, spectrum_slope


def wave(frequency: float, size: int = 64) -> torch.Tensor:
    row = 0.5 + 0.4 * torch.cos(2 * math.pi * frequency * torch.arange(size))
    return row.expand(3, size, size)


def falling(exponent: float, size: int = 128) -> torch.Tensor:
    """Random waves whose power falls with the frequency to a known exponent."""
    random = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1
    phases = np.exp(2j * np.pi * random.random(frequency.shape))
    values = np.fft.irfft2(phases * frequency ** (exponent / 2), s=(size, size))
    values = 0.5 + (values - values.mean()) / values.std() * 0.15
    return torch.from_numpy(values.clip(0, 1)).float().expand(3, size, size)


def test_a_single_wave_lies_on_its_side_of_the_limit():
    assert energy_above(wave(1 / 8)) < 0.001
    assert energy_above(wave(3 / 8)) > 0.999
    assert energy_above(wave(3 / 8), frequency=0.4) < 0.001


def test_white_noise_fills_the_plane_of_frequencies_evenly():
    noise = torch.rand(1, 256, 256, generator=torch.Generator().manual_seed(1)).expand(3, 256, 256)
    assert energy_above(noise) == pytest.approx(1 - math.pi / 16, abs=0.01)
    assert abs(spectrum_slope(noise)) < 0.15


@pytest.mark.parametrize("exponent", [-1.0, -2.0, -3.0])
def test_the_slope_of_known_waves_is_found(exponent):
    assert spectrum_slope(falling(exponent)) == pytest.approx(exponent, abs=0.25)


def test_a_daisy_is_made_of_long_waves_and_noise_upon_it_of_short_ones():
    flower = draw_daisy(7, 128).image
    noisy = flower + 0.2 * torch.randn(flower.shape, generator=torch.Generator().manual_seed(0))
    assert energy_above(flower) < 0.03 < energy_above(noisy)
    assert spectrum_slope(flower) < -2 < spectrum_slope(noisy)


def test_constant_images_have_no_waves():
    assert energy_above(torch.full((3, 32, 32), 0.3)) == 0
    with pytest.raises(ValueError, match="constant"):
        spectrum_slope(torch.full((3, 32, 32), 0.3))


@pytest.mark.parametrize("shape", [(3, 31, 64), (1, 64, 64), (64, 64)])
def test_other_shapes_are_refused(shape):
    for measure in (energy_above, spectrum_slope):
        with pytest.raises(ValueError, match="expected an image"):
            measure(torch.rand(shape))
