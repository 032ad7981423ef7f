"""How alike two pictures look to a person: measured on the 8-bit pixels that both would see.

The measures themselves are torchmetrics'.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from netlens_core.images import to_8bit
from netlens_core.networks import network_source

SMALLEST_MULTISCALE = 161  # five scales, the smallest still as large as the 11-pixel window


def structural_similarity(a: Tensor, b: Tensor) -> float:
    """Structural similarity, at most 1 (equal), near 0 for unrelated images; Gaussian window of 11 px, sigma 1.5.

    Args:
        a, b: images (3, H, W) in [0, 1] of the same size, at least 11 px on each side.

    Raises ValueError for other shapes. Source: Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From
    Error Visibility to Structural Similarity, 2004.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    first, second = _pair(a, b, smallest=11)
    similarity = structural_similarity_index_measure(first, second, data_range=1.0)
    assert isinstance(similarity, Tensor)
    return float(similarity)


def multiscale_structural_similarity(a: Tensor, b: Tensor) -> float:
    """Structural similarity over five scales, in [0, 1]; nearer to what people say from various distances.

    Args:
        a, b: images (3, H, W) in [0, 1] of the same size, at least 161 px on each side.

    Raises ValueError for other shapes. Source: Wang, Simoncelli and Bovik, Multiscale Structural Similarity for
    Image Quality Assessment, 2003.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    first, second = _pair(a, b, smallest=SMALLEST_MULTISCALE)
    return float(multiscale_structural_similarity_index_measure(first, second, data_range=1.0))


def peak_signal_to_noise_ratio(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB: about 34 for a change of 4 levels everywhere, infinite for equal images.

    Args:
        a, b: images (3, H, W) in [0, 1] of the same size.

    Raises ValueError for other shapes.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    first, second = _pair(a, b, smallest=1)
    return float(peak_signal_noise_ratio(first, second, data_range=1.0))


def perceptual_distance_available() -> bool:
    """Whether the weights that `perceptual_distance` needs (torchvision's SqueezeNet 1.1) are on this machine."""
    return network_source("squeezenet1_1").available


def perceptual_distance(a: Tensor, b: Tensor) -> float | None:
    """LPIPS with SqueezeNet's features: 0 for equal images, about 0.15 where people mind; None without weights.

    Args:
        a, b: images (3, H, W) in [0, 1] of the same size, at least 32 px on each side.

    Nothing is downloaded. Raises ValueError for other shapes. Source: Zhang, Isola, Efros, Shechtman and Wang, The
    Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018.
    """
    first, second = _pair(a, b, smallest=32)
    if not perceptual_distance_available():
        return None
    with torch.no_grad():
        return float(_lpips()(first, second))


@lru_cache(maxsize=1)
def _lpips() -> Any:
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    return LearnedPerceptualImagePatchSimilarity(net_type="squeeze", normalize=True).eval()


def _pair(a: Tensor, b: Tensor, smallest: int) -> tuple[Tensor, Tensor]:
    if a.dim() != 3 or a.shape[0] != 3 or a.shape != b.shape:
        raise ValueError(f"expected two images (3, H, W) of one size, not {tuple(a.shape)} and {tuple(b.shape)}")
    if min(a.shape[1:]) < smallest:
        raise ValueError(f"the images have {a.shape[2]} x {a.shape[1]} px; at least {smallest} are needed on each side")
    return to_8bit(a)[None], to_8bit(b)[None]
