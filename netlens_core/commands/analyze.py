"""`netlens analyze`: every layer of a network, as a table, JSON, CSV and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.own_module import described, output_to_stderr, own_module
from netlens_core.commands.shared import AsJson, Device, err, load, out, picture, print_json, said

if TYPE_CHECKING:
    from torch import Tensor, nn

    from netlens_core.networks import Network

    Size = int | tuple[int, ...] | list[tuple[int, ...] | Tensor] | None


def analyze(
    network: Annotated[
        str,
        typer.Argument(
            help="A network of `netlens networks`, or a module of your own: FILE.py:NAME, the module or what makes it."
        ),
    ] = "efficientnet_lite0",
    size: Annotated[int | None, typer.Option("--size", min=1, help="Height and width of the image in pixels.")] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="CxHxW",
            help="A module's input without its batch, as in 3x64x64; 16:int for whole numbers. Repeat it for several.",
        ),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="IMAGE", help="Tell units that never fire on these pictures (repeatable)."),
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="The architecture with random weights: needs no download.")
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with graph, search and filters.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the rows as CSV.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Every layer of a network: shape, learnables, cost, receptive field; and what is wrong with it.

    Multiply-adds are the products of convolutions, matrices, attention and recurrent layers. What cannot be counted is
    shown as "?", null in JSON and an empty cell in CSV, with the reason. What a module prints goes to standard error.

    netlens analyze squeezenet1_1 --size 227 --html page.html

    netlens analyze my_model.py:make_model --input 3x64x64
    """
    from netlens_core.methods.analysis import analyze as analyzed
    from netlens_core.methods.analysis.page import as_html
    from netlens_core.methods.analysis.tables import as_csv, as_data

    notes: list[str] = []
    with output_to_stderr():
        subject = _subject(network, device, untrained)
        pictures = _images(subject, image, size, notes)
        try:
            analysis = analyzed(subject, _size(subject, size, shape), pictures)
        except ValueError as error:
            raise error if isinstance(error, NetlensError) else NetlensError(f"{network}: {error}") from None
        except (RuntimeError, MemoryError) as error:  # a size beyond all memory
            raise NetlensError(f"{network}: {described(error)}") from None
        for path, text in ((html, as_html), (csv, as_csv)):
            if path:
                _write(path, text(analysis))
    if as_json:
        print_json({**as_data(analysis), "notes": notes})
    else:
        _show(analysis)


def _show(analysis) -> None:  # type: ignore[no-untyped-def]
    from netlens_core.methods.analysis.tables import WIDE, as_table, totals_text

    # A file or a pipe has no width of its own: there, no column is cut.
    console = out if out.is_terminal else Console(width=190, highlight=False)
    console.print(as_table(analysis, wide=console.width >= WIDE))
    console.print(Text(totals_text(analysis) + "."), soft_wrap=True)
    if console.width < WIDE:
        console.print(f"Costs and receptive fields: in a window of {WIDE} columns, or by --json, --csv and --html.")
    for warning in analysis.warnings:
        console.print(Text(f"Warning: {warning}.", "yellow"), soft_wrap=True)


def _subject(name: str, device: str, untrained: bool) -> Network | nn.Module:
    file, colon, function = name.rpartition(":")
    if colon and file.endswith(".py"):
        return own_module(Path(file), function)
    if name.endswith(".py"):
        raise NetlensError(f"{name}: say which module of the file, as in {name}:Net")
    from netlens_core.networks import UNTRAINED, WeightsUnavailableError

    if untrained:
        return load(f"{UNTRAINED}{name.removeprefix(UNTRAINED)}", device)
    try:
        return load(name, device)
    except WeightsUnavailableError as error:
        found = load(f"{UNTRAINED}{name}", device)  # shapes, costs and fields do not need weights
        err.print(Text(f"With random weights, since {error}", "yellow"), soft_wrap=True)
        return found


def _size(subject: Network | nn.Module, size: int | None, shapes: Sequence[str] | None) -> Size:
    from netlens_core.networks import Network

    if not shapes:
        if size is None and not isinstance(subject, Network):
            raise NetlensError("a module of your own needs --input, such as --input 3x64x64 (or --size for 3 channels)")
        return size
    if size is not None:
        raise NetlensError(f"--input {shapes[0]}: give sizes such as 3x64x64, and no --size beside it")
    sizes = [_input(shape) for shape in shapes]
    return sizes if len(sizes) > 1 or not isinstance(sizes[0], tuple) else sizes[0]


def _input(shape: str) -> tuple[int, ...] | Tensor:
    """3x64x64 as a size; 16:int as sixteen zeros, which are good for an embedding's indices."""
    import torch

    text, _, kind = shape.lower().partition(":")
    numbers = text.split("x")
    are_sizes = all(number.isdecimal() and number.isascii() and int(number) for number in numbers)
    if kind not in ("", "int") or not are_sizes:
        raise NetlensError(f"--input {shape}: give sizes such as 3x64x64, or 16:int for whole numbers")
    sizes = tuple(map(int, numbers))
    return torch.zeros(1, *sizes, dtype=torch.int64) if kind else sizes


def _images(
    subject: Network | nn.Module, sources: Sequence[str] | None, size: int | None, notes: list[str]
) -> Tensor | None:
    import torch

    from netlens_core.images import resize
    from netlens_core.networks import Network

    if not sources:
        return None
    if not isinstance(subject, Network):
        raise NetlensError("--image is for the networks of `netlens networks`, whose preprocessing is known")
    side = size or subject.input_size
    return torch.stack([resize(picture(source, side, notes), side) for source in sources])


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NetlensError(f"{path} cannot be written: {error.strerror or error}") from None
    said(path)
