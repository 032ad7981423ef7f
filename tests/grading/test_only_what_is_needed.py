"""Commands compute nothing that they do not need: forging noise takes minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlens_core.grading import course as course_module
from netlens_core.grading import inputs
from netlens_core.grading.answers import written_answers
from netlens_core.grading.course import Course
from netlens_core.grading.exports.scores import scored_works
from netlens_core.grading.gradebook import Gradebook

PNG = b"\x89PNG stands for a picture"


@pytest.fixture
def course(tmp_path, monkeypatch) -> Course:
    """A course of `noise`, which forges released and hidden noise, and of `gan`; ada handed in `gan`."""
    monkeypatch.setattr(course_module, "fingerprint", lambda name, cache: f"weights of {name}")
    sheet = "title: A course\nseed: 7\nnetworks: {target: a, jury: [b]}\nexercises: [noise, activations]\n"
    (tmp_path / "course.yaml").write_text(sheet)
    work = tmp_path / "submitted" / "ada" / "activations" / "activations.py"
    work.parent.mkdir(parents=True)
    work.write_text("answers = {}\n")
    return Course(tmp_path)


@pytest.fixture
def made(monkeypatch) -> list[tuple[str, str]]:
    """What was drawn or forged, as kind and owner."""
    found: list[tuple[str, str]] = []

    def make(name: str, spec: inputs.InputSpec, *_: object) -> bytes:
        found.append((spec.draw, spec.whose))
        return PNG

    monkeypatch.setattr(inputs, "_made_once", make)
    return found


def test_a_release_makes_released_inputs_only(course, made):
    exercise = course.released_exercise("noise")
    assert exercise.materials == {"what_is_it": PNG}
    assert made == [("noise", "course")]
    course.exercise("noise")
    assert ("noise", "hidden") in made, "the test would not see it"


def test_reading_grades_makes_no_inputs(course, made, tmp_path: Path):
    book = Gradebook(course, "full")
    assert [entry.slug for entry in book.pending()] == ["activations"]
    assert not scored_works(book) and not written_answers(book, blind=True)
    book.write_views()
    assert (tmp_path / "reports" / "index.html").is_file()
    assert made == []


def test_grading_prepares_only_exercises_with_work_to_grade(course, made):
    book = Gradebook(course, "full")
    [entry] = book.pending()
    assert entry.work.prepare(entry.work.exercise).slug == "activations"
    assert made and "noise" not in {draw for draw, _ in made}
