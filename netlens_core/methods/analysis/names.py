"""The classic names of the layers of SqueezeNet and AlexNet, such as `conv1` and `fire2-squeeze1x1`.

They follow the authors' Caffe files (Iandola et al. 2016; Krizhevsky et al. 2012), which MATLAB's networks keep. Every
other network has the dotted names of its modules, which are also what `Network.activations` takes.
"""

from __future__ import annotations

from torch import nn


def classic_names(module: nn.Module) -> dict[str, str]:
    """Classic name of each layer by its dotted path; empty for networks that have none."""
    from torchvision.models import AlexNet, SqueezeNet

    if isinstance(module, SqueezeNet):
        return _squeezenet(module)
    if isinstance(module, AlexNet):
        return _alexnet(module)
    return {}


def _squeezenet(module: nn.Module) -> dict[str, str]:
    """Fire modules count from 2, after conv1; a pooling takes the number of the layer before it."""
    names, number = {"input": "data", "softmax": "prob", "output": "ClassificationLayer_predictions"}, 0
    for path, layer in module.get_submodule("features").named_children():
        if isinstance(layer, nn.MaxPool2d):
            names[f"features.{path}"] = f"pool{number}"
        elif isinstance(layer, nn.ReLU):
            names[f"features.{path}"] = f"relu_conv{number}"
        else:
            number += 1
            if isinstance(layer, nn.Conv2d):
                names[f"features.{path}"] = f"conv{number}"
            for part in ("squeeze", "expand1x1", "expand3x3") if not isinstance(layer, nn.Conv2d) else ():
                size = "" if part[-1].isdigit() else "1x1"
                names[f"features.{path}.{part}"] = f"fire{number}-{part}{size}"
                names[f"features.{path}.{part}_activation"] = f"fire{number}-relu_{part}{size}"
                names[f"features.{path}.cat"] = f"fire{number}-concat"
    last = number + 1
    for place, name in enumerate((f"drop{number}", f"conv{last}", f"relu_conv{last}", f"pool{last}")):
        names[f"classifier.{place}"] = name
    return names


def _alexnet(module: nn.Module) -> dict[str, str]:
    """Layers with weights count on; what follows takes their number, and dropout that of the layer it prepares."""
    names, number = {"input": "data", "softmax": "prob", "output": "output"}, 0
    for path, layer in module.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            number += 1
            names[path] = f"{'conv' if isinstance(layer, nn.Conv2d) else 'fc'}{number}"
        elif isinstance(layer, nn.ReLU):
            names[path] = f"relu{number}"
        elif isinstance(layer, nn.MaxPool2d):
            names[path] = f"pool{number}"
        elif isinstance(layer, nn.Dropout):
            names[path] = f"drop{number + 1}"
    return names
