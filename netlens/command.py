"""The students' command line: what the student kit installs as `netlens`."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated

import typer

from netlens_core import __version__
from netlens_core.commands.check import check
from netlens_core.commands.inputs import inputs
from netlens_core.commands.networks import networks
from netlens_core.commands.shared import DONE, run
from netlens_core.progress import start_heartbeat

_OVERWRITTEN = (
    "netlens: netlens {version} is installed here as well as the student kit, which has overwritten some of its files. "
    "Uninstall both (pip uninstall netlens-kit netlens), then install one of them."
)

app = typer.Typer(
    help="netlens for students: your own pictures, and your own check before you hand in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (inputs, check, networks):
    app.command()(command)


def main() -> None:
    """Run the command line; a user's mistake ends in one clear line, never in a traceback."""
    with suppress(PackageNotFoundError):
        other = distribution("netlens")
        if Path(str(other.locate_file(""))).resolve() == Path(__file__).resolve().parents[1]:
            print(_OVERWRITTEN.format(version=other.version), file=sys.stderr)
    start_heartbeat(sys.argv[1:])
    run(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netlens-kit {__version__}")
        raise typer.Exit(DONE)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
