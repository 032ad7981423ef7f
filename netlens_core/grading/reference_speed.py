"""How much slower this machine is than the one that the limits in `exercise.yaml` are stated for.

The reference is a processor that takes 27 ms for a forward pass and a gradient of EfficientNet-Lite0 on one core. The
small network below takes a seventh to an eighth of that (7.0 to 7.5 in most rounds on a busy machine that is two to
three times slower), hence `REFERENCE_SECONDS`. It needs no weights, and a tenth of a second in all.
"""

from __future__ import annotations

import time
from functools import lru_cache
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional

REFERENCE_SECONDS = 0.0036
MOST = 16.0  # a machine that is still slower is too slow to grade on
_PASSES = 9


@lru_cache(maxsize=1)
def slowdown() -> float:
    """How many seconds of CPU time this machine takes for a second of the reference's: at least 1, at most `MOST`.

    Measured once a process, in CPU time of this thread: other work on the machine makes it longer only as far as it
    makes submissions slower too.
    """
    image, kernels = _ramp(1, 3, 160, 160).requires_grad_(), _kernels()
    taken, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)  # what others do would not be seen in this one's CPU time
    try:
        for _ in range(2 + _PASSES):
            began = time.thread_time()
            torch.autograd.grad(_network(image, kernels).square().sum(), image)
            taken.append(time.thread_time() - began)
    finally:
        torch.set_num_threads(threads)
    # The first passes pay for what is set up once.
    return min(max(median(taken[2:]) / REFERENCE_SECONDS, 1.0), MOST)


def _network(image: Tensor, kernels: list[Tensor]) -> Tensor:
    """Two blocks as in a mobile network: the same kinds of convolution, smaller."""
    stem, depthwise, expand, spatial, project, wide, large, narrow = kernels
    x = functional.relu6(functional.conv2d(image, stem, stride=2, padding=1))
    x = functional.relu6(functional.conv2d(x, depthwise, padding=1, groups=32))
    x = functional.relu6(functional.conv2d(x, expand))
    x = functional.relu6(functional.conv2d(x, spatial, stride=2, padding=1, groups=96))
    x = functional.conv2d(x, project)
    x = functional.relu6(functional.conv2d(x, wide))
    x = functional.relu6(functional.conv2d(x, large, stride=2, padding=2, groups=192))
    return functional.conv2d(x, narrow)


def _kernels() -> list[Tensor]:
    shapes = [(32, 3, 3, 3), (32, 1, 3, 3), (96, 32, 1, 1), (96, 1, 3, 3)]
    shapes += [(32, 96, 1, 1), (192, 32, 1, 1), (192, 1, 5, 5), (64, 192, 1, 1)]
    return [_ramp(*shape) for shape in shapes]


def _ramp(*shape: int) -> Tensor:
    """Numbers without a random generator, whose state belongs to the graders."""
    count = torch.Size(shape).numel()
    return (torch.linspace(-1, 1, count) / (count / shape[0]) ** 0.5).reshape(shape)
