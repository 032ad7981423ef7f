"""A course folder as people get it wrong: each mistake is told by file and line, with what may have been meant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from netlens_core.grading import course as course_module
from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.course_folder import misplaced_work
from netlens_core.grading.exercise import CourseError, read_exercise
from netlens_core.grading.sheets import CourseSheet, ExerciseSheet, checked_yaml
from netlens_core.grading.suggestions import nearest
from netlens_core.grading.verify import Plan, add_solutions_of_no_exercise

SHEET = """\
title: A course
seed: 7
networks:
  target: efficientnet_lite0
  jury: [efficientnet_lite1]
exercises:
  - noise
  - gan
"""
EXERCISE = """\
title: A test
functions:
  craft: {arguments: {flower: image}, returns: image}
inputs:
  flower:
    draw: daisy
    whose: student
limits: {call_seconds: 10}
"""
GRADER = '@check(points=4)\ndef test_it(submission):\n    """It works."""\n'


def told(text: str | bytes, model: type = CourseSheet) -> str:
    with pytest.raises(CourseError) as error:
        checked_yaml(text if isinstance(text, bytes) else text.encode(), "some/sheet.yaml", model)
    said = str(error.value)
    assert said.startswith("some/sheet.yaml") and "Traceback" not in said and "Input" not in said
    return said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (SHEET.replace("seed", "sead"), ["line 2: sead is unknown", "did you mean 'seed'?", "seed is missing"]),
        (SHEET.replace("jury", "jurry"), ["line 5: networks.jurry is unknown", "target, jury", "did you mean 'jury'?"]),
        (SHEET.replace("  target: efficientnet_lite0\n", ""), ["line 3: networks.target is missing"]),
        (SHEET.replace("seed: 7", "seed: seven"), ["line 2: seed is 'seven', and should be a whole number"]),
        (SHEET.replace("seed: 7", "seed:"), ["line 2: seed is empty, and should be a whole number"]),
        (SHEET.replace("A course", "2026"), ["line 1: title is 2026, and should be text"]),
        (SHEET.replace("  - noise\n  - gan\n", "  noise: yes\n"), ["line 6: exercises is names with values", "a list"]),
        (SHEET.replace("[efficientnet_lite1]", "[]"), ["line 5: networks.jury is an empty list"]),
        (SHEET + "seed: 8\n", ["line 9: `seed` stands there twice, first in line 2"]),
        (SHEET.replace("  jury", "  target: alexnet\n  jury"), ["line 5: `target` stands there twice"]),
        (SHEET.replace("  target", "\ttarget"), ["line 4, column 1: a tab"]),
        (SHEET.replace("A course", "Networks: a course"), ["line 1, column 16: a colon where none may stand"]),
        (SHEET.replace("[efficientnet_lite1]", "[efficientnet_lite1"), ["line 6", "column 10"]),
        ("", ["is empty", "title is missing"]),
        ("# title: later\n", ["is empty"]),
        ("- title\n- seed\n", ["the file is a list"]),
        (SHEET.replace("A course", "Ein schöner Kurs").encode("latin-1"), ["line 1", "not UTF-8"]),
        (SHEET.encode("utf-16"), ["UTF-16", "save it as UTF-8"]),
        (SHEET.replace("lite0", "lite0\x07"), ["line 4: an invisible character, '\\x07'"]),
    ],
)
def test_a_wrong_course_sheet_is_told_by_line_in_plain_words(wrong, said):
    found = told(wrong)
    for part in said:
        assert part in found, found


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (EXERCISE.replace("draw: daisy", "draw: dasy"), ["line 6: inputs.flower.draw is 'dasy'", "mean 'daisy'?"]),
        (EXERCISE.replace("whose:", "who:"), ["line 7: inputs.flower.who is unknown", "did you mean 'whose'?"]),
        (
            EXERCISE.replace("call_seconds", "call_secs"),
            ["line 8: limits.call_secs", "mean 'call_seconds'?"],
        ),
        (EXERCISE.replace("returns", "return"), ["line 3: functions.craft.return is unknown", "mean 'returns'?"]),
        (EXERCISE.replace("functions:", "function:"), ["line 2: function is unknown", "did you mean 'functions'?"]),
        (EXERCISE.replace("limits:", "inputs: {}\nlimits:"), ["line 8: `inputs` stands there twice, first in line 4"]),
    ],
)
def test_a_wrong_exercise_sheet_is_told_by_line_in_plain_words(wrong, said):
    found = told(wrong, ExerciseSheet)
    for part in said:
        assert part in found, found


def test_right_files_stay_right():
    anchors = EXERCISE.replace("  flower:\n    draw", "  flower: &flower\n    draw").replace(
        "limits", "  other: *flower\nlimits"
    )
    assert set(checked_yaml(anchors.encode(), "x", ExerciseSheet).inputs) == {"flower", "other"}
    assert checked_yaml(b"\xef\xbb\xbf" + SHEET.encode(), "x", CourseSheet).seed == 7


def test_names_near_others_are_found_and_others_not():
    known = ["noise", "adversarial", "gan"]
    assert [nearest(name, known) for name in ("Noise", "nosie", "adverserial", "hw3-noise", "GAN")] == [
        "noise", "noise", "adversarial", "noise", "gan",
    ]  # fmt: skip
    assert nearest("transformers", known) is None and nearest("", known) is None


# -- a folder ------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(course_module, "fingerprint", lambda name, cache: f"weights of {name}")
    place = tmp_path / "here" / "course"
    place.mkdir(parents=True)
    (place / "course.yaml").write_text(SHEET)
    return place


def refused(place: Path) -> str:
    with pytest.raises(CourseError) as error:
        Course(place)
    return str(error.value)


def test_no_course_yaml_tells_where_one_is_and_what_one_looks_like(folder, tmp_path):
    inside, elsewhere = folder / "submitted", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    assert f"Did you mean {folder}?" in refused(inside)
    assert f"Did you mean {folder}?" in refused(folder.parent)
    said = refused(elsewhere)
    assert f"{elsewhere} is no course folder" in said and "Did you mean" not in said
    example = said.partition("course.yaml:\n\n")[2]
    assert checked_yaml("\n".join(line[4:] for line in example.splitlines()).encode(), "example", CourseSheet)
    assert "netlens sample-course" in said and "submitted/<student>/<exercise>/" in said
    (elsewhere / "Course.yml").write_text(SHEET)
    assert "There is Course.yml: its name has to be course.yaml" in refused(elsewhere)
    assert f"did you mean {folder}?" in refused(folder.with_name("cours"))
    assert f"here {folder}" in refused(folder / "course.yaml")


def test_a_folder_in_a_files_place_is_told(folder):
    (folder / "course.yaml").unlink()
    (folder / "course.yaml").mkdir()
    assert "course.yaml is a folder, and should be a file" in refused(folder)


def test_a_misspelt_exercise_is_told_with_its_line(folder):
    (folder / "course.yaml").write_text(SHEET.replace("- gan", "- adverserial"))
    said = refused(folder)
    assert "course.yaml, line 8: there is no exercise 'adverserial'; did you mean 'adversarial'?" in said
    assert str(folder / "assignments" / "adverserial") in said
    shutil.copytree(shipped_course() / "assignments" / "gan", folder / "assignments" / "adverserial")
    assert Course(folder).sheet.exercises == ["noise", "adverserial"]
    with pytest.raises(CourseError, match="did you mean 'noise'"):
        Course(folder).exercise("nosie")


def test_a_grader_without_its_assignment_is_an_error_and_the_other_way_round(folder):
    graders = folder / "graders"
    graders.mkdir()
    (graders / "conftest.py").write_text("")
    (graders / "test_helpers.py").write_text("LIMIT = 3\n")
    assert Course(folder)
    (graders / "test_noise.py").write_text(GRADER)
    said = refused(folder)
    assert "test_noise.py is not used" in said and f"Copy {shipped_course() / 'assignments' / 'noise'} to" in said
    (graders / "test_noise.py").rename(graders / "test_poetry.py")
    assert "test_poetry.py belongs to no exercise" in refused(folder)
    (graders / "test_poetry.py").unlink()
    (graders / "gam.yaml").write_text("")
    assert "gam.yaml belongs to no exercise" in refused(folder) and "did you mean 'gan'?" in refused(folder)
    (graders / "gam.yaml").rename(graders / "gan.yaml")
    assert Course(folder)
    (folder / "assignments" / "noise").mkdir(parents=True)
    (folder / "assignments" / "noise" / "exercise.yaml").write_text(EXERCISE)
    (graders / "test_nosie.py").write_text("x = 1\n")
    with pytest.raises(CourseError, match=r"test_noise\.py is missing: .* did you mean 'nosie'\?"):
        Course(folder).plain_exercise("noise")


def test_verify_tells_reference_solutions_without_an_exercise(folder):
    for name in ("poetry", "noise", ".git"):
        (folder / "reference_solutions" / name).mkdir(parents=True)
    planned = Plan(Course(folder))
    add_solutions_of_no_exercise(planned)
    assert set(planned.incomplete) == {"poetry", "noise"}
    assert "belongs to no exercise" in planned.incomplete["poetry"]
    assert "comes with netlens" in planned.incomplete["noise"]


# -- the jury ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grader", "conftest", "asks"),
    [
        (GRADER, "", False),
        (GRADER.replace("submission", "jury"), "", True),
        (GRADER.replace("submission", "seen"), "def seen(submission, views): ...\ndef views(jury): ...\n", True),
        (GRADER, "def views(jury): ...\n", False),
    ],
)
def test_a_jury_is_needed_only_where_a_check_asks_for_one(folder, grader, conftest, asks):
    (folder / "assignments" / "demo").mkdir(parents=True)
    (folder / "assignments" / "demo" / "exercise.yaml").write_text(EXERCISE)
    (folder / "graders").mkdir()
    (folder / "graders" / "conftest.py").write_text(conftest)
    (folder / "graders" / "test_demo.py").write_text(grader)
    sheet = SHEET.replace("  jury: [efficientnet_lite1]\n", "").replace("- gan", "- demo")
    (folder / "course.yaml").write_text(sheet)
    course = Course(folder)
    if asks:
        with pytest.raises(CourseError, match=r"course\.yaml has no jury, and the grader of demo asks for one"):
            course.plain_exercise("demo")
    else:
        assert course.exercise("demo").checks and course.sheet.networks.jury == []


def test_which_shipped_exercises_ask_for_a_jury():
    root = shipped_course()
    course_sheet = checked_yaml((root / "course.yaml").read_bytes(), "course.yaml", CourseSheet)
    asking = {
        slug
        for slug in course_sheet.exercises
        if course_module.asks_for(read_exercise(slug, root / "assignments", root / "graders"), "jury")
    }
    assert asking == {"noise", "adversarial", "dream", "style"}


# -- work in the wrong place ---------------------------------------------------------------------------------


def hand_in(folder: Path, *parts: str) -> None:
    place = folder.joinpath("submitted", *parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("{}")


def test_work_in_the_wrong_place_is_told_with_counts(folder):
    for number in range(7):
        hand_in(folder, f"s{number}", "Nosie", "noise.ipynb")
    hand_in(folder, "s0", "noise", "noise.ipynb")
    hand_in(folder, "ada", "poetry", "poem.ipynb")
    hand_in(folder, "ben", "noise.ipynb")
    hand_in(folder, "noise", "chloe", "noise.ipynb")
    hand_in(folder, "noise_dana.zip")
    hand_in(folder, "s1", ".ipynb_checkpoints", "noise.ipynb")
    hand_in(folder, "s1", "timestamp.txt")
    found = misplaced_work(folder, ["noise", "gan"])
    assert found == [
        "7 folders 'Nosie', which is no exercise of course.yaml; did you mean 'noise'? (s0, s1, s2, s3, s4 and 2 more)",
        "1 folder 'poetry', which is no exercise of course.yaml (ada)",
        "submitted/noise/ is named like an exercise, not like a student",
        "1 student with files beside the exercises' folders: ben",
        "1 file in submitted/ itself: noise_dana.zip",
    ]
    assert len(misplaced_work(folder, ["noise", "gan"], ["ada"])) == 1
    shutil.rmtree(folder / "submitted")
    assert misplaced_work(folder, ["noise"]) == []
