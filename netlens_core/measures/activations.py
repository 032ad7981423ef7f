"""How near claimed activations come to a network's own."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from netlens_core.networks import Network

_RIGHT = 0.01  # of a channel's own size: equal computations differ by 1e-6, half precision by 2e-4
_FAINT = 1e-4  # of all channels' size: what a channel that hardly answers may be off by


class _Found(Exception):
    """Ends a forward pass at the convolution that was looked for."""


@lru_cache(maxsize=16)
def convolution(network: Network, place: int) -> str:
    """Name of the layer that is the `place`-th convolution to compute, counted from 1.

    Raises ValueError where the network has fewer.
    """
    order: list[str] = []

    def computed(name: str) -> None:
        order.append(name)
        if len(order) == place:
            raise _Found

    handles = [
        module.register_forward_hook(lambda *_, name=name: computed(name))
        for name, module in network.module.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, network.input_size, network.input_size))
    except _Found:
        return order[-1]
    finally:
        for handle in handles:
            handle.remove()
    raise ValueError(f"{network.name} has no convolution number {place}, it has {len(order)}")


def relative_error(claimed: Tensor, own: Tensor) -> float:
    """Root mean square of what activations are off by, as a share of that of the network's own: 0 equal, 1 as bad as 0.

    Both (C, H, W).
    """
    return float((claimed - own).norm() / own.norm().clamp_min(1e-12))


def share_of_right_channels(claimed: Tensor, own: Tensor) -> float:
    """Share of the channels of (C, H, W) that are equal to the network's own, each measured by its own size."""
    errors, sizes = (claimed - own).flatten(1).norm(dim=1), own.flatten(1).norm(dim=1)
    faint = _FAINT * float(sizes.square().mean().sqrt())
    return float((errors <= _RIGHT * sizes + faint).float().mean())
