"""What commands tell of a class's grades beside the grades: what would be graded and why, points that changed, outdated
grades, what went wrong.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from netlens_core.commands.shared import DONE, FAILED, err, out, print_json

if TYPE_CHECKING:
    from netlens_core.grading.changes import Reason
    from netlens_core.grading.entries import Entry
    from netlens_core.grading.gradebook import Gradebook

_MOST_LINES = 40


class End(StrEnum):
    """How a submission, or one of its calls, ended."""

    timed_out = "timed-out"
    crashed = "crashed"
    out_of_memory = "out-of-memory"
    refused = "refused"
    internal_error = "internal-error"


Again = Annotated[bool, typer.Option("--again", help="Grade anew what is chosen, although its grade is known.")]
Only = Annotated[
    list[End] | None,
    typer.Option("--only", help="With --again: only grades that ended so; may be given several times."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Tell what would be graded, and why; grade nothing, write nothing.")
]


def asked_again(book: Gradebook, only: list[End] | None) -> list[Entry]:
    """What `--again` asks for."""
    return book.asked_again([end.name for end in only or ()])


def due_of(book: Gradebook, asked: list[Entry], only: list[End] | None) -> list[tuple[Entry, tuple[Reason, ...]]]:
    """What is graded, and why: with `--only`, nothing but that."""
    chosen = {entry.place for entry in asked}
    return [(entry, why) for entry, why in book.due(asked) if not only or entry.place in chosen]


def tell_plan(book: Gradebook, again: bool, only: list[End] | None, as_json: bool) -> int:
    """What would be graded, and why; the exit status."""
    from netlens_core.grading.changes import in_words
    from netlens_core.grading.plain_text import one_line

    due = due_of(book, asked_again(book, only) if again else [], only)
    if as_json:
        print_json([{"student": one.student, "exercise": one.slug, "why": list(map(str, why))} for one, why in due])
    else:
        for one, why in due:
            out.print(Text(one_line(f"{one.student} {one.slug}: {in_words(why)}", 400)), soft_wrap=True)
        counts = Counter(str(reason) for _, why in due for reason in why)
        told = "; ".join(f"{count} x {one_line(reason, 200)}" for reason, count in counts.most_common())
        whole = len(book.entries)
        out.print(Text(f"{len(due)} of {whole} would be graded{f': {told}' if due else ''}."), soft_wrap=True)
    return FAILED if told_problems(book) else DONE


def tell_changes(book: Gradebook) -> None:
    """Points that this run changed, each with the reason."""
    from netlens_core.grading.plain_text import one_line

    changes = [one_line(str(change), 300) for change in book.changes]
    if len(changes) == 1:
        out.print(Text(f"Points changed: {changes[0]}", "yellow"), soft_wrap=True)
    elif changes:
        more = [f"and {len(changes) - _MOST_LINES} more"] if len(changes) > _MOST_LINES else []
        lines = [f"{len(changes)} points changed:", *changes[:_MOST_LINES], *more]
        out.print(Text("\n  ".join(lines), "yellow"), soft_wrap=True)


def tell_outdated(book: Gradebook, most: int = 8) -> None:
    """Last grades that are not those that grading would give now, on standard error."""
    from netlens_core.grading.changes import in_words
    from netlens_core.grading.plain_text import one_line

    found = book.outdated()
    if not found:
        return
    gradable = any(one.entry.key for one in found)
    advice = f": run netlens grade {book.course.folder} first" if gradable else ""
    count = "1 grade is" if len(found) == 1 else f"{len(found)} grades are"
    lines = [f"{one.entry.student} {one.entry.slug}: {in_words(one.outdated)}" for one in found[:most]]
    more = [f"and {len(found) - most} more"] if len(found) > most else []
    told = [f"{count} outdated{advice}", *(one_line(line, 300) for line in lines), *more]
    err.print(Text("\n  ".join(told), "yellow"), soft_wrap=True)


def told_problems(book: Gradebook) -> bool:
    """Tell what could not be read or graded; whether there was anything."""
    from netlens_core.grading.plain_text import one_line

    for problem in book.problems:
        err.print(Text.assemble(("netlens: ", "bold red"), one_line(problem, 2000)), soft_wrap=True)
    return bool(book.problems)
