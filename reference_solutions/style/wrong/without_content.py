"""Leaves the content out of the loss and starts from noise: the brush of the painting, and no flower."""

LOSES = ["test_content_stays", "test_painted_anew", "test_hidden_pictures"]

# %%
import torch
from torch import nn

from netlens_core.images import resize


def gram(maps):
    flat = maps.flatten(1)
    return flat @ flat.T / flat.shape[1]


def finished(network):
    chains = {"": network.module}
    chains |= {f"{name}.": part for name, part in network.module.named_modules() if isinstance(part, nn.Sequential)}
    return [
        chain + name
        for chain, parts in chains.items()
        for name, part in parts.named_children()
        if not isinstance(part, nn.Sequential | nn.Conv2d | nn.MaxPool2d)
    ]


def painted(network, style, start, steps=(120, 80)):
    names = finished(network)
    maps = network.activations(torch.zeros(3, 96, 96), names)
    names = [name for name in names if maps[name].dim() == 3 and maps[name].shape[-1] * 9 >= 96]
    network, image = network.folded(), start
    for scale, count in zip((2, 1), steps):
        size = style.shape[1] // scale
        grams = {name: gram(maps) for name, maps in network.activations(resize(style, size), names).items()}
        image = resize(image, size).requires_grad_(True)
        adam = torch.optim.Adam([image], lr=0.02)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, count, eta_min=0.001)
        for _ in range(count):
            maps = network.activations(image, names)
            shares = [(gram(maps[n]) - wanted).square().sum() / wanted.square().sum() for n, wanted in grams.items()]
            adam.zero_grad()
            (sum(shares) / len(shares)).backward()
            adam.step()
            falling.step()
            with torch.no_grad():
                image.clamp_(0, 1)
        image = image.detach()
    return image


def stylize(network, content, style):
    start = 0.5 + 0.1 * torch.randn(content.shape, generator=torch.Generator().manual_seed(0))
    return painted(network, style, start.clamp(0, 1))
