"""Divides grey by its own spread: an image of NaN."""

LOSES = [
    "test_network_is_sure",
    "test_beats_every_photo",
    "test_in_full_colour",
    "test_without_noise",
    "test_hidden_category",
]

# %%
import torch


def dream(network, category):
    image = torch.full((3, 224, 224), 0.5)
    return 0.5 + (image - image.mean()) / image.std()
