"""What students get: notebooks made from the templates, the pictures that lie beside them, and no secrets."""

from __future__ import annotations

import json
from pathlib import Path

from netlens_core import __version__
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Exercise
from netlens_core.grading.inputs import all_inputs, released_files
from netlens_core.grading.store import write_atomically
from netlens_core.grading.templates import template_notebook


def release(course: Course, students: list[str]) -> list[Path]:
    """Write `release/<slug>/<slug>.ipynb` with its inputs, and `release/release.json` with the fingerprints.

    Beside a notebook lie inputs for practice; for each named student `release/<slug>/<student>/` holds that student's
    own. Returns the files written. Raises CourseError for a template that is missing or not readable.
    """
    folder = course.folder / "release"
    written: list[Path] = []
    for slug in course.sheet.exercises:
        exercise = course.exercise(slug)
        notebook = template_notebook(course.template(slug), course.sheet.language)
        written.append(_write(folder / slug / f"{slug}.ipynb", notebook))
        written.extend(_pictures(course, exercise, "", folder / slug))
        for student in students:
            written.extend(_pictures(course, exercise, student, folder / slug / student))
    facts = {"netlens_version": __version__, "seed": course.sheet.seed, "networks": course.fingerprints}
    written.append(_write(folder / "release.json", json.dumps(facts, indent=1).encode() + b"\n"))
    return written


def _pictures(course: Course, exercise: Exercise, student: str, folder: Path) -> list[Path]:
    inputs = all_inputs(exercise, course.seed(student, exercise.slug))
    return [_write(folder / name, data) for name, data in released_files(exercise, inputs).items()]


def _write(path: Path, data: bytes) -> Path:
    write_atomically(path, data)
    return path
