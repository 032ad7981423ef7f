"""`netlens check`: a student's own check, before handing in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from netlens_core.commands.shared import DONE, FAILED, AsJson, Language, out, print_json
from netlens_core.languages import speaking, translate
from netlens_core.progress import activity

if TYPE_CHECKING:
    from netlens_core.grading.self_check import SelfCheck


def check(
    notebook: Annotated[Path, typer.Argument(help="Your notebook or Python file, its pictures beside it.")],
    exercise: Annotated[str | None, typer.Option("--exercise", help="The exercise; default: the file's name.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder for pictures and the notebook as it ran.")
    ] = None,
    course: Annotated[Path | None, typer.Option("--course", help="A course of your own.")] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    """Check your own notebook before you hand it in: the public checks, with pictures. Works on every system.

    The notebook runs from top to bottom, with the checks as they were handed out, under grading's own limits: in the
    same sandbox where your system allows it (Linux); elsewhere it tells which limits could not be applied. Grading
    looks at more images, and at answers. Exit status 1 where a check fails.

    Examples: netlens check noise.ipynb · netlens check mine.ipynb --exercise noise · netlens check noise.py --json
    """
    from netlens_core.grading.public_course import PublicCourse
    from netlens_core.grading.self_check import self_check

    opened = PublicCourse(course) if course else PublicCourse.shipped()
    with activity(notebook.name):
        found = self_check(opened, notebook, exercise, language)
    folder = output or notebook.with_name(f"{notebook.stem}-check")
    pictures = _written(found, folder)
    if as_json:
        print_json(_as_json(found, pictures))
    else:
        with speaking(found.language):
            _print(found, folder)
    raise typer.Exit(DONE if found.passed else FAILED)


def _written(found: SelfCheck, folder: Path) -> dict[str, list[str]]:
    """Write what the checks showed; check -> paths of its pictures."""
    from netlens_core.grading.files import write_atomically

    paths: dict[str, list[str]] = {}
    for check in found.checks:
        for number, picture in enumerate(check.pictures, 1):
            path = folder / f"{check.name.removeprefix('test_')}-{number}.png"
            write_atomically(path, picture)
            paths.setdefault(check.name, []).append(str(path))
    write_atomically(folder / f"{found.exercise}.ipynb", found.notebook)
    return paths


def _as_json(found: SelfCheck, pictures: dict[str, list[str]]) -> dict[str, object]:
    return {
        "exercise": found.exercise,
        "language": found.language,
        "passed": found.passed,
        "points": found.points,
        "max_points": found.max_points,
        "message": found.message,
        "notes": list(found.notes),
        "sandbox": found.level,
        "limits_not_applied": found.not_applied,
        "errors": [{"cell": number, "error": error} for number, error in found.errors],
        "checks": [
            {
                "name": check.name,
                "title": check.title,
                "passed": check.passed,
                "points": check.points,
                "max_points": check.max_points,
                "message": check.message,
                "printed": check.printed,
                "pictures": pictures.get(check.name, []),
            }
            for check in found.checks
        ],
    }


def _print(found: SelfCheck, folder: Path) -> None:
    title = translate("{exercise}: your own check", exercise=found.title)
    table = Table(title=Text(title), title_justify="left", title_style="bold")
    table.add_column(translate("Check"), overflow="fold", ratio=2)
    table.add_column(translate("How it went"), overflow="fold", ratio=3)
    for check in found.checks:
        symbol = Text("✓ ", "green") if check.passed else Text("✗ ", "red")
        table.add_row(Text(check.title or check.name), symbol + Text(check.message or translate("as it should be")))
    out.print(table)
    for note in found.notes:
        out.print(Text(note), style="yellow")
    for number, error in found.errors:
        out.print(Text(translate("Cell {number}: {error}", number=number, error=error)), style="red")
    if found.message:
        out.print(Text(found.message), style="red")
    if found.not_applied:
        out.print(Text(found.not_applied), style="yellow")
    out.print(Text(translate("Pictures and the notebook as it ran: {folder}", folder=folder)), soft_wrap=True)
    out.print(translate("These checks are public; grading looks at more images, and at answers."), style="dim")
