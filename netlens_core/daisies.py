"""Daisies: procedural flowers with exact masks of their petals and disc, drawn from a seed.

Every student and every hidden test can have a flower of its own: no file, no licence, no network, only numpy.
A flower is composed once in a unit square (x to the right, y down, the picture's side is 1), then painted
at any size, so every size shows the same flower. The order of painting is the order of this file: meadow, petals from
the lowest to the uppermost, disc.

Pixels are computed with + - * / and square roots alone, which IEEE 754 fixes to the last bit, and from
generators of their own: the same seed gives the same picture whatever the threads or the vector units.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from netlens_core.images import to_8bit

Color = Literal["white", "yellow"]
Array = NDArray[Any]  # float32 throughout; numpy's stubs lose it in arithmetic with plain numbers
Rgb = tuple[float, float, float]

COLORS: tuple[Color, ...] = ("white", "yellow")
SMALLEST, LARGEST = 16, 2048  # pixels: below, no flower is to be seen; above, memory

_MEADOW_SIZE = 256  # the meadow is out of focus: painted once at this size, then enlarged
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))  # between one floret of a disc and the next


@dataclass(frozen=True, eq=False)
class Daisy:
    """A drawn daisy.

    image: float32 (3, size, size) in [0, 1], already rounded to 8 bits.
    petals, disc: bool (size, size), the pixels of which the flower covers at least half and of which
        the petals (the disc) are the larger visible part; disjoint.
    """

    image: Tensor
    petals: Tensor
    disc: Tensor
    seed: int
    color: Color

    @property
    def flower(self) -> Tensor:
        """Petals and disc together: bool (size, size)."""
        return self.petals | self.disc


def draw_daisy(seed: int, size: int = 224, color: Color | None = None) -> Daisy:
    """The daisy of a seed, size pixels wide and high.

    Args:
        seed: any whole number from 0 on. Composition and meadow depend on nothing else.
        size: 16 to 2048 pixels.
        color: of the petals, "white" or "yellow"; None leaves it to the seed.

    Raises ValueError for a seed, size or colour that is none of these.
    """
    seed, size = _whole("seed", seed, 0, None), _whole("size", size, SMALLEST, LARGEST)
    if color is not None and color not in COLORS:
        raise ValueError(f'the color of a daisy is "white", "yellow" or None (the seed chooses), not {color!r}')
    bloom = _compose(seed, color)
    canvas = _Canvas(size, _paint_meadow(bloom))
    for petal in bloom.petals:
        _paint_petal(canvas, bloom, petal)
    _paint_disc(canvas, bloom)
    image, petals, disc = canvas.develop()
    return Daisy(image, petals, disc, seed, bloom.color)


def _whole(name: str, value: int, least: int, most: int | None) -> int:
    wanted = f"{least} to {most} pixels" if most else f"a whole number from {least} on"
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"the {name} of a daisy is {wanted}, not {value!r}") from None
    if isinstance(value, bool) or number < least or (most and number > most):
        raise ValueError(f"the {name} of a daisy is {wanted}, not {value!r}")
    return number


# -- composition: what the seed decides, in units of the picture's side ----------------------------------


@dataclass(frozen=True)
class _Petal:
    angle: float  # where it points, radians
    length: float
    width: float  # half of it
    bend: float  # sideways at the tip, in units of the length
    notch: float  # depth of the dent in the tip
    brightness: float


@dataclass(frozen=True)
class _Bloom:
    seed: int
    color: Color
    center: tuple[float, float]
    disc_radius: float
    tilt: float  # direction in which the flower leans, radians
    squash: float  # how much the lean shortens it
    light: tuple[float, float]  # unit vector towards the light
    lit: Rgb  # petals in the light
    shaded: Rgb  # petals in the shade
    disc_lit: Rgb
    disc_shaded: Rgb
    florets: int
    petals: tuple[_Petal, ...]  # lowest first

    def generator(self, part: str) -> np.random.Generator:
        """One random stream a part, so that a change to one part leaves the others as they were."""
        return _generator(self.seed, part)


def _generator(seed: int, part: str) -> np.random.Generator:
    return np.random.default_rng([seed, *part.encode()])


def _compose(seed: int, color: Color | None) -> _Bloom:
    rng = _generator(seed, "bloom")
    chosen: Color = color or COLORS[int(_generator(seed, "color").integers(2))]
    reach = rng.uniform(0.36, 0.45)
    tilt, light = rng.uniform(0, 2 * math.pi), rng.uniform(-2.6, -0.6)
    warm = rng.uniform(0, 1)
    if chosen == "white":
        lit, shaded = (1.0, 1.0, 0.97 - 0.02 * warm), (0.50, 0.55, 0.58)
        disc_lit, disc_shaded = (1.0, 0.84 - 0.10 * warm, 0.14), (0.60, 0.36, 0.02)
    else:
        lit, shaded = (1.0, 0.91 - 0.06 * warm, 0.22), (0.68, 0.41, 0.01)
        disc_lit, disc_shaded = (0.96, 0.62 - 0.10 * warm, 0.08), (0.42, 0.20, 0.02)
    return _Bloom(
        seed=seed,
        color=chosen,
        center=(0.5 + rng.uniform(-0.06, 0.06), 0.5 + rng.uniform(-0.06, 0.06)),
        disc_radius=reach * rng.uniform(0.29, 0.36),
        tilt=tilt,
        squash=rng.uniform(0.87, 1.0),
        light=(math.cos(light), math.sin(light)),
        lit=lit,
        shaded=shaded,
        disc_lit=disc_lit,
        disc_shaded=disc_shaded,
        florets=int(rng.integers(260, 380)),
        petals=tuple(_compose_petals(rng, reach)),
    )


def _compose_petals(rng: np.random.Generator, reach: float) -> Iterator[_Petal]:
    """Two whorls, each in a random order, the upper one a little shorter and between the lower one's petals."""
    count = int(rng.integers(15, 23))
    width = reach * rng.uniform(1.35, 1.75) / count
    start = rng.uniform(0, 2 * math.pi)
    for whorl in (0, 1):
        for place in rng.permutation(count):
            yield _Petal(
                angle=start + 2 * math.pi * (place + 0.5 * whorl) / count + rng.normal(0, 0.05),
                length=reach * rng.uniform(0.90, 1.0) * (1 - 0.06 * whorl),
                width=width * rng.uniform(0.9, 1.1),
                bend=rng.normal(0, 0.035),
                notch=rng.uniform(0, 0.02),
                brightness=(0.90, 1.0)[whorl] + rng.normal(0, 0.025),
            )


