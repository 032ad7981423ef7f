"""What nbgrader's own commands and a lost database do to a course, netlens puts right with the next grading."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbgrader.preprocessors import Execute

from netlens_core.grading.course import Course
from netlens_core.grading.nbgrader.preprocessors import RunPublicChecks
from netlens_core.grading.release import release
from netlens_core.grading.sample import build_sample_course
from tests.nbgrader.noise_class import SLUG
from tests.nbgrader.sky import build, tables, write
from tests.nbgrader.test_book import (  # noqa: F401
    check,
    comment,
    empty_database,
    enter,
    folder,
    formgrader,
    same_points,
    scores,
)


def test_a_notebook_that_nbgrader_wrote_over_is_netlenss_again(folder):  # noqa: F811
    """`nbgrader autograde --force` writes where netlens does, and leaves the file read-only."""
    write(folder)
    mine = folder / "autograded" / "ada" / "sky" / "sky.ipynb"
    before = mine.read_bytes()
    mine.unlink()
    mine.write_text("nbgrader's")
    mine.chmod(0o444)
    assert write(folder) == []
    assert mine.read_bytes() == before


def test_a_new_database_gets_comments_at_cells_without_points(folder):  # noqa: F811
    write(folder)
    comment(folder, "ben", "paint", "Look at the *edges*.")
    enter(folder, "ben", "test_it", 2, extra=0.5)
    write(folder)
    for _ in range(2):  # also the second one knows all of it
        (folder / "gradebook.db").unlink()
        assert write(folder) == []
    with formgrader(folder) as book:
        assert book.find_comment("paint", "sky", "sky", "ben").manual_comment == "Look at the *edges*."
        assert book.find_grade("test_it", "sky", "sky", "ben").score == 2.5
    assert check(folder, "ben", 0).mark.comment == "Look at the *edges*."
    comment(folder, "ben", "paint", None)  # taken back
    before = tables(folder)
    assert write(folder) == [] and tables(folder) == before
    assert not check(folder, "ben", 0).mark.comment
    same_points(folder)


def test_points_below_zero_of_a_script_stop_nothing(folder):  # noqa: F811
    """Formgrader takes none; nbgrader's API takes every number."""
    write(folder)
    enter(folder, "ada", "test_why", 1, extra=-3)
    enter(folder, "ben", "test_it", -2)
    for _ in range(2):
        assert write(folder) == []
    assert scores(folder)["ada"][-1] == 4 and scores(folder)["ben"][-1] == 0
    same_points(folder)


def test_paths_of_a_release_begin_as_the_course_was_named(tmp_path, monkeypatch):
    build(tmp_path / "course")
    monkeypatch.chdir(tmp_path)
    course = Course(Path("course"))
    course.__dict__["fingerprints"] = {"a": "weights of a", "b": "weights of b"}
    assert set(release(course, [])) == {Path("course/release/sky/sky.ipynb"), Path("course/release/release.json")}


def test_the_sample_courses_notebook_that_deletes_everything_is_not_run(tmp_path, monkeypatch):
    """Whoever tries `nbgrader autograde` on the sample course keeps their files."""
    monkeypatch.setattr(Execute, "preprocess", lambda *_: pytest.fail("it was run"))
    place = build_sample_course(tmp_path / "course", [SLUG]) / "submitted" / "mallory" / SLUG / f"{SLUG}.ipynb"
    about = {"grade": True, "grade_id": "test_it", "locked": True, "points": 3, "schema_version": 3, "solution": False}
    cell = nbformat.v4.new_code_cell("assert True", metadata={"nbgrader": about})
    handed_in = nbformat.read(place, as_version=4)
    handed_in.cells.append(cell)
    RunPublicChecks().preprocess(handed_in, {"nbgrader": {"student": "mallory", "assignment": SLUG}})
    assert [output.output_type for output in cell.outputs] == ["error"]
