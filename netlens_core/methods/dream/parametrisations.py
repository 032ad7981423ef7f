"""In which coordinates a dream climbs: pixel by pixel, or in waves of brightness and hue.

The image stays the same thing; what differs is which changes of it are small steps, and with it where the climb ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Size = tuple[int, int]  # height, width in pixels


class Parametrisation(Protocol):
    """Numbers for three unbounded planes (3, H, W), and the image (3, H, W) in [0, 1] that the planes stand for.

    `finer` says how many times as large as the wanted image the canvas is that is dreamt on.
    """

    @property
    def finer(self) -> int: ...
    def numbers(self, planes: Tensor) -> Tensor: ...
    def planes(self, numbers: Tensor, size: Size) -> Tensor: ...
    def image(self, planes: Tensor) -> Tensor: ...
    def planes_of(self, image: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Pixels:
    """Each value of each pixel by itself: the plain way, which ends in grey noise."""

    finer: int = 1

    def numbers(self, planes: Tensor) -> Tensor:
        return planes

    def planes(self, numbers: Tensor, size: Size) -> Tensor:
        return numbers

    def image(self, planes: Tensor) -> Tensor:
        return planes.sigmoid()

    def planes_of(self, image: Tensor) -> Tensor:
        return image.clamp(0.01, 0.99).logit()


# How the colours of ImageNet's photos go together: a column for brightness, two for hue (Olah et al. 2017, Lucid).
_COLORS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


@dataclass(frozen=True)
class Fourier:
    """Waves of brightness and hue, scaled as photos have them: long waves and common colours are cheap steps."""

    decay: float = 1.25  # photos' amplitudes fall as 1 / frequency
    chroma: float = 1.4  # beyond 1: more colourful than photos
    gain: float = 0.25
    finer: int = 2  # what is still there at half the size, other networks see better: 0.70 against 0.49 of a daisy

    def numbers(self, planes: Tensor) -> Tensor:
        height, width = planes.shape[-2:]
        waves = torch.view_as_real(torch.fft.rfft2(planes, norm="ortho"))
        return waves / self._scale((height, width), planes)

    def planes(self, numbers: Tensor, size: Size) -> Tensor:
        waves = torch.view_as_complex(numbers * self._scale(size, numbers))
        return torch.fft.irfft2(waves, s=size, norm="ortho")

    def image(self, planes: Tensor) -> Tensor:
        return torch.einsum("rc,chw->rhw", self._colors(planes), planes).sigmoid()

    def planes_of(self, image: Tensor) -> Tensor:
        return torch.einsum("cr,rhw->chw", self._colors(image).inverse(), image.clamp(0.01, 0.99).logit())

    def _scale(self, size: Size, like: Tensor) -> Tensor:
        height, width = size
        frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])
        return (self.gain / frequency.clamp(min=1 / max(size)) ** self.decay)[..., None].to(like.device)

    def _colors(self, like: Tensor) -> Tensor:
        hues = torch.tensor([1, self.chroma, self.chroma])
        return (_COLORS / _COLORS.norm(dim=0).max() * hues).to(like.device)