# -- canvas ----------------------------------------------------------------------------------------------


class _Canvas:
    """Colour and coverage at one to several samples a pixel and direction; `develop` averages them to pixels."""

    def __init__(self, size: int, backdrop: Array) -> None:
        # Edges are smoothed analytically; the second sample is for textures, which large pictures resolve.
        self.samples = 1 if size > 512 else max(2, math.ceil(_MEADOW_SIZE / size))
        self.side = size * self.samples
        self.colors = np.stack([_enlarge(channel, self.side) for channel in backdrop])
        self.petals = np.zeros((self.side, self.side), np.float32)
        self.disc = np.zeros((self.side, self.side), np.float32)

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice, Array, Array]:
        """Rows and columns that hold a box given in units; x (1, w) and y (h, 1) of their sample centres."""
        low = [min(self.side, max(0, math.floor(edge * self.side))) for edge in (left, top)]
        high = [min(self.side, max(0, math.ceil(edge * self.side))) for edge in (right, bottom)]
        x = (np.arange(low[0], high[0], dtype=np.float32) + np.float32(0.5)) / np.float32(self.side)
        y = (np.arange(low[1], high[1], dtype=np.float32) + np.float32(0.5)) / np.float32(self.side)
        return slice(low[1], high[1]), slice(low[0], high[0]), x[None, :], y[:, None]

    def coverage(self, depth: Array) -> Array:
        """How much of each sample lies inside a shape, from the depth below its edge in units."""
        return np.clip(depth * np.float32(self.side) + np.float32(0.5), 0, 1)

    def develop(self) -> tuple[Tensor, Tensor, Tensor]:
        """The image rounded to 8 bits, and the masks of petals and disc."""
        image = to_8bit(torch.from_numpy(self._averaged(self.colors)))
        petals, disc = self._averaged(self.petals), self._averaged(self.disc)
        flower, inner = petals + disc >= 0.5, disc > petals
        return image, torch.from_numpy(flower & ~inner), torch.from_numpy(flower & inner)

    def _averaged(self, values: Array) -> Array:
        step = self.samples
        total = sum(values[..., row::step, column::step] for row in range(step) for column in range(step))
        return np.ascontiguousarray(total / np.float32(step * step), dtype=np.float32)


