"""The methods from the shell: one module a command, each with the pictures and numbers that it makes."""

from __future__ import annotations

from importlib import import_module

import typer

_COMMANDS: tuple[str, ...] = ("gan", "activations", "analyze", "classify", "stylize", "attack", "explain", "dream")


def register(app: typer.Typer) -> None:
    """Add every method's command, `netlens_core.commands.<name>.<name>`, to the command line."""
    for name in _COMMANDS:
        command = getattr(import_module(f"netlens_core.commands.{name}"), name)
        app.command(name, rich_help_panel="Methods, with pictures")(command)
