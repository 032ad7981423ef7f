"""How much a picture looks like random noise: nothing in it that an eye could follow.

An eye finds shapes where neighbouring pixels go together and where slow waves carry the energy. So two things are
measured: the autocorrelation of near pixels, and the share of the energy in slow waves.

    picture (224 px)                 autocorrelation   slow share        flatness
    white noise                      0.01              0.05              0.56
    forged noise                     0.08 to 0.20      0.03 to 0.05      0.48 to 0.52
    white noise, 3-pixel box blur    0.68              0.37              0.07
    a daisy                          0.97 and more     0.96 and more     at most 0.01
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LAGS = 8
SLOW = 1 / 8  # cycles a pixel: waves of more than eight pixels

# Between forged noise and blurred noise, as measured above.
MOST_CORRELATION = 0.5
MOST_SLOW_SHARE = 0.1


@dataclass(frozen=True)
class NoiseLikeness:
    """What is measured of a picture; each number in [0, 1].

    Attributes:
        autocorrelation: largest absolute correlation of a pixel with one up to 8 px away, 0 for white noise.
        slow_share: share of the energy in waves longer than 8 px; 0.05 for white noise.
        flatness: geometric over arithmetic mean of the power spectrum; 0.56 for white noise (Johnston 1988).
    """

    autocorrelation: float
    slow_share: float
    flatness: float


def noise_likeness(image: Tensor) -> NoiseLikeness:
    """Measure an image (3, H, W) in [0, 1], at least 32 px on each side. Raises ValueError for other shapes.

    Constant channels count as no noise at all: autocorrelation 1, slow share 1, flatness 0.
    """
    if image.dim() != 3 or min(image.shape[1:]) < 4 * LAGS:
        raise ValueError(f"expected an image (3, H, W) of at least {4 * LAGS} px, not {tuple(image.shape)}")
    centred = image.detach().double() - image.double().mean(dim=(1, 2), keepdim=True)
    power = torch.fft.fft2(centred).abs() ** 2
    total = power.sum(dim=(1, 2))
    if float(total.min()) < 1e-6:
        return NoiseLikeness(1.0, 1.0, 0.0)
    height, width = image.shape[1:]
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None])
    slow = (power * (frequency < SLOW)).sum(dim=(1, 2)) / total
    # The power spectrum's transform is the autocorrelation (Wiener and Khinchin), wrapped around the edges.
    correlation = torch.fft.ifft2(power).real / (total / (height * width))[:, None, None]
    near = correlation[:, : LAGS + 1].abs()
    near = torch.cat([near[:, :, : LAGS + 1], near[:, :, -LAGS:]], dim=2)
    near[:, 0, 0] = 0
    inner = power.flatten(1)[:, 1:]  # without the mean
    flatness = inner.clamp(min=1e-12).log().mean(dim=1).exp() / inner.mean(dim=1)
    return NoiseLikeness(float(near.max()), float(slow.max()), float(flatness.min()))


def looks_like_noise(image: Tensor) -> bool:
    """Whether an image (3, H, W) has neither shapes nor slow waves that an eye could follow."""
    likeness = noise_likeness(image)
    return likeness.autocorrelation <= MOST_CORRELATION and likeness.slow_share <= MOST_SLOW_SHARE
