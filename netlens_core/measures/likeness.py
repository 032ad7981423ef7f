"""Whether one picture was made from another: shifted, mirrored, turned by a quarter and dimmed it stays a copy.

pictures                                          likeness
a picture and itself, shifted, under noise        0.82 to 1.00
a dream that began upon it                        0.4 to 0.7
two drawn daisies                                 up to 0.25
two dreams, or a dream and a flower               up to 0.17
"""

from __future__ import annotations

import torch
from torch import Tensor

from netlens_core.images import resize, to_8bit

SIDE, COARSE = 64, 16  # pixels: structure between these two is compared


def likeness(image: Tensor, original: Tensor) -> float:
    """Greatest correlation, in [0, 1], of two pictures' brightness over all shifts and quarter turns, mirrored or not.

    Args:
        image, original: (3, H, W) in [0, 1], of any sizes; both are seen as squares of 64 px.

    What is coarser than a sixteenth of the side does not count: many pictures are brighter in the middle. 0 where
    nothing remains. Raises ValueError for other shapes.
    """
    first, second = _structure(image), _structure(original)
    norms = float(first.norm()), float(second.norm())
    if min(norms) < 1e-3:  # a picture in which one pixel differs by one level has more: these are rounding errors
        return 0.0
    waves = torch.fft.fft2(first).conj()
    poses = [torch.rot90(way, turns) for way in (second, second.flip(1)) for turns in range(4)]
    best = max(float(torch.fft.ifft2(waves * torch.fft.fft2(pose)).real.max()) for pose in poses)
    return min(1.0, max(0.0, best / (norms[0] * norms[1])))


def _structure(image: Tensor) -> Tensor:
    """(64, 64), float64, mean 0: the grey image without what is finer than a pixel of it or coarser than four."""
    if image.dim() != 3 or image.shape[0] != 3 or not image.numel():
        raise ValueError(f"expected an image (3, H, W), not {tuple(image.shape)}")
    grey = to_8bit(image).cpu().mean(dim=0, keepdim=True)
    fine = resize(grey, SIDE)
    structure = (fine - resize(resize(fine, COARSE), SIDE))[0].double()
    return structure - structure.mean()
