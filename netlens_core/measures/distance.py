"""How far apart the pixels of two pictures are, on the 8 bits that a viewer gets."""

from __future__ import annotations

import torch
from torch import Tensor


def linf_distance(a: Tensor, b: Tensor) -> float:
    """The largest change of any channel of any pixel, in levels: 0 to 255.

    Args:
        a, b: images (3, H, W) in [0, 1] of the same size; rounded to 8 bits first.

    Raises ValueError for other shapes.
    """
    return float(_levels_apart(a, b).abs().max())


def l2_distance(a: Tensor, b: Tensor) -> float:
    """The Euclidean length of the change, pixels in [0, 1]: 0 to sqrt(3 H W), about 6.1 for 4 levels at 224 px.

    Args:
        a, b: images (3, H, W) in [0, 1] of the same size; rounded to 8 bits first.

    Raises ValueError for other shapes.
    """
    return float(torch.linalg.vector_norm(_levels_apart(a, b).double() / 255))


def _levels_apart(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 3 or a.shape != b.shape or not a.numel():
        raise ValueError(f"expected two images (3, H, W) of one size, not {tuple(a.shape)} and {tuple(b.shape)}")
    return (a.detach().clamp(0, 1) * 255).round() - (b.detach().clamp(0, 1) * 255).round()
