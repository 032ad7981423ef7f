"""Pictures of docs/methods/adversarial.md: what is changed, how much of it, and what the network says to it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gallery.cam import titled
from netlens_core.daisies import draw_daisy
from netlens_core.images import resize, to_8bit
from netlens_core.measures.difference import amplified_difference
from netlens_core.measures.similarity import structural_similarity
from netlens_core.methods.adversarial import Attack, Goal, fgsm, minimal, mix, pgd, smallest_mix
from netlens_core.networks import Network, load_network


def pictures() -> Iterator[tuple[str, Tensor]]:
    network = load_network("efficientnet_lite0", "cpu")
    flower = draw_daisy(7).image
    true, target = network.category_index("daisy"), network.category_index("flamingo")
    any_other, sure = Goal(true), Goal(true, target, confidence=0.9)

    yield "methods", attacks(network, flower, {
        "one step, 8 levels": fgsm(network, flower, any_other, levels=8),
        "PGD, sure of it": pgd(network, flower, Goal(true, confidence=0.9), steps=60),
        "least L-infinity": minimal(network, flower, any_other, "linf"),
        "least L2": minimal(network, flower, any_other, "l2", steps=100),
        "to flamingo, least L2": minimal(network, flower, sure, "l2", steps=100),
    })  # fmt: skip

    noise = torch.rand(flower.shape, generator=torch.Generator().manual_seed(0))
    amplitude, found = smallest_mix(network, flower, noise, any_other)
    amplitudes = [amplitude / 2, amplitude, min(1.0, 2 * amplitude)]
    mixes = [to_8bit(mix(flower, noise, each)) for each in amplitudes[:1]] + [found.images[0]]
    mixes.append(to_8bit(mix(flower, noise, amplitudes[2])))
    heads = [f"noise at {each:.3f}\n{said(network, mixed)}" for each, mixed in zip(amplitudes, mixes, strict=True)]
    yield "mix", titled([flower, *mixes], [f"no noise\n{said(network, flower)}", *heads])

    yield "levels", least_levels(network, flower, minimal(network, flower, any_other, "l2", steps=100))


def attacks(network: Network, flower: Tensor, found: dict[str, Attack]) -> Tensor:
    """The images over their changes, each with what the network says and how far it is from the flower."""
    images, changes, heads, feet = [flower], [amplified_difference(flower, flower)], [], []
    heads, feet = [f"daisy 7\n{said(network, flower)}"], ["change, 20 times\ngrey: none"]
    for title, attack in found.items():
        image = attack.images[0]
        images.append(image)
        changes.append(amplified_difference(image, flower))
        heads.append(f"{title}\n{said(network, image)}")
        likeness = structural_similarity(image, flower)
        feet.append(f"L-inf {float(attack.linf[0]):.0f}, L2 {float(attack.l2[0]):.2f}\nsimilarity {likeness:.3f}")
    rows = [titled([resize(each, 160) for each in row], text) for row, text in ((images, heads), (changes, feet))]
    return torch.cat(rows, dim=1)


def least_levels(network: Network, flower: Tensor, attack: Attack) -> Tensor:
    """The smallest L2 change from near: the flower, the image, and in black on white which pixels changed at all."""
    image = attack.images[0]
    touched = ((image - flower).abs().amax(dim=0) < 0.5 / 255).float().expand(3, -1, -1)
    share = 1 - float(touched.mean())
    return titled(
        [flower, image, touched],
        [said(network, flower), said(network, image), f"pixels that changed: {100 * share:.1f}%"],
    )


def said(network: Network, image: Tensor) -> str:
    (category, probability), *_ = network.classify(image, k=1)
    return f"{category} {probability:.2f}"
