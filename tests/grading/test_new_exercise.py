"""A new exercise is whole from the beginning: named well, listed, translated, verified; or nothing of it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.new_exercise import new_exercise, with_exercise
from netlens_core.messages import exercise_texts, problems, template_faults
from tests.quick_python import quick_python

SHEET = """\
title: My course
seed: 7
networks:
  target: efficientnet_lite0
  jury: [efficientnet_lite1, efficientnet_lite2]
exercises: [activations]  # the first of many
"""


@pytest.fixture
def course(tmp_path) -> Course:
    folder = tmp_path / "my course"
    folder.mkdir()
    (folder / "course.yaml").write_text(SHEET)
    return Course(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def netlens(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*quick_python(), "-m", "netlens_core.cli", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)


# -- what is written -------------------------------------------------------------------------------------


def test_all_parts_are_in_their_rooms_and_the_course_lists_them(course):
    written = new_exercise(course, "saliency")
    parts = {path.relative_to(course.folder).as_posix() for path in written}
    assert parts == set(files(course.folder))
    assert parts >= {
        "assignments/saliency/exercise.yaml",
        "assignments/saliency/template.py",
        "assignments/saliency/cs.po",
        "graders/test_saliency.py",
        "graders/conftest.py",
        "reference_solutions/saliency/reference.py",
    }
    assert len([part for part in parts if part.startswith("reference_solutions/saliency/wrong/")]) >= 6
    opened = Course(course.folder)
    assert opened.sheet.exercises == ["activations", "saliency"]
    assert (course.folder / "course.yaml").read_text() == SHEET.replace("[activations]", "[activations, saliency]")
    assert opened.exercise_sheet("saliency").title == "Saliency"


def test_a_checkout_gets_tests_and_a_page_too(course):
    for room in ("tests/exercises", "docs/exercises"):
        (course.folder / room).mkdir(parents=True)
    parts = {path.relative_to(course.folder).as_posix() for path in new_exercise(course, "saliency")}
    assert parts >= {"tests/exercises/test_saliency.py", "docs/exercises/saliency.md"}
    for part in parts:
        text = (course.folder / part).read_text()
        assert "$" not in text and "SLUG" not in text
        if part.endswith(".py"):
            compile(text, part, "exec")
    (course.folder / "pyproject.toml").write_bytes((shipped_course() / "pyproject.toml").read_bytes())
    for checks in (["check", "--ignore", "I001"], ["format", "--check"]):  # which imports are ours depends on the place
        done = subprocess.run([sys.executable, "-m", "ruff", *checks, "."], cwd=course.folder, capture_output=True)
        assert done.returncode == 0, done.stdout.decode()


@pytest.mark.parametrize("title", ["", "Why?", 'A: "quoted" one, #1', "Proč? \\ {}", "  many\n spaces ", "'"])
def test_it_is_whole_and_translated_whatever_its_title(course, title):
    new_exercise(course, "saliency", title)
    folder = course.folder
    assert Course(folder).exercise_sheet("saliency").title == (" ".join(title.split()) or "Saliency")
    catalog = folder / "assignments" / "saliency" / "cs.po"
    assert problems(catalog, "cs", exercise_texts("saliency", folder)) == []
    assert template_faults(catalog.with_name("template.py"), "cs") == []


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "slug",
    ["", "Saliency", "two words", "../up", "a/b", "9lives", "class", "lambda", "_x", "é", "x\n", "x" * 31, "a-b"],
)
def test_what_cannot_be_a_name_is_refused(course, slug):
    with pytest.raises(CourseError, match="cannot be an exercise's name"):
        new_exercise(course, slug)
    assert files(course.folder) == {"course.yaml": SHEET.encode()}


@pytest.mark.parametrize("slug", ["activations", "adversarial", "saliency"])
def test_an_exercise_that_there_is_stays_as_it_is(course, slug):
    new_exercise(course, "saliency")
    before = files(course.folder)
    with pytest.raises(CourseError, match="is taken"):
        new_exercise(Course(course.folder), slug)
    assert files(course.folder) == before


def test_work_that_lies_there_is_not_written_over(course):
    path = course.folder / "graders" / "saliency.yaml"
    path.parent.mkdir()
    path.write_text("{}")
    with pytest.raises(CourseError, match=r"graders/saliency\.yaml"):
        new_exercise(course, "saliency")
    assert set(files(course.folder)) == {"course.yaml", "graders/saliency.yaml"}


@pytest.mark.parametrize("title", ["x" * 201, "bell \a", "turn \u202e", " \n"])
def test_what_cannot_be_a_title_is_refused(course, title):
    with pytest.raises(CourseError, match="a title has"):
        new_exercise(course, "saliency", title)


@pytest.mark.parametrize("blocked", ["assignments", "graders", "reference_solutions"])
def test_nothing_is_left_where_a_part_cannot_be_written(course, blocked):
    (course.folder / blocked).write_text("no folder")
    before = files(course.folder)
    done = netlens("new-exercise", "saliency", "--course", course.folder)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Not a directory" in done.stderr or "File exists" in done.stderr
    assert files(course.folder) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exercises: [a]\nseed: 1\n", "exercises: [a, new]\nseed: 1\n"),
        ("exercises: [a, b, ]\n", "exercises: [a, b, new, ]\n"),
        ("exercises: [\n  a,\n  b\n]\n", "exercises: [\n  a,\n  b, new\n]\n"),
        ("exercises:\n- a\n- b\nseed: 1\n", "exercises:\n- a\n- b\n- new\nseed: 1\n"),
        ("exercises:\n  - a  # first\n  # end\nx: [1]\n", "exercises:\n  - a  # first\n  - new\n  # end\nx: [1]\n"),
    ],
)
def test_a_list_grows_as_it_was_written(text, expected):
    assert with_exercise(text, "new", Path("course.yaml")) == expected
    assert yaml.safe_load(expected)["exercises"][-1] == "new"


def test_a_list_that_cannot_grow_is_told():
    with pytest.raises(CourseError, match="write it as exercises:"):
        with_exercise("{exercises: *x, a: &x [a]}".replace("*x, a: &x ", ""), "new", Path("course.yaml"))


# -- green at once ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_verifies_at_once_and_goes_out_to_students(course):
    done = netlens("new-exercise", "saliency", "--course", course.folder)
    assert done.returncode == 0, done.stderr
    assert f"netlens verify saliency --course '{course.folder}'" in done.stderr
    assert f"netlens release '{course.folder}'" in done.stderr
    verified = netlens("verify", "saliency", "--course", course.folder, "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert len(json.loads(verified.stdout)["trials"]) >= 8
    for language in ("cs", "en"):
        released = netlens("release", course.folder, "--student", "ada", "--language", language)
        assert released.returncode == 0, released.stderr
    assert (course.folder / "release" / "saliency" / "students" / "ada" / "flower.png").is_file()


@pytest.mark.slow
def test_the_tests_that_it_writes_pass(tmp_path):
    """In a checkout's rooms: its own tests, and those that look at every exercise."""
    root = shipped_course()
    checkout = tmp_path / "checkout"
    for room in ("tests/exercises", "docs/exercises", "graders", "assignments", "reference_solutions"):
        (checkout / room).mkdir(parents=True)
    for part in ("course.yaml", "graders/conftest.py", "tests/conftest.py", "tests/exercises/conftest.py"):
        (checkout / part).write_bytes((root / part).read_bytes())
    new_exercise(Course(checkout), "saliency")
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [*quick_python(), "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
