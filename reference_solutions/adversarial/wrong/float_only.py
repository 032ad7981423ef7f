"""A change below half a level of 255: it fools the network in memory and is gone once the image is saved."""

LOSES = ["test_network_is_fooled", "test_people_still_see_a_daisy", "test_hidden_flowers"]

# %%
import torch


def mix(flower, noise):
    return (flower + 0.12 * (2 * noise - 1)).clamp(0, 1)


def craft(network, flower, steps=100):
    network, daisy, budget = network.folded(), network.category_index("daisy"), 0.49 / 255
    change = torch.zeros_like(flower)
    for _ in range(steps):
        change.requires_grad_(True)
        logits = network((flower + change).clamp(0, 1))[0]
        margin = logits[daisy] - torch.cat([logits[:daisy], logits[daisy + 1 :]]).max()
        (gradient,) = torch.autograd.grad(margin, change)
        change = (change.detach() - budget / 5 * gradient.sign()).clamp(-budget, budget)
    return (flower + change).clamp(0, 1)
