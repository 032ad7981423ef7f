"""Handwritten digits of 8 x 8 pixels, which come with scikit-learn: small enough to learn to draw in seconds.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Digits(NamedTuple):
    """Images (N, 1, 8, 8), float32 in [0, 1] in steps of 1/16, and what they show: labels (N,), 0 to 9."""

    images: Tensor
    labels: Tensor


def load_digits(seed: int = 0, classes: int = 10) -> Digits:
    """All digits of `classes` kinds, which the seed chooses, in an order that the seed chooses: about 180 a kind.

    Raises ValueError unless `classes` is from 1 to 10.
    """
    from sklearn import datasets

    if not 1 <= classes <= 10:
        raise ValueError(f"there are digits of 1 to 10 classes, not of {classes}")
    pixels, labels = datasets.load_digits(return_X_y=True)
    generator = torch.Generator().manual_seed(seed)
    wanted = torch.randperm(10, generator=generator)[:classes]
    known = torch.from_numpy(labels)
    kept = torch.isin(known, wanted).nonzero().squeeze(1)
    order = kept[torch.randperm(len(kept), generator=generator)]
    images = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 16
    return Digits(images[order], known[order])
