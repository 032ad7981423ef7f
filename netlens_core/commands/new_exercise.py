"""`netlens new-exercise`: a start for an exercise that verifies at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from netlens_core.commands.shared import err, out


def new_exercise(
    slug: Annotated[str, typer.Argument(help="Its name: one word, such as saliency.")],
    course: Annotated[Path, typer.Option("--course", help="The course; default: this folder.")] = Path(),
    title: Annotated[str, typer.Option("--title", help="What students read; default: the name.")] = "",
) -> None:
    """All parts of a new exercise, in the rooms where they belong: it verifies at once and is yours to change.

    Example: netlens new-exercise saliency
    """
    from netlens_core.grading.course import Course, shipped_course
    from netlens_core.grading.new_exercise import new_exercise as write

    opened = Course(course)
    for path in write(opened, slug, title):
        out.print(Text(str(path)), soft_wrap=True)
    shipped = course.resolve() == shipped_course().resolve()
    err.print(Text(f"Next: netlens verify {slug}{'' if shipped else f' --course {course}'}"), soft_wrap=True)
