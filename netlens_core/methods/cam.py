"""Where a network looks for a category: class activation maps, Grad-CAM and occlusion.

    heat = grad_cam(network, image, "daisy")     # (H, W) in [0, 1], at the image's size
    picture = overlay(image, heat)

Sources: Zhou, Khosla, Lapedriza, Oliva and Torralba, "Learning Deep Features for Discriminative Localization", 2016
(https://arxiv.org/abs/1512.04150); Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM: Visual Explanations
from Deep Networks via Gradient-based Localization", 2017 (https://arxiv.org/abs/1610.02391); Zeiler and Fergus,
"Visualizing and Understanding Convolutional Networks", 2014 (https://arxiv.org/abs/1311.2901).
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from netlens_core.images import resize
from netlens_core.methods.progress import steps as progress_steps
from netlens_core.networks import Network

# Dark blue, blue, cyan, yellow, red: from cold to hot, each brighter than its neighbour towards the cold until the red.
_COLORS = torch.tensor([[0.05, 0.03, 0.3], [0.1, 0.3, 0.9], [0.1, 0.8, 0.8], [1.0, 0.9, 0.2], [0.85, 0.1, 0.05]])


class NoClassActivationMap(ValueError):
    """The network's head is more than a mean over positions and one linear layer; Grad-CAM works all the same."""


def class_activation_map(network: Network, image: Tensor, category: str | int) -> Tensor:
    """The map of Zhou et al.: (H, W) in [0, 1]. Exact, but only for networks that end in a mean and a linear layer.

    There the logit is the mean of what each position contributes. The map shows those contributions that speak for the
    category, enlarged to the image's size and scaled to reach from 0 to 1.

    Args:
        image: (3, H, W) in [0, 1], of any size; the network sees it at its own input size.

    Raises NoClassActivationMap where the contributions do not add up to the logit, ValueError for an unknown category.
    """
    index, layer = network.category_index(category), feature_layer(network)
    head = [module for module in network.module.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    with torch.no_grad():
        features, logit = _features(network, image, layer), network(image)[0, index]
        if head.weight[0].numel() == features.shape[1]:
            weight, bias = head.weight[index].view(1, -1, 1, 1), 0 if head.bias is None else head.bias[index]
            evidence = functional.conv2d(features, weight)[0, 0]
            # The mean last, as in SqueezeNet, has a ReLU before it.
            for contributions, total in ((evidence, logit - bias), ((evidence + bias).relu(), logit)):
                if torch.isclose(contributions.mean(), total, rtol=1e-3, atol=1e-3):
                    return _finished(contributions, image)
    raise NoClassActivationMap(f"{network.name} does not end in a mean and a linear layer: take Grad-CAM or occlusion")


def grad_cam(network: Network, image: Tensor, category: str | int, layer: str | None = None) -> Tensor:
    """Grad-CAM: (H, W) in [0, 1]. A layer's channels, each weighted with its mean gradient; for any network.

    Only what comes after the layer is differentiated, so this costs hardly more than a classification.

    Args:
        image: (3, H, W) in [0, 1], of any size; the network sees it at its own input size.
        layer: whose channels to weight; by default the last feature maps (`feature_layer`).

    Raises ValueError for an unknown category or layer, or a layer that gives no maps.
    """
    index, layer = network.category_index(category), layer or feature_layer(network)
    kept: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().clone().requires_grad_(True))
        return kept[-1].clone()  # what follows may work in place

    handle = _layer(network, layer).register_forward_hook(cut)
    try:
        with torch.enable_grad():
            logits = network(image.detach())
            (gradient,) = torch.autograd.grad(logits[0, index], kept[-1])
    finally:
        handle.remove()
    maps = kept[-1].detach()
    if maps.dim() != 4:
        raise ValueError(f"{network.name}: {layer} gives no maps, but {tuple(maps.shape)}; take one before it")
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return _finished((weights * maps).sum(dim=1)[0], image)