def _enlarge(values: Array, side: int) -> Array:
    """A grid (h, w) stretched smoothly over side x side samples; the same surface at every size."""
    return np.asarray(Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC))


def _ramp(values: Array, low: float, high: float) -> Array:
    """0 below low, 1 above high, smooth between (the cubic of Hermite)."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (np.float32(3) - np.float32(2) * t)


# -- meadow ----------------------------------------------------------------------------------------------


def _paint_meadow(bloom: _Bloom) -> Array:
    """Grass out of focus behind the flower: float32 (3, 256, 256)."""
    rng = bloom.generator("meadow")
    side, dusk = _MEADOW_SIZE, rng.uniform(0, 1)
    dark = np.array([0.05 + 0.05 * dusk, 0.16 + 0.04 * dusk, 0.05 + 0.03 * rng.uniform()], np.float32)
    light = np.array([0.40 + 0.12 * rng.uniform(), 0.56 + 0.10 * dusk, 0.20 + 0.10 * rng.uniform()], np.float32)
    heights: Array = np.zeros((side, side), np.float32)
    for cells, weight in ((4, 0.5), (9, 0.3), (26, 0.2)):
        heights += np.float32(weight) * _enlarge(rng.random((cells, cells), dtype=np.float32), side)
    canvas = heights.clip(0.1, 0.95)[None] * (light - dark)[:, None, None] + dark[:, None, None]
    lean = rng.normal(0, 0.25)
    for _ in range(int(rng.integers(70, 110))):
        tone = rng.uniform(0.0, 1.0)
        _paint_blade(canvas, rng, lean, dark * np.float32(1 - tone) + light * np.float32(tone * 1.15))
    return canvas


def _paint_blade(canvas: Array, rng: np.random.Generator, lean: float, color: Array) -> None:
    """One blade of grass: a soft straight stroke, broadest at its foot."""
    side = canvas.shape[1]
    foot = rng.uniform(-0.05, 1.05), rng.uniform(0.0, 1.3)
    angle, length = -math.pi / 2 + lean + rng.normal(0, 0.45), rng.uniform(0.15, 0.5)
    across, soft = rng.uniform(0.006, 0.022), rng.uniform(0.012, 0.030)
    ahead = math.cos(angle), math.sin(angle)
    tip = foot[0] + length * ahead[0], foot[1] + length * ahead[1]
    pad = across + soft
    left, right = (edge(foot[0], tip[0]) + sign * pad for edge, sign in ((min, -1), (max, 1)))
    top, bottom = (edge(foot[1], tip[1]) + sign * pad for edge, sign in ((min, -1), (max, 1)))
    columns = slice(*(min(side, max(0, round(edge * side))) for edge in (left, right)))
    rows = slice(*(min(side, max(0, round(edge * side))) for edge in (top, bottom)))
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) / np.float32(side) - np.float32(foot[0]))[None]
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) / np.float32(side) - np.float32(foot[1]))[:, None]
    along = np.clip((x * np.float32(ahead[0]) + y * np.float32(ahead[1])) / np.float32(length), 0, 1)
    aside = np.abs(y * np.float32(ahead[0]) - x * np.float32(ahead[1]))
    inside = np.float32(across) * (np.float32(1) - np.float32(0.8) * along) - aside
    cover = np.float32(0.6) * _ramp(inside, -soft, soft) * _ramp(along, 0.0, 0.1) * (1 - _ramp(along, 0.8, 1.0))
    canvas[:, rows, columns] += cover * (color[:, None, None] - canvas[:, rows, columns])


# -- flower ----------------------------------------------------------------------------------------------


def _in_flower(bloom: _Bloom, x: Array, y: Array) -> tuple[Array, Array]:
    """Where samples lie in the flower's own plane: units from its centre, the lean undone."""
    c, s, stretch = math.cos(bloom.tilt), math.sin(bloom.tilt), 1 / bloom.squash - 1
    x, y = x - np.float32(bloom.center[0]), y - np.float32(bloom.center[1])
    lean = (x * np.float32(c) + y * np.float32(s)) * np.float32(stretch)
    return x + lean * np.float32(c), y + lean * np.float32(s)


