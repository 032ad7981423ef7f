"""Occlusion with a square of one pixel, at every pixel, without an end."""

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
    heat = torch.zeros(image.shape[1:])
    while True:
        for row in range(image.shape[1]):
            heat[row] += 1e-6
