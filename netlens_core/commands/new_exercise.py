"""`netlens new-exercise`: a start for an exercise that verifies at once."""

from __future__ import annotations

import shlex
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
    written = write(opened, slug, title)
    for path in written:
        out.print(Text(str(path)), soft_wrap=True)
    shipped = course.resolve() == shipped_course().resolve()
    test = next((path for path in written if path.parent.name == "exercises" and path.suffix == ".py"), None)
    steps = {
        shlex.join(["netlens", "verify", slug, *([] if shipped else ["--course", str(course)])]): "tests its grader",
        shlex.join(["netlens", "release", str(course)]): "makes what students get",
        **({shlex.join(["pytest", str(test)]): "tests it with other solutions"} if test else {}),
    }
    err.print("It verifies as it is:")
    for command, what in steps.items():
        err.print(Text(f"  {command:<{max(map(len, steps))}}   {what}"), soft_wrap=True)
    first = Path("assignments") / slug / "exercise.yaml"
    err.print(Text(f"Then make it yours, {first} first; docs/maintainers.md walks through one."), soft_wrap=True)
