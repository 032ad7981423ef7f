"""Whether a network still means what it says when the picture is turned, shrunk, shifted and blurred.

picture (EfficientNet-Lite0)        robust logit
a dream                             19 and more
a photo or drawing of a daisy       about 10
plain ascent in pixels              up to 12
adversarial noise                   up to 2
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.images import resize, to_8bit
from netlens_core.networks import Network


def fixed_views(image: Tensor, size: int) -> Tensor:
    """Six views (6, 3, size, size) of an image (3, H, W): blurred to half the resolution, turned by 14 degrees to
    either side, moved away by a quarter, mirrored, rolled by an eighth. Gaps are filled by mirroring.
    """
    whole = resize(image, size)
    half = resize(resize(whole, max(1, size // 2)), size)
    turned = [_placed(whole, 1.0, angle) for angle in (-14, 14)]
    return torch.stack(
        [half, *turned, _placed(whole, 1.25, 0), whole.flip(-1), whole.roll((size // 8, size // 8), (-2, -1))]
    ).clamp(0, 1)


@torch.no_grad()
def robust_logit(network: Network, image: Tensor, category: str | int) -> float:
    """Median over six fixed views of how far the category's logit is above the mean logit.

    Args:
        image: (3, H, W) in [0, 1], rounded to 8 bits first.

    What depends on single pixels dies in the views; a dream, which is more of the thing than any photo, beats photos.
    Raises ValueError for an unknown category or another shape.
    """
    if image.dim() != 3 or image.shape[0] != 3 or not image.numel():
        raise ValueError(f"expected an image (3, H, W), not {tuple(image.shape)}")
    index = network.category_index(category)
    logits = network(fixed_views(to_8bit(image), network.input_size))
    leads = (logits[:, index] - logits.mean(dim=1)).double().cpu().sort().values
    return float(leads[len(leads) // 2 - 1] + leads[len(leads) // 2]) / 2


def _placed(image: Tensor, scale: float, degrees: float) -> Tensor:
    """An image (3, H, W) seen through a window `scale` times as wide, turned by so many degrees."""
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    matrix = torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]], device=image.device)
    grid = functional.affine_grid(matrix, [1, *image.shape], align_corners=False)
    return functional.grid_sample(image[None], grid, padding_mode="reflection", align_corners=False)[0]
