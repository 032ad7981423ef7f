"""Sets of small images for a generator to learn from: (N, C, H, W) in [0, 1], of one size, some held out to judge by.

    data = load_dataset("digits")               # scikit-learn's, 8 px
    data = load_dataset("daisies", size=32)     # painted on the spot
    data = load_dataset("my/pictures", size=32) # any folder of pictures

Nothing is downloaded: MNIST and CelebA are taken where torchvision has put them.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core import NetlensError
from netlens_core.images import fit, resize
from netlens_core.picture_files import KINDS
from netlens_core.picture_folders import find_pictures, listed, read_pictures
from netlens_core.progress import activity

SIZES = (8, 16, 32, 64, 128)  # pixels
FEWEST_IMAGES = 50
_ALIKE = 3 / 255  # root mean square: what saving a picture once more as JPEG changes
_COMPARED = 32  # pixels a side at which pictures are compared


class DatasetError(NetlensError, ValueError):
    """Images that are not there or cannot be used; the message says where to put them."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images to learn from and images held out.

    Attributes:
        images, held_out: float32 (N, C, size, size) in [0, 1]; C is 1 (grey) or 3.
        labels, held_out_labels: int64 (N,) where the classes are known, else None.
        notes: what was done to get them, in a line each: pictures left out, converted.
    """

    name: str
    images: Tensor
    held_out: Tensor
    labels: Tensor | None = None
    held_out_labels: Tensor | None = None
    notes: tuple[str, ...] = ()


@activity("reading the images")
def load_dataset(source: str, size: int | None = None, count: int = 3000, folder: Path | None = None) -> Dataset:
    """Images by name: "digits", "daisies", "mnist", "celeba", or else the path of a folder of pictures.

    Args:
        size: height and width in pixels, one of 8, 16, 32, 64, 128; by default 8 for digits, else 32.
        count: daisies to paint or pictures to read for training; a quarter as many more are held out.
        folder: where torchvision keeps MNIST and CelebA; by default $NETLENS_DATA, else ./data.

    Raises DatasetError.
    """
    size = size or (8 if source == "digits" else 32)
    if size not in SIZES:
        raise DatasetError(f"a size of {size} px does not go: take one of {', '.join(map(str, SIZES))}")
    if count < FEWEST_IMAGES:
        raise DatasetError(f"{count} images are too few to learn from: take at least {FEWEST_IMAGES}")
    folder = folder or Path(os.environ.get("NETLENS_DATA", "data"))
    if source == "digits":
        return digits(size)
    if source == "daisies":
        return Dataset("daisies", paint_daisies(count, size, seed=0), paint_daisies(count // 4 + 1, size, seed=1))
    if source == "mnist":
        return mnist(folder, size, count)
    if source == "celeba":
        return celeba(folder, size, count)
    return pictures(Path(source), size, count)


def digits(size: int = 8) -> Dataset:
    """The 1,797 handwritten digits that scikit-learn brings (Alpaydin and Kaynak, 1998), 8 px; a third held out."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.from_numpy(found.images).float()[:, None] / 16
    labels = torch.from_numpy(found.target).long()
    if size != 8:
        images = resize(images, size)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order], labels[order]
    return Dataset("digits", images[:1200], images[1200:], labels[:1200], labels[1200:])


