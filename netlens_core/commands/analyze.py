"""`netlens analyze`: every layer of a network, as a table, JSON, CSV and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.shared import AsJson, Device, err, load, out, picture, print_json, said

if TYPE_CHECKING:
    from torch import Tensor, nn

    from netlens_core.networks import Network


def analyze(
    network: Annotated[
        str,
        typer.Argument(
            help="A network of `netlens networks`, or a module of your own: FILE.py:FUNCTION that makes it."
        ),
    ] = "efficientnet_lite0",
    size: Annotated[int | None, typer.Option("--size", min=1, help="Height and width of the image in pixels.")] = None,
    shape: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="A module's input without its batch, as in 3x64x64.")
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

    netlens analyze squeezenet1_1 --size 227 --html page.html

    netlens analyze my_model.py:make_model --input 3x64x64
    """
    from netlens_core.methods.analysis import analyze as analyzed
    from netlens_core.methods.analysis.page import as_html
    from netlens_core.methods.analysis.tables import as_csv, as_data

    subject = _subject(network, device, untrained)
    try:
        analysis = analyzed(subject, _size(subject, size, shape), _images(subject, image, size))
    except ValueError as error:
        raise error if isinstance(error, NetlensError) else NetlensError(f"{network}: {error}") from None
    for path, text in ((html, as_html), (csv, as_csv)):
        if path:
            _write(path, text(analysis))
    if as_json:
        print_json(as_data(analysis))
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
        return _own_module(Path(file), function)
    from netlens_core.networks import UNTRAINED, WeightsUnavailableError

    if untrained:
        return load(f"{UNTRAINED}{name.removeprefix(UNTRAINED)}", device)
    try:
        return load(name, device)
    except WeightsUnavailableError as error:
        found = load(f"{UNTRAINED}{name}", device)  # shapes, costs and fields do not need weights
        err.print(Text(f"With random weights, since {error}", "yellow"), soft_wrap=True)
        return found


def _own_module(file: Path, function: str) -> nn.Module:
    """What a function of a Python file makes; the file is the user's own and is run."""
    import runpy

    from torch import nn

    if not file.is_file():
        raise NetlensError(f"{file} is no file: give FILE.py:FUNCTION")
    try:
        made = runpy.run_path(str(file))[function]
        module = made if isinstance(made, nn.Module) else made()
    except KeyError as error:
        raise NetlensError(f"{file} has no {function!r} (it lacks {error})") from None
    except Exception as error:
        raise NetlensError(f"{file}:{function} fails: {type(error).__name__}: {error}") from None
    if not isinstance(module, nn.Module):
        raise NetlensError(f"{file}:{function} makes a {type(module).__name__}, not an nn.Module")
    return module


def _size(subject: Network | nn.Module, size: int | None, shape: str | None) -> int | tuple[int, ...] | None:
    from netlens_core.networks import Network

    if shape is None:
        if size is None and not isinstance(subject, Network):
            raise NetlensError("a module of your own needs --input, such as --input 3x64x64 (or --size for 3 channels)")
        return size
    numbers = shape.lower().split("x")
    if size is not None or not all(number.isdecimal() and int(number) for number in numbers):
        raise NetlensError(f"--input {shape}: give sizes such as 3x64x64, and no --size beside it")
    return tuple(map(int, numbers))


def _images(subject: Network | nn.Module, sources: Sequence[str] | None, size: int | None) -> Tensor | None:
    import torch

    from netlens_core.images import resize
    from netlens_core.networks import Network

    if not sources:
        return None
    if not isinstance(subject, Network):
        raise NetlensError("--image is for the networks of `netlens networks`, whose preprocessing is known")
    side = size or subject.input_size
    return torch.stack([resize(picture(source, side), side) for source in sources])


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NetlensError(f"{path} cannot be written: {error.strerror or error}") from None
    said(path)
