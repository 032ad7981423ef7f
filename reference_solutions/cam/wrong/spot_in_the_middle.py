"""A blurred spot in the middle of the picture, whatever is asked."""

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
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in image.shape[1:]), indexing="ij")
    heat = torch.exp(-(x**2 + y**2) / 0.3)
    return (heat - heat.min()) / (heat.max() - heat.min())
