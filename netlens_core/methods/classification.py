"""What a network takes an image for: its likeliest categories, how far to believe it, and what other networks say.

That networks are sure of what people take for noise: Nguyen, Yosinski and Clune, "Deep Neural Networks are Easily
Fooled", CVPR 2015 (https://arxiv.org/abs/1412.1897). Temperatures: Guo, Pleiss, Sun and Weinberger, "On Calibration of
Modern Neural Networks", ICML 2017 (https://arxiv.org/abs/1706.04599).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.images import resize
from netlens_core.networks import Network
from netlens_core.progress import activity

Ranking = list[tuple[str, float]]  # categories with their probabilities, likeliest first
_COOLEST, _HOTTEST = 0.05, 20.0
_BATCH = 16  # images in one forward pass


@torch.no_grad()
def classify(network: Network, image: Tensor, k: int = 5) -> Ranking:
    """The k likeliest categories of an image (3, H, W) in [0, 1] with their probabilities, likeliest first.

    Raises ValueError unless k is at least 1 and at most the number of categories.
    """
    return ranking(network, network(image)[0].softmax(dim=0), k)


def ranking(network: Network, probabilities: Tensor, k: int = 5) -> Ranking:
    """The k likeliest categories by the probabilities (categories,) of one image. Raises ValueError as `classify`."""
    if not 1 <= k <= len(network.categories):
        raise ValueError(f"k must be 1 to {len(network.categories)}, not {k}")
    best = probabilities.topk(k)
    return [
        (network.categories[index], probability)
        for index, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


@torch.no_grad()
@activity("asking the network")
def logits_of(network: Network, images: Sequence[Tensor]) -> Tensor:
    """Logits (N, categories) of images (3, H, W) in [0, 1], each of its own size, on the CPU; a few at a time."""
    size = network.input_size
    parts = []
    for start in range(0, len(images), _BATCH):
        few = [resize(image, size) if image.shape[-2:] != (size, size) else image for image in images[start:][:_BATCH]]
        parts.append(network(torch.stack(few)).cpu())
    return torch.cat(parts) if parts else torch.empty(0, len(network.categories))


# -- how far to believe a probability --------------------------------------------------------------------


@activity("fitting the temperature")
def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T for which softmax(logits / T) fits labelled images best, by negative log-likelihood.

    Args:
        logits: (N, categories). labels: whole numbers (N,), what the images truly show.

    T above 1: the network is too sure of itself; below 1: too modest. The likeliest category stays the same. Between
    0.05 and 20, found by bisection: the loss is convex in 1/T. Raises ValueError for no images or labels that do not
    fit. Fit it on images such as those that you will ask about, and on many: a T holds for its data only.
    """
    if logits.dim() != 2 or not len(logits) or labels.shape != logits.shape[:1]:
        raise ValueError(f"expected logits (N, K) and N labels, not {tuple(logits.shape)} and {tuple(labels.shape)}")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"labels are 0 to {logits.shape[1] - 1}")
    scores = logits.detach().double()
    right = scores.gather(1, labels[:, None].long()).squeeze(1)
    low, high = 1 / _HOTTEST, 1 / _COOLEST
    for _ in range(60):
        beta = (low * high) ** 0.5
        # Derivative of the loss by beta: the expected logit less the right one's.
        slope = ((beta * scores).softmax(dim=1) * scores).sum(dim=1).sub(right).mean()
        low, high = (beta, high) if slope < 0 else (low, beta)
    return 1 / (low * high) ** 0.5


# -- several networks ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """How far networks agree about one image.

    favourites: each network's likeliest category, in the networks' order.
    winner, votes: the category with the most votes, and how many; ties go to the summed probability.
    mean: (categories,) probabilities of all networks on average.
    divergence: mean over pairs of networks of the Jensen-Shannon divergence in bits: 0 says the same, 1 says the
        opposite (Lin, "Divergence Measures Based on the Shannon Entropy", 1991).
    """

    favourites: tuple[str, ...]
    winner: str
    votes: int
    mean: Tensor
    divergence: float


def agreement(networks: Sequence[Network], probabilities: Sequence[Tensor]) -> Agreement:
    """How far networks agree about one image, from the probabilities (categories,) that each gives.

    Raises ValueError for no network, or networks whose categories differ.
    """
    if not networks or len({network.categories for network in networks}) > 1:
        raise ValueError("agreement needs networks with the same categories")
    table = torch.stack([row.detach().to("cpu", torch.float64) for row in probabilities])
    best, mean = table.argmax(dim=1), table.mean(dim=0)
    votes = functional.one_hot(best, table.shape[1]).sum(dim=0)
    winner = int((votes + mean / 2).argmax())
    pairs = [_divergence(table[a], table[b]) for a, b in combinations(range(len(networks)), 2)]
    names = networks[0].categories
    return Agreement(
        tuple(names[index] for index in best.tolist()),
        names[winner],
        int(votes[winner]),
        mean,
        sum(pairs) / len(pairs) if pairs else 0.0,
    )


def _divergence(p: Tensor, q: Tensor) -> float:
    middle = (p + q) / 2
    bits = [(torch.special.xlogy(x, x) - torch.special.xlogy(x, middle)).sum() for x in (p, q)]
    return max(0.0, float(sum(bits)) / 2 / float(torch.tensor(2.0).log()))
