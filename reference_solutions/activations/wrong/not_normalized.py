"""The bare module is given the image in [0, 1], not normalised."""

import math

import torch

LOSES = ["test_third_convolution", "test_other_sizes", "test_other_networks"]


def third_layer_activations(network, image):
    answers = []
    third = [layer for layer in network.module.modules() if isinstance(layer, torch.nn.Conv2d)][2]
    hook = third.register_forward_hook(lambda layer, inputs, output: answers.append(output.clone()))
    with torch.no_grad():
        network.module(image[None])
    hook.remove()
    return answers[0][0]


def montage(activations, gap=1):
    low, high = activations.amin((1, 2), keepdim=True), activations.amax((1, 2), keepdim=True)
    tiles = (activations - low) / (high - low).clamp_min(1e-12)
    columns = math.ceil(math.sqrt(len(tiles)))
    tiles = torch.nn.functional.pad(tiles, (0, gap, 0, gap))
    tiles = torch.cat([tiles, tiles.new_zeros(-len(tiles) % columns, *tiles.shape[1:])])
    return tiles.unflatten(0, (-1, columns)).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
