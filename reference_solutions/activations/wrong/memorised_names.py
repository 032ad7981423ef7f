"""Knows the third convolution of two networks by heart."""

import math

import torch

LOSES = ["test_other_networks"]


def third_layer_activations(network, image):
    known = {"efficientnet_lite0": "blocks.0.0.conv_pw", "squeezenet1_1": "features.3.expand1x1"}
    return network.activations(image, known[network.name])


def montage(activations, gap=1):
    low, high = activations.amin((1, 2), keepdim=True), activations.amax((1, 2), keepdim=True)
    tiles = (activations - low) / (high - low).clamp_min(1e-12)
    columns = math.ceil(math.sqrt(len(tiles)))
    tiles = torch.nn.functional.pad(tiles, (0, gap, 0, gap))
    tiles = torch.cat([tiles, tiles.new_zeros(-len(tiles) % columns, *tiles.shape[1:])])
    return tiles.unflatten(0, (-1, columns)).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
