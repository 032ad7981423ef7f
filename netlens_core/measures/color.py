"""How colourful a picture is to people.

picture                                     colourfulness
grey                                        0
a dream by plain ascent in pixels           about 20
a drawn daisy, a photo, a dream in colour   40 to 65
each pixel a random colour                  about 110
"""

from __future__ import annotations

import torch
from torch import Tensor

from netlens_core.images import to_8bit


def colorfulness(image: Tensor) -> float:
    """Colourfulness on the scale of 0 to 255: 0 grey, 15 slightly, 33 moderately, 45 averagely, 59 quite, 82 highly,
    109 extremely colourful, as people called it.

    Spread and mean of the opponent colours, red against green and yellow against blue, over the 8-bit pixels.

    Args:
        image: (3, H, W) in [0, 1].

    Raises ValueError for other shapes. Source: Hasler and Suesstrunk, Measuring colourfulness in natural images, 2003.
    """
    if image.dim() != 3 or image.shape[0] != 3 or not image.numel():
        raise ValueError(f"expected an image (3, H, W), not {tuple(image.shape)}")
    red, green, blue = to_8bit(image).double() * 255
    opponents = torch.stack([red - green, (red + green) / 2 - blue]).flatten(1)
    spread = opponents.std(dim=1, correction=0).norm()
    return float(spread + 0.3 * opponents.mean(dim=1).norm())
