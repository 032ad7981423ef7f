"""Every image is resized to the network"s input first."""

import math

import torch

LOSES = ["test_other_sizes"]


def third_layer_activations(network, image):
    size = (network.input_size, network.input_size)
    resized = torch.nn.functional.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
    return network.activations(resized, network.layers(torch.nn.Conv2d)[2])


def montage(activations, gap=1):
    low, high = activations.amin((1, 2), keepdim=True), activations.amax((1, 2), keepdim=True)
    tiles = (activations - low) / (high - low).clamp_min(1e-12)
    columns = math.ceil(math.sqrt(len(tiles)))
    tiles = torch.nn.functional.pad(tiles, (0, gap, 0, gap))
    tiles = torch.cat([tiles, tiles.new_zeros(-len(tiles) % columns, *tiles.shape[1:])])
    return tiles.unflatten(0, (-1, columns)).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