@torch.no_grad()
def occlusion(
    network: Network, image: Tensor, category: str | int, cells: int = 14, patch: int | None = None
) -> Tensor:
    """Occlusion: (H, W) in [0, 1]. How much the logit falls when a grey square covers the place; for any classifier.

    Args:
        image: (3, H, W) in [0, 1], of any size; the network sees it at its own input size.
        cells: squares along each side; all of them, cells x cells, are tried.
        patch: side of the square in pixels of the network's input; by default two cells, so that squares overlap.

    Squares are tried in a mixed order; after Ctrl-C those that are left count as nothing. Raises ValueError for an
    unknown category.
    """
    index, size = network.category_index(category), network.input_size
    network = network.folded()
    half = (patch or 2 * size // cells) / 2
    pixels = resize(image.to(network.device), size)
    drops = torch.zeros(cells * cells, device=network.device)
    logit = network(pixels)[0, index]
    order = torch.randperm(cells * cells, generator=torch.Generator().manual_seed(0)).split(16)
    for number in progress_steps(len(order), "covering"):
        chosen = order[number]
        hidden = pixels.repeat(len(chosen), 1, 1, 1)
        for picture, cell in zip(hidden, chosen.tolist(), strict=True):
            y, x = ((0.5 + k) * size / cells for k in divmod(cell, cells))
            picture[:, max(0, round(y - half)) : round(y + half), max(0, round(x - half)) : round(x + half)] = 0.5
        drops[chosen.to(network.device)] = logit - network(hidden)[:, index]
    return _finished(drops.view(cells, cells), image)


def overlay(image: Tensor, heat: Tensor, strength: float = 0.6) -> Tensor:
    """The map in colours, blue to red, over the image in grey: (3, H, W) in [0, 1].

    Args:
        image: (3, H, W) in [0, 1].
        heat: (H, W) in [0, 1].
        strength: share of the colours, 0 to 1.
    """
    position = heat.to(image.device).clamp(0, 1) * (len(_COLORS) - 1)
    low = position.floor().clamp(max=len(_COLORS) - 2)
    colors = _COLORS.to(image.device)[torch.stack([low, low + 1]).long()]
    between = (position - low)[..., None]
    heat_colors = (colors[0] * (1 - between) + colors[1] * between).permute(2, 0, 1)
    grey = image.mean(dim=0, keepdim=True)
    return ((1 - strength) * grey + strength * heat_colors * (0.4 + 0.6 * grey)).clamp(0, 1)


@lru_cache(maxsize=16)
def feature_layer(network: Network) -> str:
    """Name of the layer that gives the last feature maps: the last output as large as the last real convolution's.

    Pooling after it, and convolutions that already stand for categories, do not count.
    """
    last, size = "", torch.Size()

    def note(name: str, output: Any, convolution: bool) -> None:
        nonlocal last, size
        if not isinstance(output, Tensor) or output.dim() != 4 or output.shape[1] == len(network.categories):
            return
        if convolution and min(output.shape[2:]) > 1:
            size = output.shape[2:]
        if output.shape[2:] == size:
            last = name

    handles = [
        module.register_forward_hook(lambda m, _i, out, name=name: note(name, out, isinstance(m, nn.Conv2d)))
        for name, module in network.module.named_modules()
        # These hand on what another layer made.
        if name and not isinstance(module, nn.Sequential | nn.Dropout | nn.Identity)
    ]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, network.input_size, network.input_size))
    finally:
        for handle in handles:
            handle.remove()
    return last


def _features(network: Network, image: Tensor, layer: str) -> Tensor:
    """A layer's output (1, C, h, w) for one image at the network's input size."""
    maps: Tensor = network.activations(resize(image.detach(), network.input_size)[None], layer)
    return maps


def _layer(network: Network, name: str) -> nn.Module:
    modules = dict(network.module.named_modules())
    if not name or name not in modules:
        close = difflib.get_close_matches(name, list(modules), 3) or ["see network.layers()"]
        raise ValueError(f"{network.name} has no layer {name!r}; near it: {', '.join(close)}")
    return modules[name]


def _finished(evidence: Tensor, image: Tensor) -> Tensor:
    """What speaks for the category (h, w) at the image's size (H, W), from 0 to 1; all 0 where nothing does."""
    heat = functional.interpolate(
        evidence.relu()[None, None], tuple(image.shape[-2:]), mode="bilinear", align_corners=False
    )[0, 0]
    heat = heat - heat.min()
    return heat / heat.max() if heat.max() > 0 else heat
