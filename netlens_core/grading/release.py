"""What students get: notebooks made from the templates, the pictures that lie beside them, and no secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netlens_core import __version__
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Exercise
from netlens_core.grading.inputs import all_inputs, released_files
from netlens_core.grading.sheets import own_specs
from netlens_core.grading.store import write_atomically
from netlens_core.grading.students import distinct
from netlens_core.grading.templates import about_network, template_notebook
from netlens_core.own_inputs import FACTS, own_images, student_id

STUDENTS = "students"  # below an exercise: a folder for each student


def release(course: Course, students: list[str]) -> list[Path]:
    """Write `release/<slug>/<slug>.ipynb` with its inputs, and `release/release.json` with the fingerprints.

    Beside a notebook lie pictures for practice, and what `netlens inputs` makes anybody's own pictures from; for each
    named student `release/<slug>/students/<student>/` holds them. Returns the files written. Raises InputsError for an
    ID that cannot be one, CourseError for a template that is missing or not readable, before anything is written.
    """
    named = distinct(map(student_id, students))
    language, target = course.sheet.language, course.sheet.networks.target
    notebooks = {
        slug: about_network(template_notebook(course.template(slug), language), target)
        for slug in course.sheet.exercises
    }
    folder = course.folder / "release"
    written = []
    for slug, notebook in notebooks.items():
        for name, data in _files(course, course.exercise(slug), named):
            written.append(_write(folder / slug / name, data))
        written.append(_write(folder / slug / f"{slug}.ipynb", notebook))
    facts = {"netlens_version": __version__, "seed": course.sheet.seed, "networks": course.fingerprints}
    written.append(_write(folder / "release.json", _json(facts)))
    return written


def _files(course: Course, exercise: Exercise, students: list[str]) -> Iterator[tuple[str, bytes]]:
    """What lies beside a notebook and below it: name -> content."""
    from netlens_core.images import encode_png

    yield from released_files(exercise, all_inputs(exercise, course.seed("", exercise.slug))).items()
    own = own_specs(exercise.sheet)
    if own:
        yield FACTS, _json({"exercise": exercise.slug, "course_seed": course.sheet.seed, "inputs": own})
    for student in students:
        for name, image in own_images(exercise.slug, student, course.sheet.seed, own).items():
            yield f"{STUDENTS}/{student}/{name}", encode_png(image)


def _write(path: Path, data: bytes) -> Path:
    write_atomically(path, data)
    return path


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"
