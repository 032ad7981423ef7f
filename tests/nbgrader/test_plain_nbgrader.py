"""Plain nbgrader with netlens's settings: no submission stops another one, or loses points for what is no mistake.

The exercise needs no networks, so that a notebook runs in a moment.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from netlens_core.grading.course import Course
from netlens_core.grading.nbgrader.database import Database
from netlens_core.grading.nbgrader.steps import UNSANDBOXED, seconds_for_a_cell
from netlens_core.grading.release import release
from tests.nbgrader import sky
from tests.nbgrader.noise_class import named, nbgrader

RIGHT = "def paint(image):\n    return 1"
NOISY = """
import os, sys, warnings

def paint(image):
    warnings.warn("slow")
    print("progress", file=sys.stderr)
    os.write(2, b"a library in C warns")
    return 1
"""
Scores = dict[str, tuple[float | None, float | None]]


def notebooks(folder: Path) -> dict[str, nbformat.NotebookNode]:
    """Student -> what is handed in."""

    def handed_out(source: str = RIGHT) -> nbformat.NotebookNode:
        made = nbformat.read(folder / "release" / "sky" / "sky.ipynb", as_version=4)
        named(made, "paint").source = source
        named(made, "test_why").source = "answers = {'why': 'Rayleigh'}"
        return made

    doubled, deleted, renamed, old, easier = (handed_out() for _ in range(5))
    doubled.cells.insert(2, nbformat.from_dict({**named(doubled, "paint"), "id": "again"}))
    deleted.cells.remove(named(deleted, "test_it"))
    for cell in renamed.cells:
        cell.metadata.pop("nbgrader", None)
    named(old, "test_it").metadata.nbgrader.schema_version = 1
    named(easier, "test_it").source = "pass"
    named(easier, "paint").source = "def paint(image):\n    return 2"
    bare = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(RIGHT)])
    found = {"noisy": handed_out(NOISY), "dies": handed_out("def paint(image):\n    __import__('os')._exit(0)")}
    found |= {"doubled": doubled, "deleted": deleted, "renamed": renamed, "old": old, "easier": easier, "bare": bare}
    return found | {"untouched": nbformat.read(folder / "release" / "sky" / "sky.ipynb", as_version=4)}


@pytest.fixture(scope="module")
def autograded(tmp_path_factory) -> tuple[Path, str]:
    """A class that `nbgrader autograde` went through, and what it said."""
    course = Course(sky.build(tmp_path_factory.mktemp("plain")))
    course.__dict__["fingerprints"] = {"a": "weights of a", "b": "weights of b"}
    release(course, [])
    for student, made in notebooks(course.folder).items():
        place = course.folder / "submitted" / student / "sky"
        place.mkdir(parents=True)
        nbformat.write(made, place / "sky.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_CURRENT_TEST")  # where it is set, ipykernel does not show what libraries in C write
        return course.folder, nbgrader(course.folder, "autograde", "sky")


def scores(book: Gradebook) -> Scores:
    found = {}
    for work in book.assignment_submissions("sky"):
        grades = {grade.name: grade.auto_score for grade in work.notebooks[0].grades}
        found[work.student.id] = grades["test_it"], grades["test_why"]
    return found


@pytest.mark.slow
def test_points_are_lost_for_mistakes_only(autograded):
    folder, _ = autograded
    with Database(Course(folder)).opened() as book:
        found = scores(book)
        waiting = {work.student.id for work in book.assignment_submissions("sky") if work.needs_manual_grade}
    right, wrong = (3.0, None), (0.0, None)
    assert found == {
        **dict.fromkeys(("noisy", "doubled", "deleted", "renamed", "old", "bare"), right),
        **dict.fromkeys(("dies", "easier"), wrong),
        "untouched": (0.0, 0.0),
    }
    assert waiting == found.keys() - {"untouched"}


@pytest.mark.slow
def test_the_log_says_what_was_repaired_and_that_nothing_was_locked_in(autograded):
    _, said = autograded
    assert said.count(UNSANDBOXED) == 9
    assert "doubled: The cell “paint” is there 2 times" in said
    assert "dies: the code ended its own Python" in said


@pytest.mark.slow
def test_what_code_says_at_stderr_is_still_shown(autograded):
    folder, _ = autograded
    made = nbformat.read(folder / "autograded" / "noisy" / "sky" / "sky.ipynb", as_version=4)
    outputs = named(made, "test_it").outputs
    assert {output.name for output in outputs} == {"stdout"}
    shown = "".join(output.text for output in outputs)
    assert "UserWarning: slow" in shown and "progress" in shown and "a library in C warns" in shown


@pytest.mark.slow
def test_validate_passes_a_notebook_that_warns(autograded):
    folder, _ = autograded
    said = nbgrader(folder, "validate", "submitted/noisy/sky/sky.ipynb")
    assert "Success! Your notebook passes all the tests." in said and UNSANDBOXED in said


def test_cells_have_the_time_that_the_exercise_allows(tmp_path):
    sheet = sky.build(tmp_path / "course") / "assignments" / "sky" / "exercise.yaml"
    sheet.write_text(sheet.read_text() + "limits: {total_seconds: 500}\n")
    root = str(tmp_path / "course")
    assert seconds_for_a_cell(root, slug="sky") == seconds_for_a_cell(root) == 560
    assert seconds_for_a_cell(root, slug="other") == 300 == seconds_for_a_cell(str(tmp_path / "nowhere"))
