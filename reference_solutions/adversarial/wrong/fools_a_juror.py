"""Fools another network as well: then it is the flower that has changed, and not the network that errs."""

LOSES = ["test_people_still_see_a_daisy", "test_hidden_flowers"]

# %%
import torch

from netlens_core.images import to_8bit
from netlens_core.networks import load_network

juror = load_network("efficientnet_lite1")


def mix(flower, noise):
    return (flower + 0.12 * (2 * noise - 1)).clamp(0, 1)


def margin_of(network, image):
    logits, daisy = network(image)[0], network.category_index("daisy")
    return logits[daisy] - torch.cat([logits[:daisy], logits[daisy + 1 :]]).max()


def craft(network, flower, levels=4, steps=40):
    networks, budget = (network.folded(), juror.folded()), levels / 255
    change = torch.zeros_like(flower)
    for _ in range(steps):
        change.requires_grad_(True)
        image = (flower + change).clamp(0, 1)
        (gradient,) = torch.autograd.grad(sum(margin_of(one, image).clamp(min=-6) for one in networks), change)
        with torch.no_grad():
            change = (change - budget / 4 * gradient.sign()).clamp(-budget, budget)
            image = to_8bit(flower + change)
            if max(margin_of(one, image) for one in networks) < -4:
                break
    return image
