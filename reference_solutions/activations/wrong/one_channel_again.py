"""The same channel in every tile."""

import math

import torch

LOSES = ["test_montage_shows_every_channel", "test_montage_shows_faint_channels"]


def third_layer_activations(network, image):
    name = network.layers(torch.nn.Conv2d)[2]
    return network.activations(image, name)


def montage(activations, gap=1):
    low, high = activations.amin((1, 2), keepdim=True), activations.amax((1, 2), keepdim=True)
    tiles = (activations - low) / (high - low).clamp_min(1e-12)
    tiles = tiles[:1].expand_as(tiles)
    columns = math.ceil(math.sqrt(len(tiles)))
    tiles = torch.nn.functional.pad(tiles, (0, gap, 0, gap))
    tiles = torch.cat([tiles, tiles.new_zeros(-len(tiles) % columns, *tiles.shape[1:])])
    return tiles.unflatten(0, (-1, columns)).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
