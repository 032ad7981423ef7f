"""Hands in a picture of something else: of course the network sees no daisy there."""

LOSES = ["test_network_is_fooled", "test_people_still_see_a_daisy", "test_hidden_flowers"]

# %%
from netlens_core.images import load_image


def mix(flower, noise):
    return (flower + 0.12 * (2 * noise - 1)).clamp(0, 1)


def craft(network, flower):
    return load_image("what_is_it.png")
