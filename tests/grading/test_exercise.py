"""Course files that are wrong are refused with file, place and reason."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from netlens_core.grading.course import shipped_course
from netlens_core.grading.exercise import read_exercise
from netlens_core.grading.sheets import CourseError, InputSpec

SHEET = """
title: A test
functions:
  craft: {arguments: {network: network, flower: image}, returns: image}
inputs:
  flower: {draw: daisy, whose: student, file: flower.png}
limits: {call_seconds: 10}
"""
GRADER = '@check(points=4)\ndef test_it(expect):\n    """It works."""\n    expect("a", 1, at_least=1)\n'


@pytest.fixture
def written(tmp_path):
    def write(sheet: str = SHEET, grader: str = GRADER):
        (tmp_path / "assignments" / "demo").mkdir(parents=True, exist_ok=True)
        (tmp_path / "graders").mkdir(exist_ok=True)
        (tmp_path / "assignments" / "demo" / "exercise.yaml").write_text(sheet)
        (tmp_path / "graders" / "conftest.py").write_text("")
        (tmp_path / "graders" / "test_demo.py").write_text(grader)
        return read_exercise("demo", tmp_path / "assignments", tmp_path / "graders")

    return write


def test_an_exercise_is_a_plain_value(written):
    exercise = written()
    again = pickle.loads(pickle.dumps(exercise))
    assert again == exercise and again.sha256 == exercise.sha256
    assert exercise.max_points == 4
    assert [check.description for check in exercise.checks] == ["It works."]
    assert exercise.sheet.limits.call_seconds == 10


def test_whatever_determines_a_grade_changes_the_hash(written):
    first = written()
    assert written(grader=GRADER.replace("at_least=1", "at_least=0.9")).sha256 != first.sha256
    assert written(sheet=SHEET.replace("call_seconds: 10", "call_seconds: 11")).sha256 != first.sha256
    assert replace(first, materials={"noise": b"1"}).sha256 != first.sha256
    assert written().sha256 == first.sha256


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        ("title: [", "not valid YAML"),
        ("- 1", "the file"),
        ("", "title"),
        (SHEET.replace("title: A test", "titel: A test"), "titel"),
        (SHEET.replace("returns: image", "returns: pickle"), "returns"),
        (SHEET.replace("craft:", "__class__:"), "__class__"),
        (SHEET.replace("draw: daisy", "draw: noise"), "category"),
        (SHEET.replace("flower.png", "../../flower.png"), "file"),
        (SHEET.replace("whose: student", "whose: hidden"), "hidden input is never released"),
        (SHEET.replace("call_seconds: 10", "call_seconds: soon"), "call_seconds"),
        (SHEET.replace("call_seconds: 10", "call_minutes: 1"), "call_minutes"),
        (SHEET.replace("call_seconds: 10", "call_seconds: -1"), "call_seconds"),
        ("a: &a [*a]", "exercise.yaml"),
        ("[" * 5000, "not valid YAML"),
        ("\x00", "not valid YAML"),
    ],
)
def test_wrong_sheets_are_told(written, sheet, said):
    with pytest.raises(CourseError) as error:
        written(sheet=sheet)
    assert "exercise.yaml" in str(error.value) and said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        ("def broken(:", "line 1"),
        ("", "at least one @check"),
        (GRADER * 2, "no two of the same name"),
        (GRADER.replace("test_it", "grade_it"), "starts with test_"),
        (GRADER.replace("points=4", ""), "points"),
        (GRADER.replace("points=4", "points=-1"), "points"),
        (GRADER.replace("points=4", "points=True"), "points"),
        (GRADER.replace("points=4", "points=sum([1])"), "plain number"),
        (GRADER.replace('"""It works."""', "pass"), "docstring"),
    ],
)
def test_wrong_graders_are_told(written, grader, said):
    with pytest.raises(CourseError, match=r"test_demo\.py") as error:
        written(grader=grader)
    assert said in str(error.value)


def test_a_missing_exercise_names_the_file(tmp_path):
    with pytest.raises(CourseError, match=r"exercise\.yaml is missing"):
        read_exercise("demo", tmp_path, tmp_path)


def test_inputs_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="forge"):
        InputSpec(draw="noise", whose="student", category="flamingo")
    with pytest.raises(ValueError, match="color"):
        InputSpec(draw="noise", whose="course", category="flamingo", color="white")


@pytest.mark.parametrize("slug", ["noise", "adversarial"])
def test_the_shipped_exercises_can_be_read(slug):
    root = shipped_course()
    exercise = read_exercise(slug, root / "assignments", root / "graders")
    assert exercise.max_points > 0
    assert any(spec.whose == "hidden" for spec in exercise.sheet.inputs.values())
