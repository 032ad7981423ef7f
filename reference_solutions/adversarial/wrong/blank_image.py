"""A grey image: neither the network nor anybody else sees a daisy."""

LOSES = ["test_network_is_fooled", "test_people_still_see_a_daisy", "test_hidden_flowers"]

# %%
import torch


def mix(flower, noise):
    return (flower + 0.12 * (2 * noise - 1)).clamp(0, 1)


def craft(network, flower):
    return torch.full_like(flower, 0.5)
