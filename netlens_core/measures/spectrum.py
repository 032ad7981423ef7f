"""How a picture's energy spreads over its waves: photos and good dreams have little in the short ones.

picture                                   energy above 1/4 cycle a pixel   slope
a drawn daisy, a photo, a dream           0.00 to 0.03                     -3.0 to -2.2
a dream by plain ascent in pixels         0.2 to 0.4                       -1.2 to -0.2
white noise                               0.8                              0
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from netlens_core.images import to_8bit

SMALLEST = 32  # pixels: below, there are too few waves to speak of a slope


def energy_above(image: Tensor, frequency: float = 0.25) -> float:
    """Share in [0, 1] of the variance of the grey image that lies in waves of more than `frequency` cycles a pixel.

    Args:
        image: (3, H, W) in [0, 1], at least 32 px on each side.
        frequency: 0 to 0.71 (the diagonal's Nyquist frequency); 0.5 is Nyquist along an axis.

    A constant image has no waves: 0. Raises ValueError for other shapes.
    """
    power, frequencies = _spectrum(image, window=False)
    total = float(power.sum())
    return float(power[frequencies > frequency].sum()) / total if total > 1e-12 else 0.0


def spectrum_slope(image: Tensor) -> float:
    """Exponent of power against frequency of the grey image: 0 for white noise, about -2 for photos.

    A line through the mean power of twelve rings, evenly spaced in the logarithm of the frequency, between 4 cycles a
    side and 0.45 cycles a pixel. A Hann window keeps the edges out.

    Args:
        image: (3, H, W) in [0, 1], at least 32 px on each side.

    Raises ValueError for other shapes and for a constant image. Source: Field, Relations between the statistics of
    natural images and the response properties of cortical cells, 1987.
    """
    power, frequencies = _spectrum(image, window=True)
    if float(power.sum()) <= 1e-12:
        raise ValueError("a constant image has no waves, so no slope")
    edges = torch.linspace(math.log(4 / min(image.shape[1:])), math.log(0.45), 13, dtype=torch.float64).exp()
    where, height = [], []
    for low, high in pairwise(edges.tolist()):
        ring = (frequencies >= low) & (frequencies < high)
        if bool(ring.any()):
            where.append(math.log(low * high) / 2)
            height.append(power[ring].mean().clamp(min=1e-12).log())
    x, y = torch.tensor(where, dtype=torch.float64), torch.stack(height)
    x = x - x.mean()
    return float((x * y).sum() / x.square().sum())


def _spectrum(image: Tensor, window: bool) -> tuple[Tensor, Tensor]:
    """Power and frequency in cycles a pixel of every wave of the grey, centred 8-bit image: both (H, W), float64."""
    if image.dim() != 3 or image.shape[0] != 3 or min(image.shape[1:]) < SMALLEST:
        raise ValueError(f"expected an image (3, H, W) of at least {SMALLEST} px, not {tuple(image.shape)}")
    grey = to_8bit(image).double().mean(dim=0).cpu()
    height, width = grey.shape
    grey = grey - grey.mean()
    if window:
        columns, rows = (torch.hann_window(n, periodic=False, dtype=torch.float64) for n in (width, height))
        grey = grey * rows[:, None] * columns
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None]).double()
    return torch.fft.fft2(grey).abs().square(), frequency
