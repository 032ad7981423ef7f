"""Images that people and a network see differently: a mix with noise, and the smallest perturbation that fools.

    adversarial = craft(network, flower)     # a person: a daisy; the network: anything but

Projected gradient descent: Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards Deep Learning Models Resistant to
Adversarial Attacks", ICLR 2018 (https://arxiv.org/abs/1706.06083), on the margin loss of Carlini and Wagner,
"Towards Evaluating the Robustness of Neural Networks", 2017 (https://arxiv.org/abs/1608.04644).
"""

from __future__ import annotations

import torch
from torch import Tensor

from netlens_core.images import to_8bit
from netlens_core.networks import Network


def mix(flower: Tensor, noise: Tensor, amplitude: float = 0.12) -> Tensor:
    """The flower under a veil of noise: float32 (3, H, W) in [0, 1].

    Args:
        flower, noise: images (3, H, W) in [0, 1] of one size.
        amplitude: how far a noise of 0 or 1 moves a pixel, as a fraction of full scale; grey noise (0.5) moves nothing.

    Raises ValueError for images of different shapes.
    """
    if flower.shape != noise.shape:
        raise ValueError(f"flower {tuple(flower.shape)} and noise {tuple(noise.shape)} differ in shape")
    return (flower + amplitude * (2 * noise - 1)).clamp(0, 1)


def craft(
    network: Network,
    image: Tensor,
    category: str | int = "daisy",
    levels: float = 4,
    steps: int = 40,
    margin: float = 4,
) -> Tensor:
    """An image near the given one that the network no longer takes for the category: (3, H, W), rounded to 8 bits.

    Args:
        image: (3, H, W) in [0, 1], of any size.
        category: what the image truly shows.
        levels: how far any pixel may move, in levels of 0 to 255 (the radius in L-infinity).
        steps: most gradient steps; a flower needs about ten.
        margin: by how much another category's logit must win, after the rounding. 4 leaves the category a probability
            below exp(-4) = 0.02.

    Where the margin cannot be reached within radius and steps, the last image comes back.
    """
    network = network.folded()
    true = network.category_index(category)
    image = image.to(network.device)
    radius = levels / 255
    perturbation = torch.zeros_like(image)
    for _ in range(steps):
        perturbation.requires_grad_(True)
        lead = _lead(network, (image + perturbation).clamp(0, 1), true)
        (gradient,) = torch.autograd.grad(lead, perturbation)
        with torch.no_grad():
            perturbation = (perturbation - radius / 4 * gradient.sign()).clamp(-radius, radius)
            candidate = to_8bit(image + perturbation)
            if float(_lead(network, candidate, true)) <= -margin:
                break
    return candidate


def _lead(network: Network, image: Tensor, true: int) -> Tensor:
    """By how much the true category's logit leads the best of the others: a scalar, negative once the network errs."""
    logits = network(image)[0]
    others = torch.cat([logits[:true], logits[true + 1 :]])
    return logits[true] - others.max()
