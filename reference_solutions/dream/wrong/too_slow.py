"""Climbs until the probability is exactly 1, which never comes."""

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
    while network.probability(image, category) <= 1:
        image = image.clone()
    return image
