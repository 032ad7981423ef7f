"""Pictures for docs/methods/gan.md: digits and daisies that a small GAN draws, and how it came to that."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from netlens_core.methods.datasets import load_dataset
from netlens_core.methods.gan import train
from netlens_core.methods.gan_pictures import grid, loss_curves

STEPS_AND_SEED = {"digits": (4000, 1), "daisies": (6000, 0)}


def pictures() -> Iterator[tuple[str, Tensor]]:
    for name, (steps, seed) in STEPS_AND_SEED.items():
        data = load_dataset(name)
        gan = train(data.images, steps=steps, seed=seed)
        yield f"{name}-real", grid(data.held_out[:36])
        yield name, grid(gan.sample(36, seed=1))
        yield f"{name}-training", grid(torch.cat(list(gan.snapshots.values())))
        yield f"{name}-interpolation", grid(torch.cat([gan.interpolate(12, row) for row in (1, 2, 3)]))
        yield f"{name}-losses", loss_curves(gan.history)
