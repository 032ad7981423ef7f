"""Verification tells exactly where a grader and its wrong solutions part."""

from __future__ import annotations

import pytest

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CheckSpec, CourseError, Exercise, ExerciseSheet
from netlens_core.grading.grade import Check, Grade, Measurement
from netlens_core.grading.thresholds import Calibrated, Threshold
from netlens_core.grading.trials import Trial, trials
from netlens_core.grading.verify import Plan, Verdict, _problems, plan, standings

CHECKS = ("test_one", "test_two")
EXERCISE = Exercise(
    "demo",
    ExerciseSheet(title="A test", functions={}),
    tuple(CheckSpec(name, "It works.", 4.0, False) for name in CHECKS),
    {},
)


def a_grade(one: float, two: float, **changes: str) -> Grade:
    checks = [
        Check(
            name=name,
            description="It works.",
            points=points,
            max_points=4,
            status=changes.get("check_status", "passed" if points == 4 else "failed"),
            fault=changes.get("fault", ""),
        )
        for name, points in zip(CHECKS, (one, two), strict=True)
    ]
    return Grade(
        exercise="demo",
        title="A test",
        points=one + two,
        max_points=8,
        status=changes.get("status", "graded"),
        checks=checks,
        submission_sha256="",
        exercise_sha256="",
        networks={},
        netlens_version="",
        sandbox="none",
        seed=0,
    )


def problems(loses: set[str], grade: Grade, name: str = "wrong/x") -> list[str]:
    return list(_problems(Trial("demo", name, b"", "x.py", frozenset(loses)), grade))


def test_what_is_lost_and_named_is_right():
    assert problems({"test_one"}, a_grade(0, 4)) == []
    assert problems({"test_one"}, a_grade(3.5, 4)) == []
    assert problems(set(), a_grade(4, 4), "reference") == []
    assert problems(set(CHECKS), a_grade(0, 0), "template") == []


def test_everything_else_is_a_problem():
    assert "lost, should be earned" in problems({"test_one"}, a_grade(0, 0))[0]
    assert "earned, should be lost" in problems({"test_one", "test_two"}, a_grade(0, 4))[0]
    assert "the untouched template earns 1" in problems(set(CHECKS), a_grade(0, 1), "template")[0]
    assert "ended as crashed" in problems(set(CHECKS), a_grade(0, 0, status="crashed"))[0]
    faulty = a_grade(0, 0, check_status="needs_manual_grade", fault="Trace\nValueError: no")
    assert problems(set(), faulty) == [f"{name}: the grader failed: ValueError: no" for name in CHECKS]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "assignments" / "demo").mkdir(parents=True)
    (tmp_path / "reference_solutions" / "demo" / "wrong").mkdir(parents=True)
    (tmp_path / "assignments" / "demo" / "template.py").write_text("")
    (tmp_path / "reference_solutions" / "demo" / "reference.py").write_text("")
    (tmp_path / "reference_solutions" / "demo" / "wrong" / "x.py").write_text('LOSES = ["test_one"]\n')
    return tmp_path


def test_trials_are_reference_template_and_every_wrong_solution(root):
    found = {trial.name: trial.loses for trial in trials("demo", EXERCISE, root, "efficientnet_lite0")}
    assert found == {"reference": frozenset(), "template": frozenset(CHECKS), "wrong/x": frozenset({"test_one"})}


@pytest.mark.parametrize(
    "source",
    ["", "LOSES = []", 'LOSES = ["test_three"]', "LOSES = list(x)", "LOSES = 3", "def broken(:", "# LOSES = 1"],
)
def test_a_wrong_solution_must_name_what_it_loses(root, source):
    (root / "reference_solutions" / "demo" / "wrong" / "x.py").write_text(source)
    with pytest.raises(CourseError, match=r"x\.py"):
        trials("demo", EXERCISE, root, "efficientnet_lite0")


def test_an_exercise_without_wrong_solutions_is_not_tested(root):
    (root / "reference_solutions" / "demo" / "wrong" / "x.py").unlink()
    with pytest.raises(CourseError, match="nothing tests the grader"):
        trials("demo", EXERCISE, root, "efficientnet_lite0")


def test_a_course_file_is_never_run_to_read_it(root):
    path = root / "reference_solutions" / "demo" / "wrong" / "x.py"
    path.write_text('import sys; sys.exit(9)\nLOSES = ["test_one"]\n')
    assert trials("demo", EXERCISE, root, "efficientnet_lite0")[-1].loses == {"test_one"}


def test_the_reference_alone_can_be_tried_as_many_students():
    planned = plan(Course.shipped(), ["analysis"], "full", flowers=3, reference_only=True)
    assert [trial.name for trial in planned.trials.values()] == ["reference"] * 3
    assert len({work.seed for work in planned.works}) == 3


@pytest.mark.parametrize("value, problems", [(3.0, 0), (1.2, 1)])
def test_alone_only_its_own_margin_counts(value, problems):
    measured = Measurement(name="logit", value=value, at_least=1.0, passed=True, credit=1, calibrated="logit")
    grade = a_grade(4, 4)
    grade.checks[0].measurements.append(measured)
    verdict = Verdict(Trial("demo", "reference", b"", "x.py", frozenset()), grade, ())
    calibrated = Calibrated(required=1, partial_from=0, reference=3, wrong=0, by="wrong/x", margin=0.5, flowers=1)
    sheet = {
        "logit": Threshold(direction="at_least", separates="a from b", networks={"efficientnet_lite0": calibrated})
    }

    def found(reference_only):
        planned = Plan(Course.shipped(), thresholds={"demo": sheet}, reference_only=reference_only)
        return standings(planned, [verdict])[0].problems

    assert len(found(True)) == problems
    assert len(found(False)) == problems + 1  # no wrong solution was measured by it
