"""A course folder: what is wrong in it is told, secrets stay, and nobody shares a seed."""

from __future__ import annotations

import json
import stat

import pytest

from netlens_core.grading import course as course_module
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from netlens_core.own_inputs import derived_seed, student_seed

SHEET = """
title: A course
seed: 7
networks: {target: efficientnet_lite0, jury: [efficientnet_lite1]}
exercises: [noise, adversarial]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(course_module, "fingerprint", lambda name, cache: f"weights of {name}")
    (tmp_path / "course.yaml").write_text(SHEET)
    return tmp_path


def hand_in(folder, student, slug, name="noise.ipynb"):
    place = folder / "submitted" / student / slug
    place.mkdir(parents=True)
    (place / name).write_text("{}")


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        ("", "title"),
        (SHEET.replace("seed: 7", "seed: -7"), "seed"),
        (SHEET.replace("jury: [efficientnet_lite1]", "jury: []"), "jury"),
        (SHEET.replace("noise, adversarial", "noise, noise"), "twice"),
        (SHEET.replace("noise, adversarial", "../noise"), "slug"),
        (SHEET + "colour: red\n", "colour"),
        ("{", "not valid YAML"),
    ],
)
def test_wrong_course_files_are_told(folder, sheet, said):
    (folder / "course.yaml").write_text(sheet)
    with pytest.raises(CourseError) as error:
        Course(folder)
    assert "course.yaml" in str(error.value) and said in str(error.value)


def test_missing_parts_are_told(tmp_path, folder):
    with pytest.raises(CourseError, match="not a folder"):
        Course(tmp_path / "nowhere")
    with pytest.raises(CourseError, match="submitted is missing"):
        list(Course(folder).handed_in())
    with pytest.raises(CourseError, match="has no exercise 'dream'"):
        Course(folder).exercise("dream")


def test_submissions_come_in_order_and_links_are_passed_over(folder):
    for student, slug in [("zoe", "noise"), ("ada", "adversarial"), ("ada", "noise"), ("ada", "unknown")]:
        hand_in(folder, student, slug)
    (folder / "submitted" / "eve").symlink_to(folder / "submitted" / "ada")
    (folder / "submitted" / "zoe" / "adversarial").symlink_to(folder / "submitted" / "ada" / "adversarial")
    (folder / "submitted" / ".DS_Store").write_text("")
    found = [(entry.student, entry.slug) for entry in Course(folder).handed_in()]
    assert found == [("ada", "noise"), ("ada", "adversarial"), ("zoe", "noise")]
    assert [entry.slug for entry in Course(folder).handed_in(students=["ada"], slugs=["noise"])] == ["noise"]


def test_the_secret_is_made_once_and_for_its_owner_only(folder):
    secret = Course(folder).secret
    assert len(secret) >= 32 and Course(folder).secret == secret
    assert stat.S_IMODE((folder / ".netlens" / "secret").stat().st_mode) == 0o600


def test_grading_with_other_weights_than_released_is_refused(folder):
    (folder / "release").mkdir()
    path = folder / "release" / "release.json"
    path.write_text(json.dumps({"networks": {"efficientnet_lite0": "weights of efficientnet_lite0"}}))
    assert Course(folder).fingerprints["efficientnet_lite1"]
    path.write_text(json.dumps({"networks": {"efficientnet_lite0": "other weights"}}))
    with pytest.raises(CourseError, match="other weights here"):
        _ = Course(folder).fingerprints
    path.write_text("[]")
    with pytest.raises(CourseError, match="damaged"):
        _ = Course(folder).fingerprints


def test_no_two_students_exercises_or_courses_share_a_seed():
    seeds = {student_seed(c, f"s{n}", slug) for c in (1, 2) for n in range(500) for slug in ("noise", "adversarial")}
    assert len(seeds) == 2000
    assert student_seed(1, "s1", "noise") == student_seed(1, "s1", "noise")
    assert derived_seed("a", "bc") != derived_seed("ab", "c")
