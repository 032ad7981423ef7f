"""The same value everywhere."""

LOSES = [
    "test_map_fits_the_picture",
    "test_each_thing_on_its_own_side",
    "test_hidden_pictures",
    "test_network_needs_what_the_map_shows",
    "test_map_comes_from_what_was_learnt",
]

# %%
import torch


def class_activation_map(network, image, category):
    return torch.ones(image.shape[1:])
