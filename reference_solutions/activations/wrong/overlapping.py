"""Every tile begins before the one on its left ends."""

import math

import torch

LOSES = ["test_montage_shows_every_channel", "test_montage_shows_faint_channels"]


def third_layer_activations(network, image):
    name = network.layers(torch.nn.Conv2d)[2]
    return network.activations(image, name)


def montage(activations):
    low, high = activations.amin((1, 2), keepdim=True), activations.amax((1, 2), keepdim=True)
    tiles = (activations - low) / (high - low).clamp_min(1e-12)
    count, height, width = tiles.shape
    columns = math.ceil(math.sqrt(count))
    step = width // 2
    picture = torch.zeros(-(-count // columns) * height, columns * step + width)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        picture[row * height : (row + 1) * height, column * step : column * step + width] = tile
    return picture
