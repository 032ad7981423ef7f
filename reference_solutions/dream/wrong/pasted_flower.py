"""Hands in the flower itself: nothing that the network dreams of."""

LOSES = [
    "test_network_is_sure",
    "test_beats_every_photo",
    "test_in_full_colour",
    "test_without_noise",
    "test_hidden_category",
]

# %%
from netlens_core.images import load_image


def dream(network, category):
    return load_image("flower.png")
