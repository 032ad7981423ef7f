"""Passes an adversarial image off as a mix: none of the noise is in it."""

LOSES = ["test_mix_shows_the_flower"]

# %%
import torch

from netlens_core.images import to_8bit
from netlens_core.networks import load_network


def attack(network, flower, levels=3, steps=40):
    network, daisy, budget = network.folded(), network.category_index("daisy"), levels / 255

    def margin_of(image):
        logits = network(image)[0]
        return logits[daisy] - torch.cat([logits[:daisy], logits[daisy + 1 :]]).max()

    change = torch.zeros_like(flower)
    for _ in range(steps):
        change.requires_grad_(True)
        (gradient,) = torch.autograd.grad(margin_of((flower + change).clamp(0, 1)), change)
        with torch.no_grad():
            change = (change - budget / 4 * gradient.sign()).clamp(-budget, budget)
            image = to_8bit(flower + change)
            if margin_of(image) < -4:
                break
    return image


def mix(flower, noise):
    return attack(load_network("efficientnet_lite0"), flower, levels=3)


def craft(network, flower):
    return attack(network, flower)
