"""An exercise's notebook as nbgrader hands it out: cells with names, points and checksums."""

from __future__ import annotations

import hashlib
import itertools
from functools import cached_property
from typing import Any

import nbformat
from nbformat import NotebookNode

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CheckSpec, Exercise
from netlens_core.grading.nbgrader.source import source_notebook
from netlens_core.grading.sheets import CourseError


class HandedOut:
    """What students got for an exercise: its release, or what it would be where none was made.

    Cells of checks that are not in it (the grader changed since, or the exercise has no template) come at its end.
    """

    def __init__(self, course: Course, exercise: Exercise) -> None:
        self.slug = exercise.slug
        self.checks = exercise.checks
        self._course = course

    @cached_property
    def notebook(self) -> NotebookNode:
        """The notebook; raises CourseError where the template cannot be read."""
        found = self._released() or _locked(self._source())
        by_name = {name_of(cell): cell for cell in found.cells}
        for check in self.checks:
            cell = by_name.get(check.name)
            if cell is None:
                found.cells.append(_check_cell(check))
            elif cell.metadata.nbgrader.get("points") != check.points:
                cell.metadata.nbgrader["points"] = check.points
        return _locked(found)

    def _released(self) -> NotebookNode | None:
        path = self._course.folder / "release" / self.slug / f"{self.slug}.ipynb"
        try:
            notebook: NotebookNode = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        except (OSError, ValueError, nbformat.validator.NotebookValidationError):
            return None
        return notebook

    def _source(self) -> NotebookNode:
        if not self._course.template(self.slug).is_file():
            return nbformat.v4.new_notebook(metadata={"kernelspec": _KERNEL})
        try:
            notebook: NotebookNode = nbformat.reads(source_notebook(self._course, self.slug).decode(), as_version=4)
        except CourseError:  # `netlens release` refuses what does not agree; work is graded all the same
            return nbformat.v4.new_notebook(metadata={"kernelspec": _KERNEL})
        return notebook

    @cached_property
    def data(self) -> bytes:
        """The notebook as bytes."""
        return str(nbformat.writes(self.notebook)).encode()

    @cached_property
    def tested(self) -> dict[str, list[str]]:
        """Cell with a comment in nbgrader -> the checks that test it: itself, or those up to the next such cell.

        nbgrader has comments at cells that students fill in, not at those that test them.
        """
        cells = [cell for cell in self.notebook.cells if name_of(cell)]
        checks = {check.name for check in self.checks}
        found: dict[str, list[str]] = {}
        for at, cell in enumerate(cells):
            name = name_of(cell)
            if _filled_in(cell):
                after = itertools.takewhile(lambda other: not _filled_in(other), cells[at + 1 :])
                found[name] = [name] if name in checks else [name_of(c) for c in after if name_of(c) in checks]
        return found

    @cached_property
    def commented(self) -> dict[str, str]:
        """Cell with a comment in nbgrader -> the check for which it counts: the first that tests it, else the last."""
        last = next((check.name for check in reversed(self.checks) if not check.manual), self.checks[-1].name)
        return {cell: tests[0] if tests else last for cell, tests in self.tested.items()}


_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def _filled_in(cell: NotebookNode) -> bool:
    return bool(cell.metadata.nbgrader.get("solution"))


def name_of(cell: NotebookNode) -> str:
    """nbgrader's name of a cell; empty where it has none."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id") or "")


def _check_cell(check: CheckSpec) -> NotebookNode:
    about: dict[str, Any] = {
        "grade": True,
        "grade_id": check.name,
        "locked": not check.manual,
        "points": check.points,
        "schema_version": 3,
        "solution": check.manual,
        "task": False,
    }
    text = "\n".join(f"# {line}" for line in check.description.splitlines())
    return nbformat.v4.new_code_cell(
        text, metadata={"nbgrader": about}, id=hashlib.sha256(check.name.encode()).hexdigest()[:8]
    )


def _locked(notebook: NotebookNode) -> NotebookNode:
    """With nbgrader's locks and checksums, as its `generate_assignment` leaves them."""
    from nbgrader.preprocessors import ComputeChecksums, LockCells

    for step in (LockCells(), ComputeChecksums()):
        notebook, _ = step.preprocess(notebook, {})
    return notebook
