"""Paintings from seeds, as styles without licences: `paint("swirls", seed=3, size=256)`.

Each is composed in units of the picture's side, so a seed shows the same painting at every size. It is painted at two
to three times the size and then averaged down, which is what makes the edges smooth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

Array = NDArray[Any]
Rgb = tuple[int, int, int]

SMALLEST, LARGEST = 32, 1024  # pixels


def paint(name: str, seed: int = 0, size: int = 256) -> Tensor:
    """The painting of a seed in one of the manners of PAINTINGS: float32 (3, size, size) in [0, 1], on 8-bit levels.

    Raises ValueError for an unknown manner, a negative seed or a size that is not from 32 to 1024.
    """
    if name not in PAINTINGS:
        raise ValueError(f"no painting is called {name!r}; there are {', '.join(PAINTINGS)}")
    if seed < 0 or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"a painting has a seed from 0 on and {SMALLEST} to {LARGEST} pixels, not {seed} and {size}")
    easel = _Easel(np.random.default_rng([seed, *name.encode()]), size)
    PAINTINGS[name](easel)
    finished = easel.canvas.resize((size, size), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(finished, np.float32) / 255).permute(2, 0, 1).contiguous()


class _Easel:
    """A canvas and a brush that take units of the picture's side, and the random draws of one painting."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng = rng
        self.side = size * (3 if size <= 400 else 2)
        self.canvas = Image.new("RGB", (self.side, self.side))
        self.brush = ImageDraw.Draw(self.canvas)

    def ground(self, color: Rgb) -> None:
        self.brush.rectangle((0, 0, self.side, self.side), fill=color)

    def line(self, points: Array, color: Array, width: float) -> None:
        """A stroke through points (n, 2) with round ends."""
        at, thick = [(float(x), float(y)) for x, y in points * self.side], max(1, round(width * self.side))
        self.brush.line(at, fill=_rgb(color), width=thick, joint="curve")
        if thick > 3:
            for x, y in (at[0], at[-1]):
                r = thick / 2 - 0.5
                self.brush.ellipse((x - r, y - r, x + r, y + r), fill=_rgb(color))

    def dot(self, x: float, y: float, radius: float, color: Array) -> None:
        x, y, r = x * self.side, y * self.side, radius * self.side
        self.brush.ellipse((x - r, y - r, x + r, y + r), fill=_rgb(color))

    def grid(self) -> tuple[Array, Array]:
        """x and y of every sample of the canvas, in units."""
        axis = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side
        return np.meshgrid(axis, axis)

    def put(self, pixels: Array) -> None:
        """The whole canvas at once: (side, side, 3) in 0..255."""
        self.canvas.paste(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


def _rgb(color: Array) -> Rgb:
    red, green, blue = (int(min(255, max(0, value))) for value in color)
    return red, green, blue


def _clouds(rng: np.random.Generator, cells: int, side: int = 128) -> Array:
    """Smooth random heights from 0 to 1: (side, side)."""
    heights = Image.fromarray(rng.random((cells + 3, cells + 3), dtype=np.float32))
    field = np.asarray(heights.resize((side, side), Image.Resampling.BICUBIC))
    return (field - field.min()) / (field.max() - field.min())


def _at(field: Array, x: float, y: float) -> float:
    side = len(field)
    return float(field[min(side - 1, max(0, int(y * side))), min(side - 1, max(0, int(x * side)))])


def _colors(*hexadecimal: str) -> Array:
    return np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in hexadecimal], np.float32)


# -- the manners -----------------------------------------------------------------------------------------


def _swirls(easel: _Easel) -> None:
    """Thick strokes along the whirls of a night sky, with stars in their midst; after Van Gogh's manner."""
    rng = easel.rng
    night = _colors("0f1f4b", "1b3a7a", "2b5ba8", "4a83c4", "7fb0d6", "b9d3dc")
    stars = _colors("fff3b0", "f7d94c", "e8b23a", "c9c47a")
    places = rng.uniform(0.08, 0.92, (6, 2))
    turns, reach = rng.choice([-1.0, 1.0], 6), rng.uniform(0.05, 0.10, 6)
    drift, tones = rng.uniform(-0.5, 0.5), _clouds(rng, 4)

    def direction(x: float, y: float) -> float:
        dx, dy = x - places[:, 0], y - places[:, 1]
        pull = np.exp(-np.hypot(dx, dy) / (2.2 * reach)) * turns
        along = math.cos(drift) * 0.18 - float((pull * dy / np.hypot(dx, dy).clip(1e-3)).sum())
        down = math.sin(drift) * 0.18 + float((pull * dx / np.hypot(dx, dy).clip(1e-3)).sum())
        return math.atan2(down, along)

    easel.ground((20, 40, 96))
    angles = np.array([[direction((i + 0.5) / 48, (j + 0.5) / 48) for i in range(48)] for j in range(48)])
    for x, y in rng.uniform(-0.02, 1.02, (3000, 2)):
        far = np.hypot(x - places[:, 0], y - places[:, 1]) / reach
        if far.min() < 1 + rng.normal(0, 0.15):
            color = stars[min(3, int(far.min() * 3 + rng.uniform(0, 1)))]
        else:
            halo = max(0.0, 1.8 - far.min())
            level = 4.6 * _at(tones, x, y) + 1.6 * halo + rng.normal(0, 0.6)
            color = night[int(min(5, max(0, level)))]
        color = color * rng.uniform(0.86, 1.12)
        points = [(x, y)]
        for _ in range(int(rng.integers(3, 6))):
            angle = _at(angles, *points[-1])
            points.append((points[-1][0] + 0.014 * math.cos(angle), points[-1][1] + 0.014 * math.sin(angle)))
        stroke, width = np.array(points), rng.uniform(0.010, 0.017)
        easel.line(stroke, color * 0.72, width)  # the paint's shadow, then the paint, then its ridge
        easel.line(stroke - 0.0018, color, width * 0.8)
        easel.line(stroke - 0.0035, color * 1.13 + 8, width * 0.2)


