"""Clocks that hang beside a flower: drawn from a seed, and recognised by networks that were never shown a drawing.

A clock is drawn with a few lines. EfficientNet-Lite0 and SqueezeNet 1.1 take it for an analog or a wall clock, and find
what speaks for a clock on it and hardly anywhere else.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.images import to_8bit

_SAMPLES = 4  # a pixel and direction, so that edges come out smooth


def draw_clock(seed: int, size: int = 224) -> Tensor:
    """A round clock on a wall of one colour: (3, size, size) in [0, 1], rounded to 8 bits.

    It has a dark rim, sixty marks and two hands; the seed decides time, size and the wall's colour.
    """
    rng = np.random.default_rng([seed, *b"clock"])
    reach, hour, minute = rng.uniform(0.44, 0.48), rng.uniform(0, 12), rng.uniform(0, 60)
    wall = np.array([0.59, 0.70, 0.84]) + rng.uniform(-0.05, 0.05, 3)
    side = size * _SAMPLES
    center = ((torch.arange(side) + 0.5) / side - 0.5) / reach  # the clock's radius is 1
    y, x = torch.meshgrid(center, center, indexing="ij")
    distance, turn = (x**2 + y**2).sqrt(), torch.atan2(x, -y) / (2 * math.pi)
    picture = torch.tensor(wall).float()[:, None, None].repeat(1, side, side)

    def paint(where: Tensor, color: tuple[float, float, float]) -> None:
        picture[:, where] = torch.tensor(color)[:, None]

    paint(distance < 1, (0.16, 0.12, 0.12))
    paint(distance < 0.9, (0.98, 0.98, 0.96))
    for marks, begin, width in ((60, 0.82, 0.009), (12, 0.72, 0.022)):
        aside = (turn * marks - (turn * marks).round()).abs() / marks * 2 * math.pi * distance
        paint((distance > begin) & (distance < 0.87) & (aside < width), (0.08, 0.08, 0.08))
    for share, length, width in ((hour / 12, 0.45, 0.04), (minute / 60, 0.68, 0.026)):
        right, down = math.sin(2 * math.pi * share), -math.cos(2 * math.pi * share)
        along, aside = x * right + y * down, (y * right - x * down).abs()
        paint((along > 0) & (along < length) & (aside < width), (0.04, 0.04, 0.04))
    return to_8bit(functional.avg_pool2d(picture[None], _SAMPLES)[0])
