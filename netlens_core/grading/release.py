"""What students get: notebooks made from the templates, the pictures that lie beside them, and no secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlens_core import __version__
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Exercise
from netlens_core.grading.inputs import released_files, student_inputs
from netlens_core.grading.nbgrader.config import write_config
from netlens_core.grading.nbgrader.source import source_notebook
from netlens_core.grading.sheets import own_specs
from netlens_core.grading.store import write_atomically
from netlens_core.grading.students import distinct
from netlens_core.own_inputs import FACTS, own_images, student_id
from netlens_core.progress import activity, detail

if TYPE_CHECKING:
    from netlens_core.grading.nbgrader.generating import Generator

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
    with activity("reading templates"):
        notebooks = {slug: source_notebook(course, slug) for slug in course.sheet.exercises}
    write_config(course)
    with activity("opening nbgrader's gradebook"):
        generator = Generator(course)
        generator.record(notebooks)
    written: list[Path] = []
    for slug, notebook in notebooks.items():
        written += _released(course, slug, notebook, named, generator)
    with activity("reading networks"):
        networks = course.fingerprints
    facts = {"netlens_version": __version__, "seed": course.sheet.seed, "networks": networks}
    path = course.folder / "release" / "release.json"
    write_atomically(path, _json(facts))
    return [*written, path]


def _released(course: Course, slug: str, notebook: bytes, students: list[str], generator: Generator) -> Iterator[Path]:
    """Release one exercise; the paths of its files."""
    exercise = course.released_exercise(slug)
    source, released = generator.folder("source", slug), generator.folder("release", slug)
    files = {**dict(_beside(course, exercise)), f"{slug}.ipynb": notebook}
    for name, data in files.items():
        write_atomically(source / name, data)
    with activity(f"{slug}: nbgrader generates the notebook"):
        generator.generate(slug)
    yield from (released / name for name in files)
    with activity(f"{slug}: students' own pictures"):
        for number, student in enumerate(students, 1):
            detail(f"student {number} of {len(students)}")
            for name, data in _own(course, exercise, student):
                write_atomically(released / STUDENTS / student / name, data)
                yield released / STUDENTS / student / name


def _beside(course: Course, exercise: Exercise) -> Iterator[tuple[str, bytes]]:
    """What lies beside the notebook: name -> content."""
    yield from released_files(exercise, student_inputs(exercise, course.seed("", exercise.slug))).items()
    if own := own_specs(exercise.sheet):
        yield FACTS, _json({"exercise": exercise.slug, "course_seed": course.sheet.seed, "inputs": own})


def _own(course: Course, exercise: Exercise, student: str) -> Iterator[tuple[str, bytes]]:
    """A student's own pictures: name -> content."""
    from netlens_core.images import encode_png

    for name, image in own_images(exercise.slug, student, course.sheet.seed, own_specs(exercise.sheet)).items():
        yield name, encode_png(image)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"
