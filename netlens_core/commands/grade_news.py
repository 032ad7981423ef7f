"""What commands tell of a class's grades beside the grades: points that changed, outdated ones, what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from netlens_core.commands.shared import err, out

if TYPE_CHECKING:
    from netlens_core.grading.gradebook import Gradebook

_MOST_LINES = 40


def tell_changes(book: Gradebook) -> None:
    """Points that this run changed, each with the reason."""
    from netlens_core.grading.plain_text import plain

    changes = [plain(str(change), 300) for change in book.changes]
    if len(changes) == 1:
        out.print(Text(f"Points changed: {changes[0]}", "yellow"), soft_wrap=True)
    elif changes:
        more = [f"and {len(changes) - _MOST_LINES} more"] if len(changes) > _MOST_LINES else []
        lines = [f"{len(changes)} points changed:", *changes[:_MOST_LINES], *more]
        out.print(Text("\n  ".join(lines), "yellow"), soft_wrap=True)


def tell_outdated(book: Gradebook, most: int = 8) -> None:
    """Last grades that are not those that grading would give now, on standard error."""
    from netlens_core.grading.changes import in_words
    from netlens_core.grading.plain_text import plain

    found = book.outdated()
    if not found:
        return
    gradable = any(one.entry.key for one in found)
    advice = f": run netlens grade {book.course.folder} first" if gradable else ""
    count = "1 grade is" if len(found) == 1 else f"{len(found)} grades are"
    lines = [f"{one.entry.student} {one.entry.slug}: {in_words(one.outdated)}" for one in found[:most]]
    more = [f"and {len(found) - most} more"] if len(found) > most else []
    told = [f"{count} outdated{advice}", *(plain(line, 300) for line in lines), *more]
    err.print(Text("\n  ".join(told), "yellow"), soft_wrap=True)


def told_problems(book: Gradebook) -> bool:
    """Tell what could not be read or graded; whether there was anything."""
    from netlens_core.grading.plain_text import plain

    for problem in book.problems:
        err.print(Text.assemble(("netlens: ", "bold red"), plain(problem, 2000)), soft_wrap=True)
    return bool(book.problems)
