"""Submissions that plain nbgrader gives wrong points, stops at or obeys: what netlens makes of each of them.

One class, graded once in the full sandbox; what counts is what then stands in nbgrader's gradebook.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbgrader.api import Gradebook

from netlens_core.grading.course import Course
from netlens_core.grading.release import release
from netlens_core.grading.sandbox.box import Sandbox
from tests.nbgrader.noise_class import (
    MANUAL,
    SLUG,
    grade,
    hand_in,
    named,
    nbgrader,
    noise_course,
    solved,
    with_cell,
    wrong,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(Sandbox.best_level()[0] != "full", reason="the full sandbox does not work here"),
]
SHOWN = "test_what_is_it"  # a check whose cell students see
CHECKS = (SHOWN, "test_number_of_categories", "test_other_images")
FULL = dict(zip(CHECKS, (3.0, 2.0, 3.0), strict=True))
NOTHING = dict.fromkeys(CHECKS, 0.0)
WARNS = """
import sys, warnings
print("[W NNPACK.cpp:64] Could not initialize NNPACK!", file=sys.stderr)
warnings.warn("this is deprecated")
"""
WARNS_INSIDE = "sys.stderr.write('one warning'); warnings.warn('slow')"
TRANSFORMER = """
import ast
class WithoutAssert(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)
try:
    get_ipython().ast_transformers.append(WithoutAssert())
except NameError:
    pass
import builtins, pytest
builtins.AssertionError = type("AssertionError", (Exception,), {})
"""
# Looks where nbgrader's notebooks run, where this course lies, and everywhere else.
FINDS = """
import os, sqlite3
places = {"../../../gradebook.db", "../../gradebook.db", "/gradebook.db", %r}
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if name not in ("proc", "sys", "site-packages", "nvidia", "torch")]
    places |= {os.path.join(folder, name) for name in files if name.endswith(".db")}
done = []
for place in sorted(places):
    try:
        if os.path.exists(place):
            done.append((place, sqlite3.connect(place).execute(%r).fetchall()))
    except Exception as error:
        done.append((place, repr(error)))
print("looked at", len(places), "places and did", done)
"""
UPDATE = "update grade set auto_score = 10, manual_score = 10, needs_manual_grade = 0"
SELECT = "select source from source_cell"


@dataclass(frozen=True)
class Results:
    """What a class came to: the course's folder, student -> netlens's grade, student -> check -> nbgrader's score."""

    folder: Path
    grades: dict[str, dict[str, Any]]
    scores: dict[str, dict[str, float | None]]

    def printed(self, student: str) -> str:
        """What a student's own cells showed, in the notebook that formgrader shows."""
        notebook = nbformat.read(self.folder / "autograded" / student / SLUG / f"{SLUG}.ipynb", as_version=4)
        outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
        return "".join(str(output.get("text", "")) for output in outputs)


