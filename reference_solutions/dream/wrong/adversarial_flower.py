"""The flower under noise of 32 levels, made for the category: as sure as a dream, and still a picture that was there."""

LOSES = [
    "test_network_is_sure",
    "test_beats_every_photo",
    "test_in_full_colour",
    "test_without_noise",
    "test_hidden_category",
]
CAUGHT_BY = ["robust_logit"]

# %%
import torch

from netlens_core.images import load_image


def attack(network, image, category, levels, steps=30):
    network, index, budget = network.folded(), network.category_index(category), levels / 255
    change = torch.zeros_like(image)
    for _ in range(steps):
        change.requires_grad_(True)
        (gradient,) = torch.autograd.grad(network((image + change).clamp(0, 1))[0, index], change)
        change = (change.detach() + budget / 8 * gradient.sign()).clamp(-budget, budget)
    return (image + change).clamp(0, 1)


def dream(network, category):
    return attack(network, load_image("flower.png"), category, levels=32)
