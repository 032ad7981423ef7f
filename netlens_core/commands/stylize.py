"""`netlens stylize`: paint one picture in the manner of another, and tell how near it came to both."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netlens_core import NetlensError
from netlens_core.commands.shared import (
    AsJson,
    Device,
    NetworkName,
    Picture,
    load,
    out,
    picture,
    print_json,
    refuse_output,
    save,
)
from netlens_core.progress import activity

if TYPE_CHECKING:
    from torch import Tensor

    from netlens_core.networks import Network

Style = Annotated[
    str,
    typer.Argument(
        metavar="STYLE",
        help="A picture's path, or a painting made on the spot: painting:swirls, painting:swirls:3 (its seed). "
        "Manners: swirls, points, hatching, grid, waves, glass.",
    ),
]


class Descent(StrEnum):
    """How pixels descend; the method's own names, without importing it for --help."""

    LBFGS = "lbfgs"
    ADAM = "adam"


def stylize(
    content: Picture,
    style: Style,
    network: NetworkName = "efficientnet_lite0",
    size: Annotated[int, typer.Option("--size", min=32, max=1024, help="Longer side of the result in pixels.")] = 256,
    style_weight: Annotated[
        float, typer.Option("--style-weight", min=0, help="Of the style's distance against the content's.")
    ] = 100,
    keep_colors: Annotated[bool, typer.Option("--keep-colors", help="Take the strokes, not the palette.")] = False,
    keep_hues: Annotated[
        bool, typer.Option("--keep-hues", help="Paint brightness only: each pixel keeps the content's hue.")
    ] = False,
    optimizer: Annotated[
        Descent, typer.Option("--optimizer", help="L-BFGS comes further in as many iterations.")
    ] = Descent.LBFGS,
    iterations: Annotated[int, typer.Option("--iterations", min=10, max=5000, help="At each scale, in tens.")] = 100,
    device: Device = "auto",
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the picture.")] = Path("stylized.png"),
    as_json: AsJson = False,
) -> None:
    """Paint a picture in the manner of another. Ctrl-C keeps the image so far. Nothing is random but the paintings.

    Examples: netlens stylize daisy:3 painting:swirls:3 -o night.png; netlens stylize photo.png drawing.png
    """
    from netlens_core.methods import style as method

    refuse_output(output)
    if keep_colors and keep_hues:
        raise NetlensError("--keep-colors or --keep-hues: choose one of them")
    notes: list[str] = []
    scene, manner = _sized(picture(content, size, notes), size), _style(style, size, notes)
    target = load(network, device)
    height, width = scene.shape[1:]
    manner = method.as_large(manner, (height, width))
    keep = method.Keep.COLORS if keep_colors else method.Keep.HUES if keep_hues else method.Keep.NOTHING
    descent = method.Optimizer(optimizer)
    start = time.perf_counter()
    try:
        painted = method.stylize(target, scene, manner, style_weight, keep, descent, iterations).cpu()
    except ValueError as error:
        raise NetlensError(str(error)) from None
    seconds = time.perf_counter() - start
    save(painted, output)
    found = {"content": content, "style": style, "picture": str(output), "network": network,
             "height": painted.shape[1], "width": painted.shape[2], "seconds": round(seconds, 2)}  # fmt: skip
    measures = {name: {"before": round(before, 4), "after": round(after, 4)}
                for name, before, after in _measured(target, painted, scene, manner)}  # fmt: skip
    if as_json:
        print_json({**found, "measures": measures, "notes": notes})
    else:
        _print(measures, seconds)


@activity("measuring the painting")
def _measured(network: Network, painted: Tensor, content: Tensor, style: Tensor) -> list[tuple[str, float, float]]:
    """Each measure's name, its value for the content as it was, and for what was painted."""
    from netlens_core.measures import style as measure

    found = []
    for image in (content, painted):
        found.append(
            {
                "style: Gram distance": measure.gram_distance(network, image, style),
                "style: sliced Wasserstein distance": measure.sliced_wasserstein(image, style),
                "the same, strokes only": measure.sliced_wasserstein(image, style, strokes_only=True),
                "content: distance": measure.content_distance(network, image, content),
                "content: correlation of luminance": measure.luminance_correlation(image, content),
                "content: correlation of edges": measure.edge_correlation(image, content),
            }
        )
    return [(name, value, found[1][name]) for name, value in found[0].items()]


def _print(measures: dict[str, dict[str, float]], seconds: float) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("measure")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    for name, values in measures.items():
        table.add_row(name, f"{values['before']:.3f}", f"{values['after']:.3f}")
    out.print(table)
    out.print(f"{seconds:.1f} s")


def _style(source: str, size: int, notes: list[str]) -> Tensor:
    from netlens_core.paintings import PAINTINGS, paint

    if not source.startswith("painting:"):
        return _sized(picture(source, size, notes), size)
    name, _, seed = source.removeprefix("painting:").partition(":")
    if name not in PAINTINGS or not (seed.isdecimal() or not seed):
        raise NetlensError(f"{source}: a painting is written painting:NAME or painting:NAME:SEED, with a NAME of "
                           f"{', '.join(PAINTINGS)}")  # fmt: skip
    return paint(name, int(seed or 0), size)


def _sized(image: Tensor, size: int) -> Tensor:
    """The image with its longer side as long as asked for."""
    from netlens_core.images import resize

    factor = size / max(image.shape[1:])
    height, width = (max(1, round(side * factor)) for side in image.shape[1:])
    return resize(image, (height, width))
