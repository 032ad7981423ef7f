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
from netlens_core.grading.nbgrader.config import write_config
from netlens_core.grading.nbgrader.source import source_notebook
from netlens_core.grading.sheets import own_specs
from netlens_core.grading.store import write_atomically
from netlens_core.grading.students import distinct
from netlens_core.own_inputs import FACTS, own_images, student_id

STUDENTS = "students"  # below an exercise: a folder for each student


def release(course: Course, students: list[str]) -> list[Path]:
    """Write `source/<slug>/`, let nbgrader make `release/<slug>/` of it, and write `release/release.json`.

    Beside a notebook lie pictures for practice, and what `netlens inputs` makes anybody's own pictures from; for each
    named student `release/<slug>/students/<student>/` holds them. nbgrader's gradebook knows every check afterwards;
    scores and comments in it stay. Returns the files released. Raises InputsError for an ID that cannot be one,
    CourseError for a template that is missing, not readable or not what the grader checks, before anything is written.
    """
    from netlens_core.grading.nbgrader.generating import Generator

    named = distinct(map(student_id, students))
    notebooks = {slug: source_notebook(course, slug) for slug in course.sheet.exercises}
    write_config(course)
    generator = Generator(course)
    generator.record(notebooks)
    written = []
    for slug, notebook in notebooks.items():
        exercise = course.exercise(slug)
        source, released = generator.folder("source", slug), generator.folder("release", slug)
        files = {**dict(_beside(course, exercise)), f"{slug}.ipynb": notebook}
        for name, data in files.items():
            write_atomically(source / name, data)
        generator.generate(slug)
        written += [released / name for name in files]
        for name, data in _own(course, exercise, named):
            write_atomically(released / STUDENTS / name, data)
            written.append(released / STUDENTS / name)
    facts = {"netlens_version": __version__, "seed": course.sheet.seed, "networks": course.fingerprints}
    path = course.folder / "release" / "release.json"
    write_atomically(path, _json(facts))
    return [*written, path]


def _beside(course: Course, exercise: Exercise) -> Iterator[tuple[str, bytes]]:
    """What lies beside the notebook: name -> content."""
    yield from released_files(exercise, all_inputs(exercise, course.seed("", exercise.slug))).items()
    if own := own_specs(exercise.sheet):
        yield FACTS, _json({"exercise": exercise.slug, "course_seed": course.sheet.seed, "inputs": own})


def _own(course: Course, exercise: Exercise, students: list[str]) -> Iterator[tuple[str, bytes]]:
    """Each student's own pictures: `<student>/<name>` -> content."""
    from netlens_core.images import encode_png

    own = own_specs(exercise.sheet)
    for student in students:
        for name, image in own_images(exercise.slug, student, course.sheet.seed, own).items():
            yield f"{student}/{name}", encode_png(image)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"