def _points(easel: _Easel) -> None:
    """Dots of pure colour that mix in the eye: a sun over water; after Seurat's manner."""
    rng = easel.rng
    sky = _colors("f2b05e", "f6d08a", "e98a6a", "b97aa5", "6f8fc4")
    water = _colors("2f5d9e", "3f86a8", "6a5a9c", "57a59a", "d98b5f")
    land = _colors("2f6b45", "5d9a4a", "a8b848", "3b5a7a")
    horizon, sun = rng.uniform(0.42, 0.6), rng.uniform(0.2, 0.8, 2) * (1.0, 0.5)
    hills, tones = _clouds(rng, 3)[64], _clouds(rng, 5)
    easel.ground((238, 226, 200))
    for part, (count, radius) in enumerate(((5200, 0.0105), (6500, 0.0072))):
        for x, y in rng.uniform(-0.01, 1.01, (count, 2)):
            shade = _at(tones, x, y) - 0.5 + rng.normal(0, 0.16)
            shore = horizon - 0.16 * hills[min(127, max(0, int(x * 128)))]
            if math.hypot(x - sun[0], y - sun[1]) < 0.085:
                color = _colors("ffe88a", "fff6d0", "f9c74f")[int(rng.integers(3))]
            elif y < shore:
                color = sky[min(4, max(0, int((1 - y / horizon) * 3.4 + 3 * shade + 0.8)))]
            elif y < horizon:
                color = land[min(3, max(0, int(2 + 4 * shade)))]
            elif abs(x - sun[0]) < 0.06 + 0.1 * (y - horizon) and rng.random() < 0.45:
                color = _colors("ffd97a", "f6b25e")[int(rng.integers(2))]
            else:
                color = water[min(4, max(0, int((y - horizon) * 3 + 1.3 + 4 * shade)))]
            if part and rng.random() < 0.12:  # a complementary dot here and there makes its neighbours glow
                color = 255 - color * 0.75
            easel.dot(x, y, radius * rng.uniform(0.75, 1.15), color * rng.uniform(0.9, 1.1))


def _hatching(easel: _Easel) -> None:
    """Ink on paper: the darker, the more directions cross; after the manner of etchers."""
    rng = easel.rng
    tones, bend = 0.65 * _clouds(rng, 3) + 0.35 * _clouds(rng, 7), 0.5 * (_clouds(rng, 2) - 0.5)
    easel.ground((240, 232, 212))
    ink, start = np.array([38, 30, 44]), rng.uniform(0, math.pi)
    for layer, (turn, least) in enumerate(((0.0, 0.30), (1.1, 0.46), (0.55, 0.60), (-0.6, 0.74))):
        angle, gap = start + turn, 0.0125
        across = np.array([-math.sin(angle), math.cos(angle)])
        ahead = np.array([math.cos(angle), math.sin(angle)])
        for offset in np.arange(-0.75, 0.75, gap):
            place = -0.75 + rng.uniform(0, 0.05)
            while place < 0.75:
                length = rng.uniform(0.03, 0.08)
                middle = 0.5 + across * (offset + rng.normal(0, 0.0012)) + ahead * (place + length / 2)
                dark = _at(tones, *middle) + rng.normal(0, 0.05)
                if dark > least and middle.min() > -0.05 and middle.max() < 1.05:
                    lean = _at(bend, *middle)
                    turned = ahead * math.cos(lean) + across * math.sin(lean)
                    ends = np.linspace(-0.5, 0.5, 4)[:, None] * turned * length
                    ends += across * 0.0016 * rng.normal(0, 1, (4, 1)) + middle
                    easel.line(ends, ink * rng.uniform(0.8, 1.5), (0.0032 + 0.003 * (dark - least)) * (1 - 0.1 * layer))
                place += length + rng.uniform(0.002, 0.012)


