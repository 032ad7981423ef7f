"""Images: float32 tensors (3, H, W) in [0, 1]; how they are read, written, resized and made 8-bit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Images (N, 3, H, W) or (3, H, W) at another size in pixels (one number: square); never cropped.

    Bicubic and antialiased, clamped to [0, 1]; differentiable. The one resize of netlens.
    """
    single = images.dim() == 3
    batch = images[None] if single else images
    height, width = (size, size) if isinstance(size, int) else size
    out = functional.interpolate(
        batch, (height, width), mode="bicubic", antialias=True, align_corners=False
    ).clamp(0, 1)
    return out[0] if single else out


def to_8bit(image: Tensor) -> Tensor:
    """What a viewer would see: the image rounded to 256 levels and back, float32 in [0, 1]; shape kept."""
    return (image.detach().clamp(0, 1) * 255).round().to(torch.float32) / 255
