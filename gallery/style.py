"""Pictures of docs/methods/style.md: two scenes in six manners, and what colours, weight and tricks do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from netlens_core.daisies import draw_daisy
from netlens_core.images import to_8bit
from netlens_core.measures.style import gram_distance, luminance_correlation, sliced_wasserstein
from netlens_core.methods.style import Keep, match_colors, stylize
from netlens_core.networks import load_network
from netlens_core.paintings import PAINTINGS, paint

SIDE = 192
SEEDS = {"swirls": 3, "points": 1, "hatching": 1, "grid": 3, "waves": 1, "glass": 1}


def pictures() -> Iterator[tuple[str, Tensor]]:
    network, juror = (load_network(name, "cpu") for name in ("efficientnet_lite0", "efficientnet_lite1"))
    styles = {name: paint(name, SEEDS[name], SIDE) for name in PAINTINGS}
    contents = [draw_daisy(3, SIDE).image, lighthouse(SIDE)]
    painted = {(k, name): stylize(network, content, style) for k, content in enumerate(contents)
               for name, style in styles.items()}  # fmt: skip
    rows = [row([torch.ones(3, SIDE, SIDE), *styles.values()], ["", *styles])]
    for k, content in enumerate(contents):
        rows.append(row([content, *(painted[k, name] for name in styles)]))
    yield "sheet", torch.cat(rows, dim=1)

    flower, swirls = contents[0], styles["swirls"]
    kept = [stylize(network, flower, swirls, keep=keep) for keep in (Keep.COLORS, Keep.HUES)]
    names = ["content", "style", "its colours too", "keep colours", "keep hues"]
    yield "colors", row([flower, swirls, painted[0, "swirls"], *kept], names)

    weighed = [stylize(network, contents[1], styles["points"], weight) for weight in (0.3, 1)]
    names = ["content", "weight 0.3", "weight 1", "weight 100", "style"]
    yield "weights", row([contents[1], *weighed, painted[1, "points"], styles["points"]], names)

    tricks = {
        "content": flower,
        "its colours": match_colors(flower, swirls),
        "half a blend": (flower + swirls) / 2,
        "7/10 a blend": 0.3 * flower + 0.7 * swirls,
        "transfer": painted[0, "swirls"],
    }
    lines = [
        (
            name,
            f"Gram {gram_distance(juror, image, swirls):.2f}, patches {sliced_wasserstein(image, swirls):.2f},",
            f"light and dark {luminance_correlation(image, flower):.2f}",
        )
        for name, image in tricks.items()
    ]
    yield "tricks", row([to_8bit(image) for image in tricks.values()], ["\n".join(line) for line in lines])


def row(images: list[Tensor], titles: list[str] | None = None) -> Tensor:
    """Images (3, SIDE, SIDE) side by side with white gaps, under titles where there are some."""
    parts = []
    for k, image in enumerate(images):
        framed = torch.nn.functional.pad(image, (2, 2, 2, 2), value=1)
        if titles:
            height = 14 * max(title.count("\n") + 1 for title in titles) + 6
            framed = torch.cat([caption(titles[k], framed.shape[2], height), framed], dim=1)
        parts.append(framed)
    return torch.cat(parts, dim=2)


def caption(text: str, width: int, height: int) -> Tensor:
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).multiline_text((3, 2), text, "black", ImageFont.load_default(11), spacing=2)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def lighthouse(side: int) -> Tensor:
    """A lighthouse on a cliff over the sea, with a sun and two clouds: (3, side, side)."""
    large = 4 * side  # drawn four times as large, so that edges come out smooth
    picture = Image.new("RGB", (large, large))
    draw = ImageDraw.Draw(picture)

    def shape(color: tuple[int, int, int], *points: tuple[float, float]) -> None:
        draw.polygon([(x * large, y * large) for x, y in points], fill=color)

    def disc(color: tuple[int, int, int], x: float, y: float, wide: float, high: float) -> None:
        draw.ellipse([(x - wide) * large, (y - high) * large, (x + wide) * large, (y + high) * large], fill=color)

    for y in range(large):  # the sky pales towards the horizon, the sea darkens towards us
        up, near = y / large / 0.6, (y / large - 0.6) / 0.4
        sky = (int(70 + 130 * up), int(130 + 90 * up), int(205 + 35 * up))
        sea = (int(45 - 25 * near), int(110 - 50 * near), int(150 - 45 * near))
        draw.line((0, y, large, y), fill=sky if up < 1 else sea)
    disc((255, 238, 170), 0.2, 0.2, 0.075, 0.075)
    for x, y in ((0.36, 0.34), (0.84, 0.13)):
        for dx, wide in ((-0.07, 0.06), (0, 0.085), (0.07, 0.05)):
            disc((248, 248, 250), x + dx, y - 0.3 * (wide - 0.05), wide, 0.45 * wide)
    shape((96, 78, 58), (0.42, 1), (0.47, 0.74), (0.56, 0.68), (1, 0.64), (1, 1))
    shape((74, 120, 58), (0.465, 0.75), (0.56, 0.67), (1, 0.63), (1, 0.70), (0.60, 0.745))
    shape((245, 242, 235), (0.645, 0.70), (0.675, 0.26), (0.765, 0.26), (0.795, 0.70))
    for k in range(3):
        top, bottom = 0.31 + 0.14 * k, 0.38 + 0.14 * k
        edge = [0.03 * (y - 0.26) / 0.44 for y in (top, bottom)]
        shape((196, 40, 38), (0.675 - edge[0], top), (0.765 + edge[0], top), (0.765 + edge[1], bottom),
              (0.675 - edge[1], bottom))  # fmt: skip
    shape((40, 42, 48), (0.655, 0.26), (0.785, 0.26), (0.785, 0.245), (0.655, 0.245))
    shape((255, 226, 120), (0.685, 0.245), (0.755, 0.245), (0.755, 0.18), (0.685, 0.18))
    shape((170, 30, 32), (0.67, 0.18), (0.77, 0.18), (0.72, 0.125))
    shape((232, 222, 205), (0.83, 0.68), (0.83, 0.58), (0.95, 0.58), (0.95, 0.68))
    shape((150, 70, 50), (0.81, 0.585), (0.97, 0.585), (0.93, 0.52), (0.85, 0.52))
    shape((60, 70, 90), (0.87, 0.64), (0.87, 0.605), (0.905, 0.605), (0.905, 0.64))
    shape((250, 250, 245), (0.15, 0.70), (0.21, 0.50), (0.215, 0.70))
    shape((226, 120, 60), (0.225, 0.70), (0.225, 0.54), (0.28, 0.70))
    shape((110, 60, 40), (0.12, 0.71), (0.30, 0.71), (0.27, 0.75), (0.15, 0.75))
    small = picture.resize((side, side), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255
