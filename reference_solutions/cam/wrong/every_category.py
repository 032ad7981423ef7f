"""Adds up all channels: strong where anything is seen at all."""

LOSES = ["test_each_thing_on_its_own_side", "test_hidden_pictures", "test_network_needs_what_the_map_shows"]
CAUGHT_BY = ["evidence"]

# %%
import torch


def class_activation_map(network, image, category):
    names = [name for name in network.layers() if "head" in name or name.endswith("squeeze")]
    small = torch.nn.functional.interpolate(image[None], (network.input_size,) * 2, mode="bilinear")
    maps = network.activations(small, names[-1]).abs().sum(dim=1, keepdim=True)
    heat = torch.nn.functional.interpolate(maps, image.shape[1:], mode="bilinear")[0, 0]
    heat = heat - heat.min()
    return heat / heat.max()
