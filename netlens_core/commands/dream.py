"""`netlens dream`: make an image that excites a network, and tell what it and other networks see in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netlens_core import NetlensError
from netlens_core.commands.shared import (
    AsJson,
    Device,
    NetworkName,
    Seed,
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

    from netlens_core.methods.dream import Objective
    from netlens_core.networks import Network

_JURY = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "squeezenet1_1", "alexnet")


def dream(
    category: Annotated[
        str | None, typer.Argument(metavar="[CATEGORY]", help="What to dream of, by name or index; daisy by default.")
    ] = None,
    network: NetworkName = "efficientnet_lite0",
    layer: Annotated[str | None, typer.Option("--layer", "-l", help="A layer to excite instead of a category.")] = None,
    channel: Annotated[int | None, typer.Option("--channel", "-c", min=0, help="One channel of the layer.")] = None,
    neuron: Annotated[bool, typer.Option("--neuron", help="Only the channel's unit in the middle.")] = False,
    image: Annotated[
        str | None,
        typer.Option("--image", "-i", help="Dream upon a picture (DeepDream): its path, or daisy:7 (a drawn flower)."),
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=16, max=2048, help="Pixels a side; the picture's own, or 224.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of the climb; 160, on a picture 40.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the picture.")] = Path("dream.png"),
    as_json: AsJson = False,
) -> None:
    """Dream: climb from grey, or from a picture, to what excites a network most. Ctrl-C keeps the image so far.

    Examples: netlens dream flamingo -o flamingo.png; netlens dream --layer blocks.4.0.conv_pw --channel 12;
    netlens dream --layer blocks.3.1.conv_pw --image photo.png
    """
    from netlens_core.images import fit
    from netlens_core.measures.color import colorfulness
    from netlens_core.methods import dream as method

    refuse_output(output)
    notes: list[str] = []
    start = None if image is None else picture(image, size or 224, notes)
    if start is not None and size is not None:
        start = fit(start, size)
    target = load(network, device)
    try:
        objective = _objective(target, category, layer, channel, neuron)
        dreamt = method.dream(
            target,
            objective,
            size,
            start,
            transformation=method.NEAR if neuron else method.ANYWHERE,
            steps=steps or (160 if start is None else 40),
            seed=seed,
        )
    except ValueError as error:
        raise NetlensError(str(error)) from None
    save(dreamt, output)
    wanted = (category or "daisy") if layer is None else None
    seen = [_seen(name, dreamt, wanted) for name in _present(network)]
    found = {"picture": str(output), "colorfulness": round(colorfulness(dreamt), 1), "seen": seen, "notes": notes}
    if as_json:
        print_json(found)
    else:
        _print(found, wanted)


def _objective(
    network: Network, category: str | None, layer: str | None, channel: int | None, neuron: bool
) -> Objective:
    from netlens_core.methods import dream as method

    if layer is None:
        if channel is not None or neuron:
            raise NetlensError("--channel and --neuron say which part of a layer: give --layer as well")
        index = network.category_index(_category(category or "daisy"))
        return method.logit(index) - 10 * method.contrast()
    if category is not None:
        raise NetlensError("a category or --layer: give one of them")
    if channel is None:
        if neuron:
            raise NetlensError("--neuron is one unit of a channel: give --channel as well")
        return method.layer(layer)
    return method.neuron(layer, channel) if neuron else method.channel(layer, channel)


def _category(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def _present(target: str) -> list[str]:
    """The target, then the other networks whose weights are here: asking them downloads nothing."""
    from netlens_core.networks import network_source

    return [target, *(name for name in _JURY if name != target and network_source(name).available)]


@activity("asking networks what they see")
def _seen(name: str, image: Tensor, wanted: str | None) -> dict[str, Any]:
    network = load(name)
    [(category, probability)] = network.classify(image, k=1)
    seen: dict[str, Any] = {"network": name, "category": category, "probability": round(probability, 4)}
    if wanted is not None:
        index = _category(wanted)
        seen["wanted"] = network.categories[network.category_index(index)]
        seen["wanted_probability"] = round(network.probability(image, index), 4)
    return seen


def _print(found: dict[str, Any], wanted: str | None) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("network", "sees", "", *([] if wanted is None else [found["seen"][0]["wanted"]])):
        table.add_column(title, justify="left" if title in ("network", "sees") else "right")
    for row in found["seen"]:
        cells = [row["network"], row["category"], f"{row['probability']:.2f}"]
        table.add_row(*cells, *([] if wanted is None else [f"{row['wanted_probability']:.2f}"]))
    out.print(table)
    out.print(f"colourfulness {found['colorfulness']:.0f} (15 slightly, 45 averagely, 82 highly colourful)")
