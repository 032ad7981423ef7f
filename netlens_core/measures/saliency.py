"""What a map of where a network looks is worth: does it lie on the thing, does the network need what it shows, and
does it depend on what the network has learnt?

Maps are (H, W), not negative, larger where it matters more. None of these numbers says all: an edge map, or a spot in
the middle, does well in some.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from netlens_core.networks import Network
from netlens_core.progress import activity

BLUR_SIGMA = 10.0  # pixels: nothing of a flower's petals is left


def energy_inside(heat: Tensor, mask: Tensor) -> float:
    """Share of a map's sum that lies inside a mask: 0 to 1; the mask's share of the area where the map is all 0.

    The energy-based pointing game of Wang et al., "Score-CAM", 2020 (https://arxiv.org/abs/1910.01279).

    Args:
        heat: (H, W), not negative.
        mask: bool (H, W), True on the thing.

    Raises ValueError for other shapes or a map with negative values.
    """
    _check(heat)
    if mask.shape != heat.shape or mask.dtype != torch.bool:
        raise ValueError(f"expected a bool mask {tuple(heat.shape)}, not {mask.dtype} {tuple(mask.shape)}")
    total = float(heat.sum())
    return float(heat[mask].sum()) / total if total > 0 else float(mask.float().mean())


def points_inside(heat: Tensor, mask: Tensor) -> bool:
    """Whether the map's largest value lies inside the mask: the pointing game of Zhang et al., "Top-down Neural
    Attention by Excitation Backprop", 2016 (https://arxiv.org/abs/1608.00507). Arguments as for `energy_inside`."""
    _check(heat)
    if mask.shape != heat.shape:
        raise ValueError(f"map {tuple(heat.shape)} and mask {tuple(mask.shape)} differ in shape")
    return bool(mask.flatten()[heat.argmax()])


# -- does the network need what the map shows? -------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """A category's probability while pixels go or come, the map's hottest first.

    Attributes:
        shares: of the pixels that have gone (or come), from 0 to 1.
        probabilities: of the category at each share.
    """

    shares: tuple[float, ...]
    probabilities: tuple[float, ...]

    @property
    def area(self) -> float:
        """Area under the curve, 0 to 1, by the trapezoidal rule."""
        return float(torch.trapezoid(torch.tensor(self.probabilities), torch.tensor(self.shares)))


@activity("measuring the map")
def deletion_curve(network: Network, image: Tensor, heat: Tensor, category: str | int, points: int = 33) -> Curve:
    """The probability as the map's hottest pixels turn grey, one after the other: a good map makes it fall early.

    Args:
        image: (3, H, W) in [0, 1].
        heat: (H, W), not negative. Of equally hot pixels the upper left goes first.
        points: shares that are looked at, 0 and 1 included.

    Source: Petsiuk, Das and Saenko, "RISE", 2018 (https://arxiv.org/abs/1806.07421). Raises ValueError for other
    shapes, an unknown category or fewer than 2 points.
    """
    return _curve(network, image, torch.full_like(image, 0.5), heat, category, points)


@activity("measuring the map")
def insertion_curve(network: Network, image: Tensor, heat: Tensor, category: str | int, points: int = 33) -> Curve:
    """The probability as the map's hottest pixels come out of a blur: a good map makes it rise early.

    Arguments, source and errors as for `deletion_curve`. Blurred, not grey, so that what comes has no sharp edges.
    """
    return _curve(network, _blurred(image), image, heat, category, points)


@torch.no_grad()
def _curve(network: Network, start: Tensor, end: Tensor, heat: Tensor, category: str | int, points: int) -> Curve:
    _check(heat)
    if start.dim() != 3 or heat.shape != start.shape[1:] or points < 2:
        raise ValueError(
            f"expected an image (3, H, W), a map (H, W) of its size and at least 2 points, not {tuple(start.shape)}, "
            f"{tuple(heat.shape)} and {points}"
        )
    index = network.category_index(category)
    shares = [k / (points - 1) for k in range(points)]
    probabilities: list[float] = []
    for part in torch.tensor(shares).split(11):
        probabilities += network.probabilities(_partly(start, end, heat, part.tolist()))[:, index].tolist()
    return Curve(tuple(shares), tuple(probabilities))


@torch.no_grad()
def early_evidence(network: Network, image: Tensor, heat: Tensor, category: str | int) -> float:
    """The category's logit, above the mean of all, on average while a map's hottest 10% to 50% of pixels come out of
    a blur: the beginning of the insertion curve, for categories too whose probability hardly moves.

    Arguments and errors as for `deletion_curve`. Compare it with another map's: logits have no scale of their own.
    """
    _check(heat)
    if image.dim() != 3 or heat.shape != image.shape[1:]:
        raise ValueError(f"image {tuple(image.shape)} and map {tuple(heat.shape)} differ in size")
    logits = network(_partly(_blurred(image), image, heat, [0.1, 0.2, 0.3, 0.4, 0.5]))
    return float((logits[:, network.category_index(category)] - logits.mean(dim=1)).mean())


def _partly(start: Tensor, end: Tensor, heat: Tensor, shares: list[float]) -> Tensor:
    """Images between start and end, one a share: that share of the pixels, the map's hottest, is the end's already."""
    order = heat.flatten().argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    rank = rank.view(heat.shape)
    return torch.stack([torch.where(rank < round(share * heat.numel()), end, start) for share in shares])


def _blurred(image: Tensor) -> Tensor:
    reach = int(3 * BLUR_SIGMA)
    bell = torch.exp(-(torch.arange(-reach, reach + 1.0, device=image.device) ** 2) / (2 * BLUR_SIGMA**2))
    bell = (bell / bell.sum()).expand(3, 1, 1, -1)
    rows = functional.conv2d(functional.pad(image[None], (reach, reach, 0, 0), mode="replicate"), bell, groups=3)
    columns = functional.pad(rows, (0, 0, reach, reach), mode="replicate")
    return functional.conv2d(columns, bell.transpose(2, 3), groups=3)[0]


# -- are two maps the same? --------------------------------------------------------------------------------


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's correlation of two maps (H, W), -1 to 1; 0 where one is constant. ValueError for different shapes."""
    if a.shape != b.shape:
        raise ValueError(f"maps {tuple(a.shape)} and {tuple(b.shape)} differ in shape")
    first, second = (heat.detach().double().flatten() - heat.double().mean() for heat in (a, b))
    scale = float(first.norm() * second.norm())
    return float(first @ second) / scale if scale > 1e-12 else 0.0


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's rank correlation of two maps (H, W), ties at their mean rank; else as `correlation`."""
    return correlation(_ranks(a), _ranks(b))


def _ranks(heat: Tensor) -> Tensor:
    _, place, count = heat.flatten().unique(return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    return (last - (count.double() - 1) / 2)[place].view(heat.shape)


# -- does it depend on what the network has learnt? --------------------------------------------------------


@dataclass(frozen=True)
class Randomized:
    """A map after the weights from the logits down to a layer, that layer included, were randomised.

    Attributes:
        layer: name of the lowest layer that is random.
        correlation, rank_correlation: of the map with that of the trained network.
    """

    layer: str
    correlation: float
    rank_correlation: float


def randomization_check(
    explain: Callable[[Network], Tensor], network: Network, stages: int = 6, seed: int = 0
) -> list[Randomized]:
    """Cascading randomisation: how like itself a map stays while the network forgets, from the logits down.

    A map that stays the same shows the picture, not what the network has learnt of it. The weights of each layer are
    shuffled, so that their distribution stays. Source: Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, "Sanity
    Checks for Saliency Maps", 2018 (https://arxiv.org/abs/1810.03292).

    Args:
        explain: makes the map (H, W) of a network.
        network: the trained network; it is copied.
        stages: how many times to look while the randomisation descends, the last with every layer random.
        seed: of the shuffling.
    """
    trained = explain(network)
    module = copy.deepcopy(network.module)
    forgetful = replace(network, module=module)
    layers = [name for name, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)][::-1]
    generator = torch.Generator().manual_seed(seed)
    stops = {round(k * (len(layers) - 1) / max(1, stages - 1)) for k in range(stages)}
    found = []
    for number, name in enumerate(layers):
        for weights in module.get_submodule(name).parameters(recurse=False):
            shuffled = torch.randperm(weights.numel(), generator=generator).to(weights.device)
            weights.copy_(weights.flatten()[shuffled].view_as(weights))
        if number in stops:
            heat = explain(forgetful)
            found.append(Randomized(name, correlation(heat, trained), rank_correlation(heat, trained)))
    return found


def _check(heat: Tensor) -> None:
    if heat.dim() != 2 or not heat.numel() or not bool((heat >= 0).all()):
        raise ValueError(f"expected a map (H, W) without negative values, not {tuple(heat.shape)}")
