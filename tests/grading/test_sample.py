"""The sample course: a class over every exercise, the same for everybody, that leaves alone what others handed in."""

from __future__ import annotations

import json

import pytest

from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.intake import find_submission_file, read_submission
from netlens_core.grading.sample import WRONG, build_sample_course, wrong_of

SHIPPED = Course(shipped_course()).sheet.exercises


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build_sample_course(tmp_path_factory.mktemp("sample") / "course", sorted(WRONG))


def read(course: Course, student: str, slug: str):
    found = find_submission_file(course.folder / "submitted" / student / slug, slug)
    return read_submission(found.read_bytes(), found.name, expected=slug)


def test_it_grows_with_the_shipped_course(tmp_path):
    course = Course(build_sample_course(tmp_path / "course"))
    assert course.sheet.exercises == SHIPPED
    assert len(list(course.handed_in())) == 8 * len(SHIPPED)


def test_over_all_eight_exercises_there_are_more_than_forty_submissions(sample):
    course = Course(sample)
    assert sorted(course.sheet.exercises) == sorted(WRONG) and len(WRONG) == 8
    assert len(list(course.handed_in())) == 64
    suffixes = {path.suffix for path in (sample / "submitted").rglob("*") if path.is_file()}
    assert suffixes == {".ipynb", ".py", ".zip"}


@pytest.mark.parametrize("slug", sorted(WRONG))
def test_in_each_exercise_somebody_hands_in_each_kind(sample, slug):
    course = Course(sample)
    whole = [cell.source for cell in read(course, "ada", slug).code_cells]
    template = [cell.source for cell in read(course, "o.tool_7", slug).code_cells]
    assert len(whole) == len(template) and whole != template
    assert "NotImplementedError" in "".join(template)
    ben = [cell.source.strip() for cell in read(course, "ben", slug).code_cells]
    assert ben[-len(whole) :] == [source.strip() for source in whole]  # a Python file has a header
    wrong = [read(course, student, slug) for student in ("chloe", "dana", "žofie")]
    assert len({submission.sha256 for submission in wrong}) == 3
    hostile = read(course, "mallory", slug)
    assert not hostile.refusal and "rm -rf" in "".join(cell.source for cell in hostile.code_cells)
    for name in course.exercise_sheet(slug).functions:
        assert f"def {name}(" in "".join(cell.source for cell in hostile.code_cells)


def test_broken_files_are_broken_in_several_ways(sample):
    course = Course(sample)
    refusals = {read(course, "emil", slug).refusal for slug in sorted(WRONG)}
    assert len(refusals) >= 4


def test_it_is_the_same_for_everybody(sample, tmp_path):
    def content(folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert content(build_sample_course(tmp_path / "again", sorted(WRONG))) == content(sample)


def test_built_again_it_leaves_grades_and_other_students_alone(tmp_path):
    folder = build_sample_course(tmp_path / "course", ["noise", "analysis"])
    mine = folder / "submitted" / "me" / "noise" / "noise.ipynb"
    grade = folder / ".netlens" / "grades" / "ab.json"
    for path in (mine, grade):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({}))
    build_sample_course(folder, ["noise"])
    assert mine.is_file() and grade.is_file()
    assert Course(folder).sheet.exercises == ["noise"]
    assert len(list((folder / "submitted").glob("*/analysis"))) == 0


def test_an_exercise_that_nobody_named_wrong_solutions_for_has_some(tmp_path):
    (tmp_path / "wrong").mkdir()
    for name in ("never_ends", "upside_down", "half"):
        (tmp_path / "wrong" / f"{name}.py").write_text("")
    assert wrong_of("saliency", tmp_path) == ("half", "upside_down", "half")