def submissions(database: Path) -> dict[str, nbformat.NotebookNode | str]:
    """Student -> what they hand in; in nbgrader, zoe would never be reached."""
    classify = named(solved(), "classify").source
    twice, changed, without, old = (solved() for _ in range(4))
    twice.cells.insert(5, copy.deepcopy(named(twice, "classify")))
    twice.cells.append(copy.deepcopy(named(twice, SHOWN)))
    named(changed, SHOWN).metadata = {}
    without.cells = [cell for cell in without.cells if cell.metadata.get("nbgrader", {}).get("points") != 3]
    for cell in old.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.schema_version = 1
    leaves = "import os\ndef classify(network, image, k=5):\n    os._exit(0)"
    never_ends = "def classify(network, image, k=5):\n    while True:\n        pass"
    return {
        "warns": with_cell(solved(classify=classify.replace("with torch", f"{WARNS_INSIDE}\n    with torch")), WARNS),
        "drops_assert": with_cell(solved(**wrong("percent")), TRANSFORMER),
        "updates": with_cell(solved(**wrong("percent")), FINDS % (str(database), UPDATE)),
        "sees": with_cell(solved(**wrong("percent")), FINDS % (str(database), SELECT)),
        "leaves": solved(classify=leaves),
        "never_ends": solved(classify=never_ends),
        "has_it_twice": twice,
        "cleared_metadata": changed,
        "deleted_checks": without,
        "old_schema": old,
        "zoe": solved(),
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The class, released and graded by netlens."""
    folder = noise_course(tmp_path_factory.mktemp("wrong") / "course")
    sheet = folder / "assignments" / SLUG / "exercise.yaml"
    content = yaml.safe_load(sheet.read_text())
    content["limits"] |= {"call_seconds": 3, "total_seconds": 8}  # for who never ends
    sheet.write_text(yaml.safe_dump(content))
    release(Course(folder), [])
    for student, notebook in submissions(folder / "gradebook.db").items():
        hand_in(folder, student, notebook)
    grade(folder)
    found = {path.parent.name: json.loads(path.read_text()) for path in (folder / "grades").glob(f"*/{SLUG}.json")}
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        scores = {
            work.student.id: {g.name: g.auto_score for g in work.notebooks[0].grades if g.name != MANUAL}
            for work in book.assignment_submissions(SLUG)
        }
    return Results(folder, found, scores)


def test_everybody_is_graded_and_both_sides_tell_the_same(results):
    """No submission stops another one; nbgrader's gradebook holds the points of netlens's grade."""
    assert set(results.grades) == set(results.scores) == set(submissions(results.folder))
    for student, graded in results.grades.items():
        points = {check["name"]: check["points"] for check in graded["checks"] if check["name"] != MANUAL}
        assert results.scores[student] == points, student


def test_correct_code_that_warns_keeps_its_points(results):
    """In nbgrader: 0."""
    assert results.scores["warns"] == FULL
    assert "NNPACK" in results.printed("warns")


def test_a_transformer_that_drops_assert_earns_nothing(results):
    """In nbgrader: everything."""
    assert results.scores["drops_assert"] == {**NOTHING, "test_number_of_categories": 2.0}


def test_an_update_of_the_gradebook_reaches_nothing(results):
    """In nbgrader: twice the points. Neither the student's own nor anybody else's score is another one."""
    assert results.scores["updates"] == {**NOTHING, "test_number_of_categories": 2.0}
    assert "places and did []" in results.printed("updates")
    with Gradebook(f"sqlite:///{results.folder}/gradebook.db") as book:
        assert {g.manual_score for work in book.assignment_submissions(SLUG) for g in work.notebooks[0].grades} == {
            None
        }


def test_the_database_cannot_be_read_and_holds_nothing_hidden(results):
    """In nbgrader: the hidden tests. Here no cell finds a database, and it would hold the released cells only."""
    assert "places and did []" in results.printed("sees")
    released = {cell.source for cell in nbformat.read(results.folder / "release" / SLUG / f"{SLUG}.ipynb", 4).cells}
    with Gradebook(f"sqlite:///{results.folder}/gradebook.db") as book:
        stored = [cell.source for cell in book.find_notebook(SLUG, SLUG).source_cells]
    assert stored and set(stored) <= released


def test_os_exit_costs_the_checks_and_needs_no_person(results):
    """In nbgrader: no score at all, a person must look."""
    assert results.scores["leaves"] == NOTHING
    statuses = {c["name"]: c["status"] for c in results.grades["leaves"]["checks"]}
    assert {statuses[name] for name in CHECKS} <= {"failed", "skipped"}


def test_an_infinite_loop_costs_the_checks_and_is_told(results):
    """As in nbgrader, and in words."""
    assert results.scores["never_ends"] == NOTHING
    assert "used up the 8 s" in " ".join(check.get("message", "") for check in results.grades["never_ends"]["checks"])


def test_a_duplicated_cell_stops_nobody_and_loses_nothing(results):
    """In nbgrader the whole class stops there, and who comes later is not graded."""
    assert results.scores["has_it_twice"] == FULL
    assert results.grades["has_it_twice"]["notes"]
    assert results.scores["zoe"] == FULL


@pytest.mark.parametrize("student", ["cleared_metadata", "deleted_checks"])
def test_a_check_without_its_cell_is_made_all_the_same(results, student):
    """In nbgrader: no score, no error. Here full points, and the student is told what was put back."""
    assert results.scores[student] == FULL
    assert results.grades[student]["notes"]


def test_an_old_schema_stops_nobody(results):
    """In nbgrader the whole class stops there."""
    assert results.scores["old_schema"] == FULL


def test_feedback_holds_nothing_hidden(results):
    """In nbgrader feedback shows hidden tests. Here: nothing of the grader, its pictures or the course's secret."""
    nbgrader(results.folder, "generate_feedback", SLUG, "--student=sees")
    page = (results.folder / "feedback" / "sees" / SLUG / f"{SLUG}.html").read_text()
    assert "test_what_is_it" in page
    lines = (results.folder / "graders" / f"test_{SLUG}.py").read_text().splitlines()
    telling = [line.strip() for line in lines if "hidden_" in line or "PROBABILITY" in line]
    secret = (results.folder / ".netlens" / "secret").read_text().strip()
    assert len(telling) >= 3 and secret
    assert not [line for line in [*telling, secret, str(results.folder / ".netlens")] if line in page]