def _in_picture(bloom: _Bloom, x: float, y: float) -> tuple[float, float]:
    """Where a point of the flower's own plane lies in the picture: the inverse of `_in_flower`."""
    c, s = math.cos(bloom.tilt), math.sin(bloom.tilt)
    lean = (x * c + y * s) * (bloom.squash - 1)
    return bloom.center[0] + x + lean * c, bloom.center[1] + y + lean * s


def _paint_petal(canvas: _Canvas, bloom: _Bloom, petal: _Petal) -> None:
    rows, columns, x, y = canvas.window(*_petal_box(bloom, petal))
    c, s = np.float32(math.cos(petal.angle)), np.float32(math.sin(petal.angle))
    across_light = float(bloom.light[1] * c - bloom.light[0] * s)
    px, py = _in_flower(bloom, x, y)
    along = (px * c + py * s) / np.float32(petal.length)
    aside = (py * c - px * s) - np.float32(petal.bend * petal.length) * along * along
    aside /= np.float32(petal.width)
    depth = _petal_depth(petal, along, aside)

    # The petal dims the petals below it, most on the side away from the light.
    below = canvas.petals[rows, columns]
    away = np.clip(np.float32(0.6) - np.float32(0.4 * across_light) * aside, 0.2, 1)
    shadow = np.float32(0.42) * _ramp(depth, -0.55 * petal.width, 0.1 * petal.width) * away * below
    shadow *= _ramp(along, 0.0, 0.02)
    cover = canvas.coverage(depth) * (along > 0)
    shade = _petal_shade(petal, along, aside, across_light)
    for channel, lit, shaded in zip(canvas.colors, bloom.lit, bloom.shaded, strict=True):
        part = channel[rows, columns]
        part *= 1 - shadow * np.float32(1 - 0.6 * shaded)
        part += cover * (np.float32(shaded) + shade * np.float32(lit - shaded) - part)
    below += cover * (1 - below)


