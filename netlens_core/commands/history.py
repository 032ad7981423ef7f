"""`netlens history`: every grade that a student's work has had, and why it was graded then."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from netlens_core.commands.grading import OnlyExercises, OnlyStudents
from netlens_core.commands.shared import AsJson, out, print_json

if TYPE_CHECKING:
    from netlens_core.grading.history import Graded


def history(
    course: Annotated[Path, typer.Argument(metavar="COURSE", help="The folder that holds course.yaml.")],
    exercise: OnlyExercises = None,
    student: OnlyStudents = None,
    as_json: AsJson = False,
) -> None:
    """Every grade that students' work has had: when, how many points, why it was graded, and which checks changed.

    Marks that people gave are not among them. COURSE/.netlens/history has the same, a line of JSON a grade.

    Example: netlens history my-course --student ada --exercise dream
    """
    from netlens_core.grading.course import Course
    from netlens_core.grading.gradebook import Gradebook
    from netlens_core.grading.plain_text import one_line, plain

    book = Gradebook(Course(course), "full", exercise, student, writes=False)
    if as_json:
        print_json(
            [
                {"student": entry.student, "exercise": entry.slug, "grades": [asdict(one) for one in entry.history]}
                for entry in book.entries
            ]
        )
        return
    for entry in book.entries:
        out.print(Text(one_line(f"{entry.student} {entry.slug}", 200), "bold"), soft_wrap=True)
        before = None
        for one in entry.history:
            out.print(Text(f"  {plain(_line(one, before), 600)}"), soft_wrap=True)
            before = one
        if not entry.history:
            out.print(Text("  not graded yet", "dim"))


def _line(one: Graded, before: Graded | None) -> str:
    ended = "" if one.status == "graded" else f", {one.status.replace('_', ' ')}"
    error = ", internal error" if one.internal_error else ""
    why = f" ({'; '.join(one.why)})" if one.why else ""
    return f"{one.when}  {one.points:g}/{one.max_points:g}{ended}{error}{why}{_changed_checks(one, before)}"


def _changed_checks(one: Graded, before: Graded | None) -> str:
    then = before.checks if before else {}
    changed = [
        f"{name} {then[name]:g} -> {points:g}"
        for name, points in one.checks.items()
        if then.get(name, points) != points
    ]
    return f": {', '.join(changed)}" if changed else ""
