"""A small class whose grades are made up: no sandbox, no networks; what it has in nbgrader is all that is looked at."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import nbformat

from netlens_core.grading.course import Course
from netlens_core.grading.grade import Check, FigureNote, Grade, Measurement
from netlens_core.grading.gradebook import Gradebook
from netlens_core.grading.nbgrader.config import database_url
from netlens_core.grading.unrun import facts, lost, refused

SHEET = """
title: A question
functions: {paint: {arguments: {image: image}, returns: image}}
answers: {why: {question: "Why?"}}
"""
GRADER = '''
from netlens_core.grading.marking import check

@check(points=3)
def test_it(submission):
    """It works."""
    secret_of_the_grader = "hidden from students"

@check(points=2, manual=True)
def test_why(submission):
    """Your answer: why?"""
'''
_META = '"schema_version": 3, "task": false'
TEMPLATE = f"""
# %% [markdown]
# # The sky
# <b>Handed out</b>

# %% nbgrader={{"grade": false, "grade_id": "paint", "locked": false, "solution": true, {_META}}}
def paint(image):
    raise NotImplementedError

# %% nbgrader={{"grade": true, "grade_id": "test_it", "locked": true, "points": 3, "solution": false, {_META}}}
assert paint(1) == 1, "as handed out"

# %% nbgrader={{"grade": true, "grade_id": "test_why", "locked": false, "points": 2, "solution": true, {_META}}}
answers = {{"why": ""}}
"""
HOSTILE = "<script>alert(1)</script> **bold** [x](javascript:alert(2)) $\\href{javascript:alert(3)}{x}$ `code`\x1b[2J"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def build(folder: Path, settings: str = "") -> Path:
    """The course, with nothing handed in."""
    texts = {
        "course.yaml": "title: A course\nseed: 7\nnetworks: {target: a, jury: [b]}\nexercises: [sky]\n",
        ".netlens/secret": "4711",
        "graders/conftest.py": "",
        "graders/test_sky.py": GRADER,
        "assignments/sky/exercise.yaml": SHEET,
        "assignments/sky/template.py": TEMPLATE,
    }
    if settings:
        texts["nbgrader_config.py"] = f"c = get_config()\n{settings}\n"
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def opened(folder: Path) -> Gradebook:
    """The class's grades; weights of networks are not looked for."""
    course = Course(folder)
    course.__dict__["fingerprints"] = {"a": "weights of a", "b": "weights of b"}
    return Gradebook(course, "full")


def hand_in(folder: Path, student: str, answer: str = "", points: float = 3, *, ends: str = "graded") -> None:
    """Hand in, and put a made-up grade into the store, as grading would."""
    place = folder / "submitted" / student / "sky"
    place.mkdir(parents=True, exist_ok=True)
    (place / "sky.py").write_text(repr((answer, points, ends)))
    book = opened(folder)
    [entry] = [entry for entry in book.entries if entry.student == student]
    work = entry.work
    about = (work.sha256, work.exercise, work.networks, work.seed, "full")
    if ends == "graded":
        book.course.store.write(entry.key, made_up(facts(*about), answer, points))
    else:
        book.course.store.write(entry.key, {"refused": refused, "lost": lost}[ends](HOSTILE, *about))


def made_up(about: dict[str, Any], answer: str, points: float) -> Grade:
    """A grade with a measurement, a picture and a hostile message."""
    status = "passed" if points == 3 else "partial" if points else "failed"
    measurement = Measurement(name="likeness", value=points / 3, at_least=1.0, passed=points == 3, credit=points / 3)
    checks = [
        Check(
            name="test_it",
            description="It works.",
            points=points,
            max_points=3,
            status=status,
            message="" if points == 3 else HOSTILE,
            measurements=[measurement],
            figures=["a.png"],
        ),
        Check(
            name="test_why",
            description="Why?",
            points=0,
            max_points=2,
            answer=answer,
            status="needs_manual_grade" if answer else "failed",
            message="A person reads it." if answer else "There is no answer.",
        ),
    ]
    return Grade(
        **about,
        points=points,
        status="graded",
        checks=checks,
        figure_notes={"a.png": FigureNote(caption="a picture <b>")},
        pictures={"a.png": PNG},
        notebook=executed(answer),
    )


def executed(answer: str) -> bytes:
    """A student's notebook as the store has it: the check cell was edited, everything shown is hostile."""
    shown = [
        {"output_type": "stream", "name": "stdout", "text": HOSTILE},
        {
            "output_type": "execute_result",
            "execution_count": 1,
            "metadata": {"image/png": {"width": "1 onload=alert(4)"}},
            "data": {"text/html": "<script>alert(5)</script>", "text/plain": "shown", "application/javascript": "x"},
        },
    ]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# The sky\n<b>Handed out</b>", "id": "a"},
        {"cell_type": "markdown", "metadata": {}, "source": HOSTILE, "id": "b"},
        _code("def paint(image): return image", "paint", shown),
        _code("assert True  # edited", "test_it", []),
        _code("print('mine')", "<script>alert(6)</script>", shown),
        _code(f"answers = {{'why': {answer!r}}}", "test_why", []),
    ]
    return nbformat.writes(
        nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    ).encode()


def _code(source: str, name: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = {"nbgrader": {"grade_id": name}}
    node = {"cell_type": "code", "source": source, "metadata": metadata, "outputs": outputs, "execution_count": 1}
    return {**node, "id": hashlib.sha256(source.encode()).hexdigest()[:8]}


def write(folder: Path) -> list[str]:
    """As `netlens grade` with nothing left to grade; what went wrong with nbgrader's gradebook."""
    book = opened(folder)
    book.write_views()
    return book.nbgrader.troubles


def tables(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in nbgrader's database."""
    from sqlalchemy import MetaData, create_engine, select

    engine = create_engine(database_url(Course(folder)))
    known = MetaData()
    known.reflect(engine)
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr) for table in known.sorted_tables
        }
    engine.dispose()
    return found
