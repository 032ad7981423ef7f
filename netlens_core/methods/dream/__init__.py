"""Dreams: images that excite a network more than any photo does. Objective x parametrisation x transformation.

    image = dream(network, logit("daisy"))                                    # what it takes for a daisy
    image = dream(network, logit("daisy") + 2 * channel("blocks.4.0.conv_pw", 12), size=448)
    image = dream(network, layer("blocks.4.2.conv_pw"), start=photo)          # DeepDream

Olah, Mordvintsev and Schubert, "Feature Visualization", 2017 (https://distill.pub/2017/feature-visualization);
Mordvintsev, Olah and Tyka, "Inceptionism", 2015; Mordvintsev, Pezzotti, Schubert and Olah, "Differentiable Image
Parameterizations", 2018 (https://distill.pub/2018/differentiable-parameterizations).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.images import resize, to_8bit
from netlens_core.methods.dream.objectives import Objective, channel, contrast, layer, logit, neuron
from netlens_core.methods.dream.parametrisations import Fourier, Parametrisation, Pixels, Size
from netlens_core.methods.dream.transformations import (
    ANYWHERE,
    NEAR,
    Transformation,
    coarse,
    jitter,
    rotate,
    still,
    zoom,
)
from netlens_core.methods.progress import steps as counted
from netlens_core.networks import Network

__all__ = [
    "ANYWHERE",
    "NEAR",
    "Fourier",
    "Objective",
    "Parametrisation",
    "Pixels",
    "Transformation",
    "channel",
    "coarse",
    "contrast",
    "dream",
    "jitter",
    "layer",
    "logit",
    "neuron",
    "rotate",
    "still",
    "zoom",
]

WAVES = Fourier()
SMALLEST = 16  # pixels a side
LARGE = 448  # pixels: from here on the canvas is no larger than the image


def dream(
    network: Network,
    objective: Objective,
    size: int | Size | None = None,
    start: Tensor | None = None,
    parametrisation: Parametrisation = WAVES,
    transformation: Transformation = ANYWHERE,
    steps: int = 160,
    rate: float = 0.05,
    seed: int = 0,
) -> Tensor:
    """The image (3, H, W), rounded to 8 bits, that climbed the objective: small and rough first, then twice as large.

    From grey, the last canvas is twice as large as the image (`Fourier.finer`), up to 448 px.

    Args:
        size: of the image in pixels, at least 16 (one number: square); None: the start's, or 224.
        start: an image (3, H, W) in [0, 1] to dream upon; None: almost grey.
        steps: of Adam, each on one view; Ctrl-C ends them early, and the image so far, the best yet, comes back.
        rate: how far a step goes; it falls to a third towards the end, so that the last image is the best.
        seed: the same seed gives the same image on one machine.

    Raises ValueError for a size, number of steps, layer, channel or category that is not there.
    """
    wanted = _checked(size or (224 if start is None else (start.shape[-2], start.shape[-1])))
    finer = parametrisation.finer if start is None and min(wanted) < LARGE else 1
    sizes = _octaves((finer * wanted[0], finer * wanted[1]))
    if steps < 1:
        raise ValueError(f"a dream takes at least one step, not {steps}")
    network = network.folded()  # gradients flow to the image alone
    generator = torch.Generator().manual_seed(seed)

    def ground(size: Size) -> Tensor:
        image = torch.full((3, *size), 0.5) if start is None else resize(start.cpu(), size)
        return parametrisation.planes_of(image).to(network.device)

    def climber(planes: Tensor, noise: float = 0.0) -> tuple[Tensor, torch.optim.Adam]:
        numbers = parametrisation.numbers(planes).detach()
        numbers = numbers + noise * torch.randn(numbers.shape, generator=generator).to(network.device)
        return numbers.requires_grad_(), torch.optim.Adam([numbers])

    now = sizes[0]
    numbers, adam = climber(ground(now), noise=0.01)
    for step in counted(steps, "dreaming"):
        # The last size takes the largest part of the steps: details are many.
        if (larger := sizes[int(len(sizes) * (step / steps) ** 0.7)]) != now:
            dreamt = parametrisation.planes(numbers.detach(), now) - ground(now)
            numbers, adam = climber(ground(larger) + _enlarged(dreamt, larger))
            now = larger
        canvas = parametrisation.image(parametrisation.planes(numbers, now))
        view = transformation(canvas, network.input_size, generator).contiguous(memory_format=torch.channels_last)
        (uphill,) = torch.autograd.grad(objective(network, view), numbers)
        numbers.grad = -uphill
        adam.param_groups[0]["lr"] = rate * (1 - 0.7 * step / steps)
        adam.step()
    dreamt = parametrisation.planes(numbers.detach(), now) - ground(now)
    return to_8bit(resize(parametrisation.image(ground(sizes[-1]) + _enlarged(dreamt, sizes[-1])), wanted))


def _checked(size: int | Size) -> Size:
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < SMALLEST:
        raise ValueError(f"a dream is at least {SMALLEST} px on each side, not {width} x {height}")
    return height, width


def _octaves(size: Size) -> list[Size]:
    """The sizes of the canvas, each about twice the one before, up to the largest; none below 96 px but the last."""
    height, width = size
    halvings = max(0, int(math.log2(min(height, width) / 96)))
    return [(round(height / 2**k), round(width / 2**k)) for k in range(halvings, -1, -1)]


def _enlarged(planes: Tensor, size: Size) -> Tensor:
    return functional.interpolate(planes[None], size, mode="bicubic", align_corners=False)[0]
