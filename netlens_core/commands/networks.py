"""`netlens networks`: which networks there are, and where their weights come from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from netlens_core.commands.shared import AsJson, out, print_json


def networks(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="Only these networks.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those whose weights are not here.")] = False,
    as_json: AsJson = False,
) -> None:
    """The known networks, where their weights come from, whether they are here."""
    from netlens_core.networks import known_networks, network_source

    sources = [network_source(name) for name in names or known_networks()]
    if as_json:
        print_json([{**vars(source), "path": str(source.path)} for source in sources])
        return
    shown = [source for source in sources if source.available or everything or names]
    table = Table(box=None, pad_edge=False)
    for column in ("network", "weights", "where from"):
        table.add_column(column)
    for source in shown:
        here = Text("here", "green") if source.available else Text("not here", "yellow")
        table.add_row(source.name, here, source.origin)
    out.print(table)
    if len(shown) < len(sources):
        out.print(f"{len(sources) - len(shown)} more can be had: netlens networks --all", style="dim")
