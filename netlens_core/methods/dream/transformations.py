"""Under which views an image has to excite the network: random ones, so that no single pixel can do it.

rotate(20) + zoom(0.25, 1.2) + jitter(0.08)      # all of it in one resampling
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Random = Callable[[float, float], float]  # uniform between two numbers
Reach = tuple[float, float]  # of the canvas from its middle, x and y, in halves of its shorter side


@dataclass(frozen=True)
class Transformation:
    """A random placement of a square window on the canvas, drawn anew for each step.

    `draw(random, reach)` gives the (3, 3) matrix from the window's coordinates (-1 to 1) to the canvas', whose shorter
    side goes from -1 to 1. The view that the network gets is `fineness` of its input size high and wide.
    """

    draw: Callable[[Random, Reach], Tensor]
    fineness: float = 1.0

    def __add__(self, then: Transformation) -> Transformation:
        def draw(random: Random, reach: Reach) -> Tensor:
            first = self.draw(random, reach)
            return then.draw(random, reach) @ first

        return Transformation(draw, self.fineness * then.fineness)

    def __call__(self, canvas: Tensor, input_size: int, generator: torch.Generator) -> Tensor:
        """A square view (1, 3, side, side) of the canvas (3, H, W); beyond its edges it is mirrored."""

        def random(low: float, high: float) -> float:
            return low + (high - low) * float(torch.rand((), generator=generator))

        side = round(self.fineness * input_size)
        height, width = canvas.shape[-2:]
        shorter = min(height, width)
        matrix = self.draw(random, (width / shorter, height / shorter))
        stride = float(matrix[:2, 0].norm()) * shorter / side  # in canvas pixels; over 2 it would jump over some
        batch = canvas[None]
        while stride >= 1.9:
            batch, stride = functional.avg_pool2d(batch, 2), stride / 2
        matrix = torch.diag(torch.tensor([shorter / width, shorter / height, 1.0])) @ matrix
        grid = functional.affine_grid(matrix[None, :2].to(canvas.device), [1, 3, side, side], align_corners=False)
        return functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)


def still() -> Transformation:
    """The whole shorter side, always: no transformation at all."""
    return Transformation(lambda _random, _reach: torch.eye(3))


def rotate(degrees: float) -> Transformation:
    """Turned by up to so many degrees, either way."""

    def draw(random: Random, _reach: Reach) -> Tensor:
        angle = math.radians(random(-degrees, degrees))
        c, s = math.cos(angle), math.sin(angle)
        return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    return Transformation(draw)


def zoom(least: float, most: float) -> Transformation:
    """A window of a random side, as a share of the canvas' shorter side, anywhere inside the canvas."""

    def draw(random: Random, reach: Reach) -> Tensor:
        side = random(least, most)
        x, y = (random(-1, 1) * max(0.0, r - side) for r in reach)
        return torch.tensor([[side, 0, x], [0, side, y], [0, 0, 1]])

    return Transformation(draw)


def jitter(share: float) -> Transformation:
    """Shifted by up to a share of the canvas' shorter side, each way."""

    def draw(random: Random, _reach: Reach) -> Tensor:
        x, y = (random(-2 * share, 2 * share) for _ in range(2))
        return torch.tensor([[1, 0, x], [0, 1, y], [0, 0, 1]])

    return Transformation(draw)


def coarse(fineness: float) -> Transformation:
    """Seen with fewer pixels than the network was trained for: cheaper, and only shapes that survive it will do."""
    return Transformation(lambda _random, _reach: torch.eye(3), fineness)


# Windows of 25 to 120 percent: petals as well as whole meadows have to look right.
ANYWHERE = rotate(20) + zoom(0.25, 1.2) + jitter(0.08) + coarse(5 / 7)
NEAR = rotate(10) + jitter(0.03)
