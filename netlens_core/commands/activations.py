"""`netlens activations`: what a layer answers to an image, as a montage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.shared import AsJson, Device, NetworkName, Picture, load, out, picture, print_json, save

if TYPE_CHECKING:
    from torch import Tensor

    from netlens_core.networks import Network


def activations(
    image: Picture,
    layer: Annotated[
        str, typer.Option("--layer", "-l", help='A name, or words: "third convolution", "2nd ReLU", "last pooling".')
    ] = "third convolution",
    network: NetworkName = "efficientnet_lite0",
    size: Annotated[
        int | None, typer.Option("--size", min=16, max=2048, help="Pixels of a flower; a picture keeps its own.")
    ] = None,
    channel: Annotated[int | None, typer.Option("--channel", min=1, help="Only this channel, from 1 on.")] = None,
    strongest: Annotated[
        bool, typer.Option("--strongest", help="Only the strongest channel, beside the image and what its unit sees.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture.")] = Path("activations.png"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """What a layer answers to an image of any size: a montage, one tile a channel.

    netlens activations daisy:7:yellow --layer "first convolution"

    netlens activations photo.png -n squeezenet1_1 -l features.3.expand1x1 --strongest
    """
    from netlens_core.methods.activations import find_layer, montage, receptive_field, stretched, strongest_channel

    loaded = load(network, device)
    notes: list[str] = []
    shown = picture(image, size or loaded.input_size, notes)
    try:
        name = find_layer(loaded, layer)
        found = loaded.activations(shown, name)
    except (ValueError, RuntimeError) as error:
        raise error if isinstance(error, NetlensError) else NetlensError(str(error).splitlines()[0]) from None
    if found.dim() != 3:
        raise NetlensError(f"{name} answers with {'x'.join(map(str, found.shape))} numbers, which are no pictures")
    best = strongest_channel(found)
    row, column = divmod(int(found[best].argmax()), found.shape[2])
    try:
        field = receptive_field(loaded, name, (shown.shape[1], shown.shape[2]))
    except ValueError:
        field = None
    if channel is not None and channel > len(found):
        raise NetlensError(f"{name} has channels 1 to {len(found)}, not {channel}")
    if strongest:
        save(_beside(shown, stretched(found)[best], field.box(row, column) if field else None), output)
    else:
        save(montage(found) if channel is None else stretched(found)[channel - 1], output)
    told = {
        "network": loaded.name,
        "layer": name,
        "image": list(shown.shape),
        "activations": list(found.shape),
        "strongest": {"channel": best + 1, "row": row, "column": column, "value": float(found[best].max())},
        "receptive_field": field
        and {
            "size": field.size,
            "stride": field.stride,
            "whole_image": field.whole,
            "of_strongest_unit": field.box(row, column),
        },
        "notes": notes,
    }
    print_json(told) if as_json else _tell(loaded, told)


def _tell(network: Network, told) -> None:  # type: ignore[no-untyped-def]
    channels, height, width = told["activations"]
    best, field = told["strongest"], told["receptive_field"]
    out.print(Text(f"{network.name}, {told['layer']}: {channels} channels of {width} x {height}"), soft_wrap=True)
    out.print(
        f"Strongest: channel {best['channel']}, {best['value']:.3g} at row {best['row']}, column {best['column']}"
    )
    if field and field["whole_image"]:
        out.print("Each unit sees the whole image")
    elif field:
        (height, width), (_, stride) = field["size"], field["stride"]
        out.print(f"Each unit sees {width:g} x {height:g} px, {stride:g} px from one to the next")


def _beside(image: Tensor, channel: Tensor, box: tuple[float, float, float, float] | None) -> Tensor:
    """The image with what the strongest unit sees, and the channel at the same height."""
    import torch
    from torch.nn import functional

    from netlens_core.methods.activations import marked

    height, width = image.shape[1:]
    grey = functional.interpolate(channel[None, None], (height, width), mode="nearest")[0].expand(3, -1, -1)
    return torch.cat([marked(image, box) if box else image, torch.ones(3, height, 4), grey], dim=2)
