"""Plain nbgrader and netlens's own check give the same points for the same public checks, all over the sample class.

By default over one exercise; `NETLENS_BOTH_WAYS=activations,analysis` names others, and `NETLENS_BOTH_WAYS=all` all of
them, which takes half an hour.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbgrader.api import Gradebook

from netlens_core.grading.course import Course
from netlens_core.grading.release import release
from netlens_core.grading.sample import build_sample_course
from netlens_core.grading.self_check import self_check
from tests.nbgrader.noise_class import ROOT, SLUG, nbgrader, with_daisies

pytestmark = pytest.mark.slow
NAMED = os.environ.get("NETLENS_BOTH_WAYS", SLUG)
EXERCISES = Course(ROOT).sheet.exercises if NAMED == "all" else NAMED.split(",")
# Her notebook deletes every file that it can reach, and plain nbgrader would let it.
HOSTILE = "mallory"
# He hands in what is no notebook; nbgrader stops at it with an error, netlens refuses it in words.
BROKEN = "emil"


@dataclass(frozen=True)
class Compared:
    """A course whose class was graded by plain nbgrader: what that said, and student -> check -> points."""

    folder: Path
    slug: str
    said: str
    points: dict[str, dict[str, float | None]]


@pytest.fixture(scope="module", params=EXERCISES)
def compared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """The sample class of one exercise, released by netlens and graded by `nbgrader autograde`."""
    slug = request.param
    folder = build_sample_course(tmp_path_factory.mktemp("both_ways") / "course", [slug])
    shutil.rmtree(folder / "submitted" / HOSTILE)
    shutil.rmtree(folder / "submitted" / BROKEN)
    if slug == SLUG and NAMED != "all":
        with_daisies(folder)
    release(Course(folder), [])
    for place in (folder / "submitted").glob(f"*/{slug}"):
        as_nbgrader_wants(place, slug)
        for picture in (folder / "release" / slug).glob("*.png"):
            shutil.copy(picture, place)
    said = nbgrader(folder, "autograde", slug)
    return Compared(folder, slug, said, scores(folder, slug))


def as_nbgrader_wants(place: Path, slug: str) -> None:
    """Python files and zips as the one notebook that nbgrader looks for."""
    (file,) = place.iterdir()
    if file.suffix == ".zip":
        shutil.unpack_archive(file, place)
        shutil.move(next(place.rglob(f"[!_.]*/{slug}.ipynb")), place / f"{slug}.ipynb")
    elif file.suffix == ".py":
        notebook = jupytext.read(file, fmt="py:percent")
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, place / f"{slug}.ipynb")
    if file.suffix != ".ipynb":
        file.unlink()
    for cell in nbformat.read(place / f"{slug}.ipynb", as_version=4).cells:
        assert "rm -rf" not in cell.source


def scores(folder: Path, slug: str) -> dict[str, dict[str, float | None]]:
    """What nbgrader's gradebook has for every student and check."""
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        return {
            work.student.id: {grade.name: grade.auto_score for grade in work.notebooks[0].grades}
            for work in book.assignment_submissions(slug)
        }


def test_every_score_of_the_class_is_the_same_both_ways(compared):
    """Every check of every student: points by `nbgrader autograde`, and points by `netlens check`."""
    course, slug = Course(compared.folder), compared.slug
    assert len(compared.points) == 6
    differences, seen = [], set()
    for student, points in sorted(compared.points.items()):
        checked = self_check(course, compared.folder / "submitted" / student / slug / f"{slug}.ipynb", slug)
        assert checked.checks
        for check in checked.checks:
            seen.add((check.points, check.max_points))
            if points.get(check.name) != check.points:
                differences.append(f"{student}, {check.name}: {points.get(check.name)} and {check.points}")
    assert not differences, "nbgrader's and netlens's points differ:\n" + "\n".join(differences)
    assert {points == 0 for points, _ in seen} == {True, False}, "nobody lost or nobody earned anything"


def test_written_answers_wait_for_a_person_in_nbgrader_too(compared):
    """No score by itself but for who wrote nothing."""
    checks = Course(compared.folder).plain_exercise(compared.slug).checks
    for check in checks:
        if check.manual:
            assert compared.points["ada"][check.name] is None
            assert compared.points["o.tool_7"][check.name] == 0


def test_the_log_says_that_nothing_locked_the_submissions_in(compared):
    """Whoever grades with plain nbgrader reads what that means."""
    assert "sandbox" in compared.said
    assert "netlens grade" in compared.said


def test_validate_passes_the_reference_and_no_untouched_template(compared):
    """Students' own way of checking in plain nbgrader."""
    slug = compared.slug
    assert "Success" in nbgrader(compared.folder / "submitted" / "ada" / slug, "validate", f"{slug}.ipynb")
    said = nbgrader(compared.folder / "release" / slug, "validate", f"{slug}.ipynb")
    assert "Success" not in said and "failed" in said and "NotImplementedError" in said
