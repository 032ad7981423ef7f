"""Noise until nothing is left to be seen, in both tasks."""

LOSES = ["test_mix_shows_the_flower", "test_network_is_fooled", "test_people_still_see_a_daisy", "test_hidden_flowers"]

# %%
import torch


def mix(flower, noise):
    return (flower + 0.8 * (2 * noise - 1)).clamp(0, 1)


def craft(network, flower):
    return (flower + 0.8 * torch.randn_like(flower)).clamp(0, 1)
