"""The pictures of docs/methods/activations.md."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.daisies import draw_daisy
from netlens_core.images import resize
from netlens_core.methods.activations import find_layer, marked, montage, receptive_field, stretched, strongest_channel
from netlens_core.networks import Network, load_network

FLOWER = draw_daisy(7, 448, "yellow").image


def pictures() -> Iterator[tuple[str, Tensor]]:
    lite0, squeezenet = load_network(), load_network("squeezenet1_1")
    yield "flower", FLOWER
    yield "first", grey(montage(lite0.activations(resize(FLOWER, 224), "conv_stem"), columns=8))
    third = find_layer(squeezenet, "the third convolution")
    yield "third", grey(montage(squeezenet.activations(FLOWER, third), columns=8))
    yield "deeper", torch.cat([panel(squeezenet, name) for name in ("conv1", "fire3", "fire5", "fire9")], dim=2)


# SqueezeNet's layers by their classic names.
LAYERS = {"conv1": "features.1", "fire3": "features.4", "fire5": "features.7", "fire9": "features.12"}


def panel(network: Network, name: str) -> Tensor:
    """The flower with what the strongest unit of a layer sees, over the layer's strongest channel."""
    layer = LAYERS[name]
    found = network.activations(FLOWER, layer)
    best = strongest_channel(found)
    row, column = divmod(int(found[best].argmax()), found.shape[2])
    field = receptive_field(network, layer, FLOWER.shape[1])
    seen = resize(marked(FLOWER, field.box(row, column), 3), 260)
    tile = functional.interpolate(stretched(found)[best][None, None], (260, 260), mode="nearest")[0].expand(3, -1, -1)
    return functional.pad(torch.cat([seen, tile], dim=1), (3, 3, 3, 3), value=1.0)


def grey(picture: Tensor) -> Tensor:
    return picture.expand(3, -1, -1)
