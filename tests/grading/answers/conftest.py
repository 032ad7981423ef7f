"""A class that answered one question."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlens_core.grading import course as course_module
from tests.grading.answers.sky_course import (
    ANSWERS,
    GRADER,
    SHEET,
    hand_in,
)


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A course with one question, everybody graded: no sandbox, no networks."""
    monkeypatch.setattr(course_module, "fingerprint", lambda name, cache: f"weights of {name}")
    folder = tmp_path / "course"
    texts = {
        "course.yaml": "title: A course\nseed: 7\nnetworks: {target: a, jury: [b]}\nexercises: [sky]\n",
        ".netlens/secret": "4711",
        "graders/conftest.py": "",
        "graders/test_sky.py": GRADER,
        "assignments/sky/exercise.yaml": SHEET,
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for student, answer in ANSWERS.items():
        hand_in(folder, student, answer)
    return folder
