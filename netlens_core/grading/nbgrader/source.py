"""nbgrader's source of an exercise: the template's notebook, every check of the grader a grade cell with its points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CheckSpec
from netlens_core.grading.files import write_atomically
from netlens_core.grading.sheets import CourseError
from netlens_core.grading.templates import about_network, template_notebook


def source_notebook(course: Course, slug: str) -> bytes:
    """The notebook of `source/<slug>/`, in the course's language and about its target network.

    Equal templates give equal bytes. Raises CourseError where the template cannot be read, or where its check cells and
    the grader's checks differ in name, points or who gives them.
    """
    path = course.template(slug)
    data = about_network(template_notebook(path, course.sheet.language), course.sheet.networks.target)
    notebook = nbformat.reads(data.decode(), as_version=4)
    problems = [*_odd_metadata(notebook)] or [*_differences(notebook, course.plain_exercise(slug).checks)]
    if problems:
        grader = Path("graders", f"test_{slug}.py")
        raise CourseError(f"{path} and {grader} do not agree: {'; '.join(problems)}")
    return data


def write_missing_source(course: Course, slug: str, folder: Path, otherwise: bytes) -> None:
    """Write the exercise's notebook into nbgrader's source folder where it has none: formgrader lists what lies there.

    `otherwise` is what is written where template and grader do not agree.
    """
    if folder.exists():
        return
    try:
        data = source_notebook(course, slug)
    except CourseError:  # `netlens release` tells it; work is graded all the same
        data = otherwise
    write_atomically(folder / f"{slug}.ipynb", data)


def _odd_metadata(notebook: NotebookNode) -> Iterator[str]:
    """What nbgrader does not accept in the cells' metadata."""
    from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError, ValidationError

    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader")
        if about is None:
            continue
        name = repr(about.get("grade_id") or cell.source[:40])
        try:
            MetadataValidator().validate_cell(cell)
        except (SchemaTooOldError, SchemaTooNewError):
            yield f'cell {name} needs nbgrader\'s "schema_version": 3'
        except ValidationError as error:
            yield f"nbgrader does not accept cell {name}: {str(error).splitlines()[0]}"


def _differences(notebook: NotebookNode, checks: tuple[CheckSpec, ...]) -> Iterator[str]:
    """Where the template's cells and the grader's checks do not tell the same."""
    abouts = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    names = [about.grade_id for about in abouts if "grade_id" in about]
    yield from (f"two cells are called {name!r}" for name in sorted(set(names)) if names.count(name) > 1)
    graded = {about.grade_id: about for about in abouts if about.grade}
    for check in checks:
        if check.name not in graded:
            yield f"the check {check.name!r} has no cell; give one nbgrader={_metadata(check)}"
        else:
            yield from _difference(check, graded[check.name])
    for name in graded.keys() - {check.name for check in checks}:
        yield f"cell {name!r} gives points, and the grader has no such check"


def _difference(check: CheckSpec, about: dict[str, Any]) -> Iterator[str]:
    if float(about["points"]) != check.points:
        yield f"cell {check.name!r} gives {about['points']:g} points, its check {check.points:g}"
    if about["solution"] != check.manual or about["locked"] == check.manual:
        gives = "a person" if check.manual else "the grader"
        yield f"{gives} gives the points of {check.name!r}; its cell needs nbgrader={_metadata(check)}"


def _metadata(check: CheckSpec) -> str:
    locked, solution = ("false", "true") if check.manual else ("true", "false")
    return (
        f'{{"grade": true, "grade_id": "{check.name}", "locked": {locked}, "points": {check.points:g}, '
        f'"schema_version": 3, "solution": {solution}, "task": false}}'
    )
