"""Options that take one value are refused where they are given twice: the last one would count, unseen."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup, TyperOption


class Commands(TyperGroup):
    """The commands of a program, each of which refuses options that are given more often than they count."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does it. Raises typer.BadParameter."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _refuse_twice(command, typer.Context(command, info_name=name, parent=ctx), rest)
        return name, command, rest


def _refuse_twice(command: Any, ctx: Any, args: list[str]) -> None:
    try:
        _, _, given = command.make_parser(ctx).parse_args(list(args))
    except Exception:  # what is wrong with the arguments the command itself tells
        return
    once = [one for one in given if isinstance(one, TyperOption) and not (one.multiple or one.is_flag or one.count)]
    for option in once:
        if once.count(option) > 1:
            raise typer.BadParameter(f"is given {once.count(option)} times and takes one value", ctx, option)
