"""A course with one question, and everything that is done with its answers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from netlens_core.grading.answers import MarkSheet, answers_table, written_answers
from netlens_core.grading.course import Course
from netlens_core.grading.grade import Check, FigureNote, Grade
from netlens_core.grading.gradebook import Gradebook
from netlens_core.grading.unrun import facts
from netlens_core.images import encode_png

SHEET = """
title: A question
functions: {f: {arguments: {image: image}, returns: image}}
answers:
  why:
    question: Why is the sky <b>blue</b>?
    rubric:
      - {points: 1.5, text: Scattering}
      - {points: 0.5, text: "of <short> waves"}
"""
GRADER = '''
from netlens_core.grading.marking import check

@check(points=3)
def test_it(submission):
    """It works."""

@check(points=2, manual=True)
def test_why(submission):
    """Your answer: why?"""
'''
HOSTILE = '=HYPERLINK("http://x")\n<script>alert(1)</script><img src=x onerror=y>\\x1b[2J\u202e,;\t\'{{7*7}}'
ANSWERS = {
    "ada": "Rayleigh, who scatters.",
    "Žofie": "Protože, “modrá”;\ntak.",
    "=1+1": HOSTILE,
    "<b>eve": "-2+3",
    "zed": "   indented, 'quoted'",
}


def picture(shade: float) -> bytes:
    import torch

    return encode_png(torch.full((3, 8, 8), shade))


def hand_in(folder: Path, student: str, answer: str) -> None:
    """Hand in an answer and grade it, as `netlens grade` would."""
    place = folder / "submitted" / student / "sky"
    place.mkdir(parents=True, exist_ok=True)
    (place / "sky.py").write_text(repr(answer))
    book = opened(folder)
    [entry] = [entry for entry in book.entries if entry.student == student]
    status, message = ("needs_manual_grade", "A person reads and marks this answer.") if answer else ("failed", "empty")
    figures = {"common.png": picture(0.5), f"{len(student)}{student[0] == 'a'}.png": picture(0.1 * len(student))}
    checks = [
        Check(name="test_it", description="It.", points=3, max_points=3, status="passed", figures=list(figures)),
        Check(
            name="test_why", description="Why?", points=0, max_points=2, status=status, message=message, answer=answer
        ),
    ]
    work = entry.work
    grade = Grade(
        **facts(work.sha256, work.exercise, work.networks, work.seed, "full"),
        points=3,
        status="graded",
        checks=checks,
        figure_notes={name: FigureNote(caption=f"caption of {name}") for name in figures},
        pictures=figures,
    )
    book.course.store.write(entry.key, grade)


def opened(folder: Path) -> Gradebook:
    return Gradebook(Course(folder), "full")


def sheet(folder: Path, blind: bool = False) -> list[dict[str, str]]:
    data = answers_table(written_answers(opened(folder), blind))
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def filled_in(path: Path, rows: list[dict[str, str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def keep(folder: Path, path: Path) -> None:
    book = opened(folder)
    for mark in MarkSheet(book).read(path):
        book.course.marks.write(mark)


def marked(folder: Path) -> dict[str, Check]:
    return {entry.student: grade.checks[1] for entry, grade in opened(folder).graded()}


def give(folder: Path, student: str, points: str, comment: str = "") -> None:
    book = opened(folder)
    book.course.marks.write(MarkSheet(book).mark(student, "sky", "", points, comment))