def _grid(easel: _Easel) -> None:
    """Black bars, white fields and a few in red, blue and yellow; after Mondrian's manner."""
    rng = easel.rng
    palette = _colors("d6231f", "1f4ea1", "f4cd23", "efece2", "f2efe6", "e6e4dc")
    easel.ground((20, 18, 18))

    def divide(left: float, top: float, right: float, bottom: float, depth: int) -> None:
        wide, high = right - left, bottom - top
        if depth == 0 or max(wide, high) < 0.14 or (depth < 4 and rng.random() < 0.12):
            color = palette[rng.choice(6, p=(0.15, 0.14, 0.15, 0.22, 0.2, 0.14))] + rng.normal(0, 3)
            bar = 0.006
            corners = (left + bar, top + bar, right - bar, bottom - bar)
            x0, y0, x1, y1 = (value * easel.side for value in corners)
            if x1 > x0 and y1 > y0:
                easel.brush.rectangle((x0, y0, x1, y1), fill=_rgb(color))
            return
        share = rng.uniform(0.3, 0.7)
        if wide > high:
            middle = left + wide * share
            divide(left, top, middle, bottom, depth - 1)
            divide(middle, top, right, bottom, depth - 1)
        else:
            middle = top + high * share
            divide(left, top, right, middle, depth - 1)
            divide(left, middle, right, bottom, depth - 1)

    divide(0, 0, 1, 1, 6)


def _waves(easel: _Easel) -> None:
    """Bands of indigo and foam with dark outlines; after the manner of Japanese woodcuts."""
    rng = easel.rng
    palette = _colors("10264d", "1d4477", "2f6c9e", "7fb0c0", "e9e2cb", "c9d6cf")
    x, y = easel.grid()
    angle, phase = rng.uniform(-0.5, 0.5), rng.uniform(0, 2 * math.pi, 5)
    across = x * math.cos(angle) + y * math.sin(angle)
    height = y * math.cos(angle) - x * math.sin(angle)
    for k, (frequency, depth) in enumerate(((1.3, 0.085), (2.9, 0.05), (6.1, 0.018))):
        height = height + depth * np.sin(2 * math.pi * frequency * across + phase[k] + 3 * height)
    bands = height * 26
    number, share = np.floor(bands).astype(int), bands - np.floor(bands)
    order = rng.permutation(np.repeat(np.arange(6), (3, 3, 3, 2, 3, 1)))
    pixels = palette[order[number % len(order)]]
    grain = np.sin(2 * math.pi * (90 * height + 4 * np.sin(2 * math.pi * across * 2.3 + phase[3])))
    pixels = pixels * (1 + 0.05 * grain[..., None])
    line = np.minimum(share, 1 - share) < 0.07 + 0.05 * np.sin(2 * math.pi * 1.7 * across + phase[4])
    easel.put(np.where(line[..., None], _colors("0b1730")[0], pixels))


def _glass(easel: _Easel) -> None:
    """Glowing panes between bars of lead: a stained-glass window."""
    from scipy.spatial import cKDTree

    rng = easel.rng
    palette = _colors("b3122f", "e2622b", "f2b632", "1f7a4d", "1f5fa8", "5a2d82", "89c4d8", "f1e3b0")
    places = np.stack(np.meshgrid(np.arange(13), np.arange(13)), axis=-1).reshape(-1, 2)
    seeds = (places + rng.uniform(0.1, 0.9, places.shape) - 0.5) / 12
    tones = _clouds(rng, 3)
    x, y = easel.grid()
    warped = np.stack([x + 0.01 * np.sin(9 * y), y + 0.01 * np.sin(8 * x)], axis=-1).reshape(-1, 2)
    distance, nearest = cKDTree(seeds).query(warped, k=2)
    shade = np.array([_at(tones, *place) for place in seeds])
    pane = palette[((shade * 8 + rng.uniform(0, 2.2, len(seeds))).astype(int)) % 8] * rng.uniform(
        0.8, 1.1, (len(seeds), 1)
    )
    inside = distance[:, 1] - distance[:, 0]
    glow = 0.72 + 0.36 * (inside / 0.06).clip(0, 1) + 0.05 * np.sin(170 * (x + 0.6 * y)).ravel()
    pixels = np.where(inside[:, None] < 0.010, _colors("16130f")[0], pane[nearest[:, 0]] * glow[:, None])
    easel.put(pixels.reshape(easel.side, easel.side, 3))


PAINTINGS: dict[str, Callable[[_Easel], None]] = {
    "swirls": _swirls,
    "points": _points,
    "hatching": _hatching,
    "grid": _grid,
    "waves": _waves,
    "glass": _glass,
}
