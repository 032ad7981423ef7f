"""Montages of activations: which channels stand where in a picture, however wide its gaps and many its columns.

A tile is found wherever the picture follows a channel's values pixel by pixel, in grey or in any colour map: at every
place, the share of the picture's variance that a function of the values explains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_SEEN = 0.97  # share explained from which a tile counts as its channel's; true tiles have 0.999 in grey, 0.98 in jet
_DARK = 1e-6  # variance of a patch below which it shows nothing: half a level of 255 has 4e-6
_KNOTS = 9
_BATCH = 16


@dataclass(frozen=True)
class Tile:
    """Where a channel is seen best: its upper left pixel; `explained` and `contrast` are within [0, 1]."""

    channel: int
    top: int
    left: int
    explained: float
    contrast: float


def find_tiles(picture: Tensor, activations: Tensor) -> list[Tile]:
    """The best place of every channel of (C, h, w) in a picture (3, H, W) in [0, 1]; constant channels are left out.

    Nothing is found in a picture that is smaller than one channel.
    """
    count, height, width = activations.shape
    if picture.shape[1] < height or picture.shape[2] < width:
        return []
    grey = bool((picture == picture[:1]).all())
    planes = picture[:1] if grey else picture
    low, high = activations.amin((1, 2), keepdim=True), activations.amax((1, 2), keepdim=True)
    values = (activations - low) / (high - low).where(high > low, 1)
    varied = [channel for channel in range(count) if high[channel] > low[channel]]
    tiles = []
    for start in range(0, len(varied), _BATCH):
        channels = varied[start : start + _BATCH]
        places = _explained(planes, values[channels], powers=1 if grey else 3).flatten(1).argmax(dim=1)
        for channel, place in zip(channels, places.tolist(), strict=True):
            top, left = divmod(place, picture.shape[2] - width + 1)
            patch = planes[:, top : top + height, left : left + width]
            contrast = float((patch.amax((1, 2)) - patch.amin((1, 2))).max())
            tiles.append(Tile(channel, top, left, _explained_by_any_map(patch, values[channel]), contrast))
    return tiles


def share_of_channels_seen(tiles: list[Tile], activations: Tensor) -> float:
    """Share of the channels of (C, h, w), constant ones aside, that each have a tile of their own."""
    height, width = activations.shape[1:]
    taken: list[Tile] = []
    for tile in sorted(tiles, key=lambda tile: -tile.explained):
        apart = all(abs(tile.top - t.top) >= height or abs(tile.left - t.left) >= width for t in taken)
        if tile.explained >= _SEEN and apart:
            taken.append(tile)
    varied = int((activations.amax((1, 2)) > activations.amin((1, 2))).sum())
    return len(taken) / max(1, varied)


def evened(activations: Tensor) -> Tensor:
    """Channels of (C, h, w) with mean 0 and spread 1, so that a montage of them shows its layout alone."""
    means, spreads = activations.mean((1, 2), keepdim=True), activations.std((1, 2), keepdim=True)
    return (activations - means) / spreads.clamp_min(1e-12)


def faded(activations: Tensor, least: float = 1e-4) -> Tensor:
    """Channels of (C, h, w) as in `evened`, ever fainter down to a spread of `least`; the middle one is constant."""
    count = len(activations)
    spreads = torch.logspace(0, math.log10(least), count)
    spreads[count // 2] = 0
    return evened(activations) * spreads[:, None, None]


def _explained(planes: Tensor, values: Tensor, powers: int) -> Tensor:
    """For each channel of values (C, h, w) and each place in the picture: share of the patch's variance that the
    values and their powers explain, (C, H - h + 1, W - w + 1)."""
    (height, width), (h, w) = planes.shape[1:], values.shape[1:]
    planes = planes - planes.mean((1, 2), keepdim=True)
    size = [_quick(height), _quick(width)]
    bases = torch.stack([values**power for power in range(1, powers + 1)], dim=-1).flatten(1, 2)
    directions, _ = torch.linalg.qr(bases - bases.mean(1, keepdim=True))
    spectra = torch.fft.rfft2(directions.mT.unflatten(2, (h, w)), s=size)
    picture = torch.fft.rfft2(planes, s=size)
    explained: Tensor = torch.zeros(len(values), height - h + 1, width - w + 1)
    for plane in picture:
        shares = torch.fft.irfft2(plane * spectra.conj(), s=size)[..., : height - h + 1, : width - w + 1]
        explained += shares.square().sum(1)
    variance = _variances(planes, h, w)
    return torch.where(variance > _DARK, explained / (h * w * variance).clamp_min(1e-12), 0)


def _variances(planes: Tensor, h: int, w: int) -> Tensor:
    """Variance of every patch of h x w pixels, planes added up."""

    def means(images: Tensor) -> Tensor:
        sums = functional.pad(images.double().cumsum(1).cumsum(2), (1, 0, 1, 0))
        return (sums[:, h:, w:] - sums[:, :-h, w:] - sums[:, h:, :-w] + sums[:, :-h, :-w]) / (h * w)

    return (means(planes**2) - means(planes) ** 2).sum(0).float()


def _explained_by_any_map(patch: Tensor, values: Tensor) -> float:
    """Share of the variance of a patch (P, h, w) that a piecewise linear function of the values (h, w) explains."""
    knots = torch.linspace(0, 1, _KNOTS)
    hats = (1 - (values.flatten()[:, None] - knots).abs() * (_KNOTS - 1)).clamp_min(0).double()
    colors = patch.flatten(1).T.double()
    colors = colors - colors.mean(0)
    total = float(colors.square().sum())
    if total <= _DARK * len(colors):
        return 0.0
    normal = hats.T @ hats + 1e-9 * len(colors) * torch.eye(_KNOTS, dtype=torch.float64)
    left = colors - hats @ torch.linalg.solve(normal, hats.T @ colors)
    return max(0.0, 1 - float(left.square().sum()) / total)


def _quick(length: int) -> int:
    """The next length that has only 2, 3 and 5 as factors: Fourier transforms of it are quick."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
