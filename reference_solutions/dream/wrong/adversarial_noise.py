"""Grey under grain that was made for the category: the network is sure of it as long as nobody tilts it."""

LOSES = ["test_beats_every_photo", "test_in_full_colour", "test_without_noise", "test_hidden_category"]
CAUGHT_BY = ["robust_logit"]

# %%
import torch


def attack(network, image, category, levels, steps=40):
    network, index, budget = network.folded(), network.category_index(category), levels / 255
    change = torch.zeros_like(image)
    for _ in range(steps):
        change.requires_grad_(True)
        logits = network((image + change).clamp(0, 1))[0]
        (gradient,) = torch.autograd.grad(logits[index] + logits.log_softmax(dim=0)[index], change)
        change = (change.detach() + budget / 8 * gradient.sign()).clamp(-budget, budget)
    return (image + change).clamp(0, 1)


def dream(network, category):
    return attack(network, torch.full((3, 224, 224), 0.5), category, levels=48)
