"""What a network takes an image for: its likeliest categories, whether or not anything can be seen in it.

That networks are sure of what people take for noise: Nguyen, Yosinski and Clune, "Deep Neural Networks are Easily
Fooled", CVPR 2015 (https://arxiv.org/abs/1412.1897).
"""

from __future__ import annotations

import torch
from torch import Tensor

from netlens_core.networks import Network


@torch.no_grad()
def classify(network: Network, image: Tensor, k: int = 5) -> list[tuple[str, float]]:
    """The k likeliest categories of an image (3, H, W) in [0, 1] with their probabilities, likeliest first.

    Raises ValueError unless k is at least 1 and at most the number of categories.
    """
    if not 1 <= k <= len(network.categories):
        raise ValueError(f"k must be 1 to {len(network.categories)}, not {k}")
    probabilities = network(image)[0].softmax(dim=0)
    best = probabilities.topk(k)
    return [
        (network.categories[index], probability)
        for index, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
