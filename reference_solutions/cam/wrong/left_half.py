"""The left half, because the flower was there."""

LOSES = [
    "test_each_thing_on_its_own_side",
    "test_hidden_pictures",
    "test_network_needs_what_the_map_shows",
    "test_map_comes_from_what_was_learnt",
]
CAUGHT_BY = ["evidence"]

# %%
import torch


def class_activation_map(network, image, category):
    heat = torch.zeros(image.shape[1:])
    heat[:, : image.shape[2] // 2] = 1
    return heat