def mnist(folder: Path, size: int = 32, count: int = 3000) -> Dataset:
    """MNIST (LeCun, Cortes and Burges, 1998) where torchvision has put it; at 32 px with the usual margin of 2."""
    from torchvision.datasets import MNIST

    parts = []
    for training, wanted in ((True, count), (False, count // 4 + 1)):
        try:
            found = MNIST(folder, train=training, download=False)
        except (RuntimeError, OSError, ValueError):
            raise DatasetError(
                f"MNIST is not in {folder}: put its four files (train-images-idx3-ubyte …) into "
                f"{folder / 'MNIST' / 'raw'}, or name another folder with --data"
            ) from None
        images = functional.pad(found.data[:wanted, None].float() / 255, (2, 2, 2, 2))
        parts.append((images if size == 32 else resize(images, size), found.targets[:wanted].long()))
    (images, labels), (held_out, held_out_labels) = parts
    return Dataset("mnist", images, held_out, labels, held_out_labels)


def celeba(folder: Path, size: int = 32, count: int = 3000) -> Dataset:
    """Faces of CelebA (Liu, Luo, Wang and Tang, 2015), aligned and cropped, where torchvision has put them."""
    place = folder / "celeba" / "img_align_celeba"
    if not place.is_dir():
        raise DatasetError(
            f"CelebA is not in {folder}: unpack img_align_celeba.zip into {place.parent}, or name another folder "
            "with --data"
        )
    found = pictures(place, size, count)
    return Dataset("celeba", found.images, found.held_out, notes=found.notes)


def pictures(folder: Path, size: int = 32, count: int = 3000) -> Dataset:
    """The pictures of a folder and its subfolders, shorter side resized, middle cropped; every fifth is held out.

    Grey pictures come out in three channels. The first in the order of their names are taken where there are more.
    Those that cannot be read are left out, as are copies of others and near copies: a set of one picture teaches one
    picture, and a copy that is held out judges nothing. Raises DatasetError where fewer than 50 are left.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder of pictures; known by name are digits, daisies, mnist and celeba")
    found = find_pictures(folder)
    # A generator sees at most 128 pixels: photos need not be decoded whole.
    at_most, side = math.ceil(count * 5 / 4), max(1024, 8 * size)
    reading = read_pictures(found, at_most, lambda image: fit(image, size), longest_side=side)
    if len(reading.images) < FEWEST_IMAGES:
        bad = f" ({listed(reading.bad)})" if reading.bad else ""
        raise DatasetError(
            f"{folder} holds {len(reading.images)} pictures{' that can be read' if bad else ''} ({KINDS}), "
            f"too few to learn from: put at least {FEWEST_IMAGES} there{bad}"
        )
    images = torch.stack(reading.images)
    original = copies(images)
    names = [str(path.relative_to(folder)) for path in reading.paths]
    pairs = [f"{names[copy]} of {names[first]}" for copy, first in original.items()]
    distinct = len(images) - len(original)
    if distinct < FEWEST_IMAGES:
        raise DatasetError(
            f"{folder} holds {len(images)} pictures, of which only {distinct} {'is' if distinct == 1 else 'are'} "
            f"different: put at least {FEWEST_IMAGES} different ones there. Copies: {listed(pairs, 5)}"
        )
    images = images[[place for place in range(len(images)) if place not in original]]
    notes = reading.notes
    if pairs:
        what = "1 picture is a copy of another" if len(pairs) == 1 else f"{len(pairs)} pictures are copies of others"
        notes.append(f"{what} and left out: {listed(pairs, 5)}")
    held = torch.arange(len(images)) % 5 == 4
    return Dataset(folder.name, images[~held], images[held], notes=tuple(notes))


def copies(images: Tensor) -> dict[int, int]:
    """Images (N, C, H, W) that are all but equal to an earlier one: their numbers, each with that one's.

    Compared at 32 pixels, since a copy saved again as JPEG differs a little everywhere and nowhere much.
    """
    small = functional.adaptive_avg_pool2d(images, _COMPARED) if images.shape[-1] > _COMPARED else images
    flat = small.flatten(1)
    reach = _ALIKE * flat.shape[1] ** 0.5
    found: dict[int, int] = {}
    kept = torch.zeros(len(flat), dtype=torch.bool)
    for place, row in enumerate(torch.cdist(flat, flat)):
        near = (row[:place] < reach) & kept[:place]
        if near.any():
            found[place] = int(near.nonzero()[0])
        else:
            kept[place] = True
    return found


# -- daisies by the thousand -----------------------------------------------------------------------------


def paint_daisies(count: int, size: int = 32, seed: int = 0) -> Tensor:
    """Daisies, white and yellow, each on a meadow of its own: (count, 3, size, size) in [0, 1], 2 ms each at 32 px.

    The flowers of `netlens_core.daisies` drawn all at once and with less detail, for sizes that would not show it: each
    sample looks only at the petals nearest to it.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([_paint(min(100, count - done), size, generator) for done in range(0, count, 100)])


@dataclass(frozen=True, eq=False)
class _Bouquet:
    """What chance decides about `count` flowers, in units of the picture's side: numbers (count, 1, 1)."""

    x: Tensor  # the centre
    y: Tensor
    reach: Tensor  # of the petals
    disc: Tensor  # its radius
    tilt: Tensor  # direction in which the flower leans, radians
    squash: Tensor  # how much the lean shortens it
    light: Tensor  # where it comes from, radians
    petals: Tensor  # in each of the two whorls
    start: Tensor  # angle of the first, radians
    width: Tensor  # half a petal's
    turns: Tensor  # (count, 2, most petals): by how much each petal is off
    lengths: Tensor
    tones: Tensor
    yellow: Tensor  # (count, 1, 1, 1), bool


def _gather(count: int, generator: torch.Generator) -> _Bouquet:
    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *(shape or (1, 1)), generator=generator)

    reach, petals = between(0.36, 0.45), torch.randint(9, 16, (count, 1, 1), generator=generator)
    return _Bouquet(
        x=between(0.44, 0.56),
        y=between(0.44, 0.56),
        reach=reach,
        disc=reach * between(0.29, 0.36),
        tilt=between(0, 2 * math.pi),
        squash=between(0.87, 1),
        light=between(-2.6, -0.6),
        petals=petals,
        start=between(0, 2 * math.pi),
        width=reach * between(1.35, 1.75) / petals,
        turns=0.05 * torch.randn(count, 2, 16, generator=generator),
        lengths=between(0.9, 1, 2, 16),
        tones=0.025 * torch.randn(count, 2, 16, generator=generator),
        yellow=torch.rand(count, 1, 1, 1, generator=generator) < 0.5,
    )


def _paint(count: int, size: int, generator: torch.Generator) -> Tensor:
    bouquet, side = _gather(count, generator), 2 * size  # two samples a pixel and direction
    place = (torch.arange(side) + 0.5) / side
    x, y = place[None, None, :] - bouquet.x, place[None, :, None] - bouquet.y
    cosine, sine = bouquet.tilt.cos(), bouquet.tilt.sin()
    lean = (x * cosine + y * sine) * (1 / bouquet.squash - 1)
    x, y = x + lean * cosine, y + lean * sine
    canvas = _paint_meadow(count, side, generator)
    for whorl in (0, 1):
        canvas = _paint_whorl(canvas, bouquet, whorl, x, y)
    return functional.avg_pool2d(_paint_discs(canvas, bouquet, x, y, generator), 2).clamp(0, 1)


def _paint_meadow(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Grass out of focus: waves of three lengths between a dark and a light green."""
    heights = torch.zeros(count, 1, side, side)
    for cells, weight in ((4, 0.5), (9, 0.3), (20, 0.2)):
        grid = torch.rand(count, 1, cells, cells, generator=generator)
        heights += weight * functional.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
    chance = torch.rand(count, 4, 1, 1, generator=generator)
    base = torch.tensor([[0.05, 0.16, 0.05], [0.40, 0.56, 0.20]]).view(2, 1, 3, 1, 1)
    spread = torch.tensor([[0.05, 0.04, 0.03], [0.12, 0.10, 0.10]]).view(2, 1, 3, 1, 1)
    dark = base[0] + spread[0] * chance[:, [0, 0, 1]]
    light = base[1] + spread[1] * chance[:, [2, 0, 3]]
    return dark + (light - dark) * heights.clamp(0.1, 0.95)


def _paint_whorl(canvas: Tensor, bouquet: _Bouquet, whorl: int, x: Tensor, y: Tensor) -> Tensor:
    """One ring of petals, the upper one (1) a little shorter and between the lower one's petals."""
    lit = _colors(bouquet, (1.0, 1.0, 0.96), (1.0, 0.88, 0.22))
    shaded = _colors(bouquet, (0.50, 0.55, 0.58), (0.68, 0.41, 0.01))
    step = 2 * math.pi / bouquet.petals
    position = (torch.atan2(y, x) - bouquet.start) / step - 0.5 * whorl
    nearest = position.round()
    towards = torch.where(position > nearest, 1, -1)
    for neighbour in (-towards, towards, torch.zeros_like(towards)):  # the nearest petal lies on top
        index = ((nearest + neighbour) % bouquet.petals).long().flatten(1)
        turn, length, tone = (
            values[:, whorl].gather(1, index).view(position.shape)
            for values in (bouquet.turns, bouquet.lengths, bouquet.tones)
        )
        angle = bouquet.start + step * (nearest + neighbour + 0.5 * whorl) + turn
        along = (x * angle.cos() + y * angle.sin()) / (bouquet.reach * length * (1 - 0.06 * whorl))
        aside = (y * angle.cos() - x * angle.sin()) / bouquet.width
        cover = (_petal_depth(bouquet, along, aside) * canvas.shape[-1] + 0.5).clamp(0, 1) * (along > 0)
        shade = (0.90, 1.0)[whorl] + tone - 0.16 * aside**2 + 0.10 * (bouquet.light - angle).sin() * aside
        shade = (shade - 0.45 * (1 - _ramp(along, 0.22, 0.62))).clamp(0, 1)[:, None]
        canvas = canvas + cover[:, None] * (shaded + shade * (lit - shaded) - canvas)
    return canvas


def _petal_depth(bouquet: _Bouquet, along: Tensor, aside: Tensor) -> Tensor:
    """Depth below a petal's edge, negative outside: a strip that widens, closed by an elliptic tip (as in daisies)."""
    half = 0.5 + 0.5 * _ramp(along, 0, 0.65)
    beyond = ((along - 0.74) / 0.26).clamp(min=0)
    inside = 1 - (aside / half) ** 2 - beyond**2
    sideways, lengthways = 2 * aside / (bouquet.width * half**2), 2 * beyond / (0.26 * bouquet.reach)
    return inside / (sideways**2 + lengthways**2 + 0.5 / bouquet.width**2).sqrt()


def _paint_discs(canvas: Tensor, bouquet: _Bouquet, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
    """The dome in the middle, and its shadow on the petals."""
    distance = (x * x + y * y).sqrt() / bouquet.disc
    canvas = canvas * (1 - 0.45 * (1 - _ramp(distance, 0.85, 1.45)))[:, None]
    towards = (x * bouquet.light.cos() + y * bouquet.light.sin()) / bouquet.disc
    florets = 0.15 * (torch.rand(distance.shape, generator=generator) - 0.5)
    shade = (0.55 + florets + 0.3 * towards - 0.25 * _ramp(distance, 0.75, 1)).clamp(0, 1)[:, None]
    lit = _colors(bouquet, (1.0, 0.80, 0.14), (0.96, 0.57, 0.08))
    shaded = _colors(bouquet, (0.60, 0.36, 0.02), (0.42, 0.20, 0.02))
    cover = ((1 - distance) * bouquet.disc * canvas.shape[-1] + 0.5).clamp(0, 1)[:, None]
    return canvas + cover * (shaded + shade * (lit - shaded) - canvas)


def _colors(bouquet: _Bouquet, white: tuple[float, float, float], yellow: tuple[float, float, float]) -> Tensor:
    return torch.where(bouquet.yellow, torch.tensor(yellow).view(1, 3, 1, 1), torch.tensor(white).view(1, 3, 1, 1))


def _ramp(values: Tensor, low: float, high: float) -> Tensor:
    """0 below low, 1 above high, smooth between."""
    t = ((values - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)
