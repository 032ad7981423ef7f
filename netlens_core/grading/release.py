"""What students get: notebooks made from the templates, the pictures that lie beside them, and no secrets."""

from __future__ import annotations

import json
from pathlib import Path

import jupytext
import nbformat

from netlens_core import __version__
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError, Exercise
from netlens_core.grading.inputs import all_images, released_files
from netlens_core.grading.store import write_atomically


def release(course: Course, students: list[str]) -> list[Path]:
    """Write `release/<slug>/<slug>.ipynb` with its inputs, and `release/release.json` with the fingerprints.

    Beside a notebook lie inputs for practice; for each named student `release/<slug>/<student>/` holds that student's
    own. Returns the files written. Raises CourseError for a template that is missing or not readable.
    """
    folder = course.folder / "release"
    written: list[Path] = []
    for slug in course.sheet.exercises:
        exercise = course.exercise(slug)
        notebook = notebook_from_template(course.template(slug))
        written.append(_write(folder / slug / f"{slug}.ipynb", notebook))
        written.extend(_pictures(course, exercise, "", folder / slug))
        for student in students:
            written.extend(_pictures(course, exercise, student, folder / slug / student))
    facts = {"netlens_version": __version__, "seed": course.sheet.seed, "networks": course.fingerprints}
    written.append(_write(folder / "release.json", json.dumps(facts, indent=1).encode() + b"\n"))
    return written


def _pictures(course: Course, exercise: Exercise, student: str, folder: Path) -> list[Path]:
    images = all_images(exercise, course.seed(student, exercise.slug))
    return [_write(folder / name, data) for name, data in released_files(exercise, images).items()]


def notebook_from_template(path: Path) -> bytes:
    """A percent-format template as notebook bytes, with cell names that do not change from one release to the next."""
    try:
        notebook = jupytext.reads(path.read_text(), fmt="py:percent")
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell-{number:03d}"
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return nbformat.writes(notebook).encode()


def _write(path: Path, data: bytes) -> Path:
    write_atomically(path, data)
    return path
