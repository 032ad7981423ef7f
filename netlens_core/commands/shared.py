"""What commands have in common: consoles, options, how they end, pictures in and out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.encoding import is_unicode, print_everywhere, restart_in_utf8
from netlens_core.languages import translate
from netlens_core.progress import activity, show_spinners, spoke, stop_heartbeat

if TYPE_CHECKING:
    from rich.live import Live
    from torch import Tensor

    from netlens_core.networks import Network

DONE, FAILED, MISUSE, INTERRUPTED = 0, 1, 2, 130


class _ErrorConsole(Console):
    """Standard error: the heartbeat counts what is printed there."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **options)
        spoke()


out = Console(highlight=False)
err = _ErrorConsole(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NetworkName = Annotated[str, typer.Option("--network", "-n", help="A network of `netlens networks`.")]
Device = Annotated[str, typer.Option("--device", help='"auto" takes CUDA where there is one; or cpu, cuda, cuda:1 …')]
Language = Annotated[
    str | None,
    typer.Option("--language", help="The language to speak, such as cs; default: the notebook's, or the course's."),
]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same picture.")]
Picture = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", help="A picture's path, or a flower drawn on the spot: daisy:7 (its seed), daisy:7:yellow."
    ),
]


def run(app: typer.Typer) -> None:
    """Run the command line; a user's mistake ends in one clear line, never in a traceback."""
    restart_in_utf8()
    # Read when torch is loaded. On a busy machine, threads that spin while they wait steal the time they wait for.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    print_everywhere()
    show_spinners(_spinner)
    try:
        try:
            app()
        finally:
            stop_heartbeat()
    except NetlensError as error:
        err.print(Text.assemble(("netlens: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(MISUSE)
    except KeyboardInterrupt:
        err.print("\nnetlens: stopped.")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        err.print(Text.assemble(("netlens: ", "bold red"), f"{place}{error.strerror or error}"), soft_wrap=True)
        sys.exit(FAILED)


def _spinner() -> Live:
    from netlens_core.commands.displays import spinner

    return spinner()


def load(name: str, device: str = "auto") -> Network:
    """A network by name. Raises NetlensError for an unknown name, missing weights or a device that is not there."""
    with activity(f"Loading {name}"):
        return _loaded(name, device)


def _loaded(name: str, device: str) -> Network:
    import torch

    from netlens_core.networks import load_network

    try:
        return load_network(name, device)
    except (RuntimeError, AssertionError) as error:
        if isinstance(error, NetlensError):
            raise
        cuda = "works" if torch.cuda.is_available() else "is not there"
        reason = str(error).splitlines()[0]
        raise NetlensError(f"--device {device}: {reason} (CUDA {cuda}; auto or cpu will do)") from None


LONGEST_SIDE = 2048  # pixels: beyond that, a network's activations fill the memory and show nothing more


def picture(source: str, size: int, notes: list[str]) -> Tensor:
    """An image (3, H, W) in [0, 1] from a path, or a daisy of `size` pixels from `daisy:SEED[:white|yellow]`.

    What was done to a picture to read it is told on standard error, and added to `notes`.
    """
    if not source.startswith("daisy:"):
        return _own_picture(source, notes)
    from netlens_core.daisies import draw_daisy

    seed, _, color = source.removeprefix("daisy:").partition(":")
    if not seed.isdecimal() or color not in ("", "white", "yellow"):
        raise NetlensError(f"{source}: a flower is written daisy:SEED, daisy:SEED:white or daisy:SEED:yellow")
    return draw_daisy(int(seed), size, "yellow" if color == "yellow" else "white").image


def _own_picture(source: str, notes: list[str]) -> Tensor:
    from netlens_core.images import read_picture

    read = read_picture(source, longest_side=LONGEST_SIDE)
    if read.note:
        notes.append(read.note)
        tell(read.note)
    return read.image


def tell(note: str) -> None:
    """A note on standard error, so that --json stays JSON."""
    from netlens_core.grading.plain_text import plain

    err.print(Text(f"Note: {plain(note)}", "yellow"), soft_wrap=True)


def refuse_output(path: Path) -> None:
    """Tell before the work, not after it, that a picture could not be written. Raises NetlensError."""
    if path.suffix.lower() != ".png":
        raise NetlensError(f"{path}: pictures are saved as PNG, so the name ends in .png")
    if not path.parent.is_dir():
        raise NetlensError(f"{path} cannot be written: there is no folder {path.parent}")


def save(image: Tensor, path: Path) -> None:
    """Write an image (3, H, W) and say where."""
    from netlens_core.images import save_image

    save_image(image, path)
    said(path)


def said(path: Path) -> None:
    """Say where something was written: on standard error, so that --json stays JSON."""
    from netlens_core.grading.plain_text import plain

    err.print(Text(translate("Written: {path}", path=plain(str(path)))), soft_wrap=True)


def print_json(data: Any) -> None:
    """Data as indented JSON on standard output."""
    typer.echo(json.dumps(data, indent=1, ensure_ascii=not is_unicode(sys.stdout)))
