"""What commands that run submissions have in common: sandbox level, workers, the course."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from netlens_core.commands.shared import err

if TYPE_CHECKING:
    from netlens_core.grading.course import Course
    from netlens_core.grading.gradebook import Gradebook


class Level(StrEnum):
    """How strongly submissions are locked in."""

    full = "full"
    reduced = "reduced"


Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=256, help="Processes, each about 1.5 GB of memory; default: every core."),
]
LeastLevel = Annotated[
    Level,
    typer.Option("--sandbox", help="The least sandbox to accept; `netlens doctor` tells what works here."),
]
_MOST_TOLD = 20  # lines

NoSandbox = Annotated[
    bool, typer.Option("--no-sandbox", help="Run the code without any sandbox: only for code that you trust.")
]
OnlyExercises = Annotated[
    list[str] | None, typer.Option("--exercise", help="Only this exercise; several: --exercise noise --exercise cam.")
]
OnlyStudents = Annotated[
    list[str] | None, typer.Option("--student", help="Only this student; several: --student ada --student ben.")
]


def told_damage(book: Gradebook, advice: str) -> bool:
    """Tell which grades have damaged files in the store; whether there were any."""
    from netlens_core.grading.plain_text import one_line

    damaged = book.damaged()
    for damage in damaged[:_MOST_TOLD]:
        err.print(
            Text.assemble(("damaged in .netlens: ", "bold yellow"), one_line(f"{damage}; {advice}")), soft_wrap=True
        )
    if len(damaged) > _MOST_TOLD:
        err.print(f"… and {len(damaged) - _MOST_TOLD} more", style="yellow")
    return bool(damaged)


def told_troubles(book: Gradebook) -> bool:
    """Tell what of the store is damaged, and what of nbgrader's gradebook could not be read or written; whether there
    was anything."""
    from netlens_core.grading.plain_text import plain

    damaged = told_damage(book, f"netlens grade {book.course.folder} grades it again")
    for trouble in book.nbgrader.troubles:
        said = (
            f"{trouble}. All grades are kept in netlens's own store; the same command writes them once that is mended"
        )
        err.print(Text.assemble(("nbgrader's gradebook: ", "bold yellow"), plain(said)), soft_wrap=True)
    return damaged or bool(book.nbgrader.troubles)


def told_misplaced(course: Course, students: list[str] | None = None) -> bool:
    """Tell what lies in submitted/ where no exercise takes it; whether there was anything."""
    from netlens_core.grading.course_folder import misplaced_work

    found = misplaced_work(course.folder, course.sheet.exercises, students or None)
    for told in found:
        err.print(Text.assemble(("Not graded: ", "bold yellow"), told), soft_wrap=True)
    return bool(found)


def cores() -> int:
    """How many workers to use where nobody says."""
    from netlens_core.grading.pool import usable_cores

    return usable_cores()


def usable_level(least: Level, no_sandbox: bool = False) -> str:
    """The sandbox level to grade with. Raises CourseError where less works here than is wished."""
    from netlens_core.grading.exercise import CourseError
    from netlens_core.grading.sandbox.box import Sandbox
    from netlens_core.grading.scratch import check_temporary_folder

    check_temporary_folder()
    if no_sandbox:
        err.print("No sandbox: submissions can read and change whatever you can.", style="bold yellow")
        return "none"
    best, reason = Sandbox.best_level()
    if best == "full" or best == least.value:
        return least.value
    allowed = " Or accept less with --sandbox reduced." if best == "reduced" else ""
    raise CourseError(f"the {least.value} sandbox does not work here: {reason}.{allowed}".replace("..", "."))


def course_at(folder: Path | None) -> Course:
    """The course in a folder, or the one that comes with netlens."""
    from netlens_core.grading.course import Course

    return Course(folder) if folder else Course.shipped()
