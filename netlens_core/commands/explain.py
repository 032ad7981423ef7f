"""`netlens explain`: where in a picture a network sees a category."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.shared import AsJson, Device, NetworkName, Picture, err, load, out, picture, print_json, save

if TYPE_CHECKING:
    from torch import Tensor

    from netlens_core.networks import Network


class MapMethod(StrEnum):
    """How the map is made."""

    cam = "cam"
    grad_cam = "grad-cam"
    occlusion = "occlusion"
    all = "all"


def explain(
    image: Picture,
    network: NetworkName = "efficientnet_lite0",
    category: Annotated[
        str | None, typer.Option("--category", "-c", help="Its name or index; else what the network sees.")
    ] = None,
    method: Annotated[
        MapMethod, typer.Option("--method", "-m", help="cam needs a network that ends in a mean and a linear layer.")
    ] = MapMethod.grad_cam,
    layer: Annotated[str | None, typer.Option("--layer", "-l", help="grad-cam: whose channels; else the last.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture.")] = Path("map.png"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Show where a network sees a category: the picture, and the map laid over it in colours from blue to red.

    Deletion and insertion: area under the probability while the hottest pixels go, or come (Petsiuk 2018). A good map
    has a small deletion and a large insertion. Of a flower drawn on the spot, also how much of the map lies on it.

    netlens explain daisy:7 --method all

    netlens explain photo.png --category flamingo -n squeezenet1_1
    """
    import torch

    from netlens_core.methods.cam import NoClassActivationMap, overlay

    loaded = load(network, device)
    notes: list[str] = []
    shown = picture(image, loaded.input_size, notes)
    mask = _mask(image, loaded.input_size)
    told: dict[str, Any] = {"network": loaded.name, "maps": [], "notes": notes}
    pictures = [shown]
    try:
        index = _category(loaded, shown, category)
        for name, make in _methods(method, layer).items():
            try:
                heat = make(loaded, shown, index).cpu()
            except NoClassActivationMap as reason:
                if method is not MapMethod.all:
                    raise
                err.print(Text(f"Left out: {reason}"), soft_wrap=True)
                continue
            told["maps"].append({"method": name, **_measured(loaded, shown, heat, index, mask)})
            pictures += [torch.ones(3, shown.shape[1], 4), overlay(shown, heat)]
    except ValueError as error:
        raise error if isinstance(error, NetlensError) else NetlensError(str(error)) from None
    told |= {"category": loaded.categories[index], "probability": loaded.probability(shown, index)}
    save(torch.cat(pictures, dim=2), output)
    print_json(told) if as_json else _tell(told)


def _category(network: Network, shown: Tensor, given: str | None) -> int:
    if given is None:
        return int(network.probabilities(shown)[0].argmax())
    return network.category_index(int(given) if given.isdecimal() else given)


def _methods(wanted: MapMethod, layer: str | None) -> dict[str, Callable[..., Tensor]]:
    from netlens_core.methods.cam import class_activation_map, grad_cam, occlusion

    every: dict[str, Callable[..., Tensor]] = {
        "cam": class_activation_map,
        "grad-cam": lambda network, image, index: grad_cam(network, image, index, layer),
        "occlusion": occlusion,
    }
    return every if wanted is MapMethod.all else {wanted.value: every[wanted.value]}


def _mask(source: str, size: int) -> Tensor | None:
    """Where the flower is, if it was drawn on the spot."""
    from netlens_core.daisies import draw_daisy

    if not source.startswith("daisy:"):
        return None
    seed, _, color = source.removeprefix("daisy:").partition(":")
    return draw_daisy(int(seed), size, "yellow" if color == "yellow" else "white").flower


def _measured(network: Network, shown: Tensor, heat: Tensor, index: int, mask: Tensor | None) -> dict[str, float]:
    from netlens_core.measures.saliency import deletion_curve, energy_inside, insertion_curve

    numbers = {
        "deletion": deletion_curve(network, shown, heat, index).area,
        "insertion": insertion_curve(network, shown, heat, index).area,
    }
    return numbers if mask is None else {**numbers, "energy_in_flower": energy_inside(heat, mask)}


def _tell(told: dict[str, Any]) -> None:
    out.print(Text(f"{told['network']} gives {told['category']} a probability of {told['probability']:.2f}"))
    table = Table(box=None, pad_edge=False)
    for column in ("map", "deletion", "insertion", "share on the flower"):
        table.add_column(column)
    for row in told["maps"]:
        share = f"{row['energy_in_flower']:.2f}" if "energy_in_flower" in row else "-"
        table.add_row(row["method"], f"{row['deletion']:.3f}", f"{row['insertion']:.3f}", share)
    out.print(table)
