"""Whatever is asked, the table of SqueezeNet at 227 pixels, learnt by heart."""

import torch

from netlens_core.networks import load_network

LOSES = ["test_other_sizes", "test_other_networks"]


def by_heart(network, input_size):
    rows = [{"name": "data", "type": "Image Input", "activations": [input_size, input_size, 3], "learnables": 0}]
    names = {layer: name for name, layer in network.module.named_modules()}

    def note(layer, inputs, output):
        channels, *size = output.shape[1:]
        numbers = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
        rows.append(
            {
                "name": f"{len(rows)} {names[layer]}",
                "type": type(layer).__name__,
                "activations": [*size, channels],
                "learnables": numbers,
            }
        )

    layers = [layer for layer in names if not [*layer.children()] or [*layer.parameters(recurse=False)]]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad():
        network.module(network.normalize(torch.rand(1, 3, input_size, input_size)))
    for hook in hooks:
        hook.remove()
    return rows


TABLE = by_heart(load_network("untrained:squeezenet1_1"), 227)


def analyze(network, input_size):
    return TABLE