def _petal_box(bloom: _Bloom, petal: _Petal) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a box around a petal; the lean only ever shrinks a flower."""
    (cx, cy), pad = bloom.center, 1.6 * petal.width + abs(petal.bend) * petal.length
    x, y = _in_picture(bloom, petal.length * math.cos(petal.angle), petal.length * math.sin(petal.angle))
    return min(cx, x) - pad, min(cy, y) - pad, max(cx, x) + pad, max(cy, y) + pad


def _petal_depth(petal: _Petal, along: Array, aside: Array) -> Array:
    """Depth below the petal's edge in units, negative outside: a strip that widens, closed by an elliptic tip.

    The edge is where f = 1 - (aside / half)^2 - beyond^2 is 0; depth is f over the length of its gradient.
    """
    half = np.float32(0.5) + np.float32(0.5) * _ramp(along, 0.0, 0.65)
    square = aside * aside
    dent = np.float32(petal.notch) * np.clip(1 - np.float32(5) * square, 0, 1)
    shoulder = 0.74
    beyond = np.clip((along + dent - np.float32(shoulder)) / np.float32(1 - shoulder), 0, None)
    f = 1 - square / (half * half) - beyond * beyond
    sideways = np.float32(2 / petal.width) * aside / (half * half)
    lengthways = np.float32(2 / ((1 - shoulder) * petal.length)) * beyond
    return f / np.sqrt(sideways * sideways + lengthways * lengthways + np.float32(0.5 / petal.width**2))


def _petal_shade(petal: _Petal, along: Array, aside: Array, across_light: float) -> Array:
    """How much light a petal returns, 0 to 1: cupped, grooved along, darker towards the disc."""
    groove: Array = aside * np.float32(1.6)
    groove = groove - np.round(groove)
    shade = np.float32(petal.brightness) - np.float32(0.16) * aside * aside
    shade += np.float32(0.10 * across_light) * aside
    shade -= np.float32(0.10) * (1 - np.float32(4) * groove * groove) * _ramp(along, 0.15, 0.6)
    shade -= np.float32(0.45) * (1 - _ramp(along, 0.22, 0.62))
    return np.clip(shade, 0, 1)


def _paint_disc(canvas: _Canvas, bloom: _Bloom) -> None:
    """The dome of florets in the middle, and its shadow on the petals."""
    reach = 1.5 * bloom.disc_radius
    (cx, cy), radius = bloom.center, np.float32(bloom.disc_radius)
    rows, columns, x, y = canvas.window(cx - reach, cy - reach, cx + reach, cy + reach)
    px, py = _in_flower(bloom, x, y)
    distance = np.sqrt(px * px + py * py) / radius
    cover = canvas.coverage((1 - distance) * radius)
    shadow = np.float32(0.45) * (1 - _ramp(distance, 0.85, 1.45))
    # Light on a dome: florets stand out of the dark between them, the far side and the rim turn away.
    towards = (px * np.float32(bloom.light[0]) + py * np.float32(bloom.light[1])) / radius
    shade = np.float32(0.15) + np.float32(0.75) * _floret_heights(canvas, bloom, rows, columns)
    shade = np.clip(shade + np.float32(0.22) * towards - np.float32(0.25) * _ramp(distance, 0.75, 1.0), 0, 1)
    for channel, lit, shaded in zip(canvas.colors, bloom.disc_lit, bloom.disc_shaded, strict=True):
        part = channel[rows, columns]
        part *= 1 - shadow * np.float32(1 - 0.5 * shaded)
        part += cover * (np.float32(shaded) + shade * np.float32(lit - shaded) - part)
    canvas.disc[rows, columns] = cover
    canvas.petals[rows, columns] *= 1 - cover


def _floret_heights(canvas: _Canvas, bloom: _Bloom, rows: slice, columns: slice) -> Array:
    """Height of the florets over a window of the canvas, 0 to 1: bumps on the spiral of a sunflower's seeds."""
    rng = bloom.generator("disc")
    heights: Array = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    spacing = bloom.disc_radius / math.sqrt(bloom.florets)
    for floret in range(bloom.florets):
        r, angle = math.sqrt((floret + 0.5) / bloom.florets), floret * _GOLDEN_ANGLE
        x, y = (bloom.disc_radius * r * part for part in (math.cos(angle), math.sin(angle)))
        size, top = spacing * (0.85 + 0.35 * r) * rng.uniform(0.9, 1.15), rng.uniform(0.8, 1.0)
        cx, cy = _in_picture(bloom, x, y)
        in_rows, in_columns, across, down = canvas.window(cx - size, cy - size, cx + size, cy + size)
        px, py = _in_flower(bloom, across, down)
        dx, dy = px - np.float32(x), py - np.float32(y)
        bump = (1 - (dx * dx + dy * dy) / np.float32(size * size)) * np.float32(top)
        part = heights[
            in_rows.start - rows.start : in_rows.stop - rows.start,
            in_columns.start - columns.start : in_columns.stop - columns.start,
        ]
        np.maximum(part, bump, out=part)
    return heights
