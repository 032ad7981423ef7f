"""Thresholds that follow the network: where calibration puts them, when verification fails, what one line switches."""

from __future__ import annotations

import pytest

from netlens_core.grading.calibration import Tried, between, found_among, rendered
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.grade import Check, Grade, Measurement
from netlens_core.grading.thresholds import Threshold, read_thresholds
from netlens_core.grading.trials import Trial
from netlens_core.grading.verify import Plan, Verdict, standings

TARGET = "efficientnet_lite0"
REFERENCE = Trial("demo", "reference", b"", "x.py", frozenset())
CHEAT = Trial("demo", "wrong/cheat", b"", "x.py", frozenset({"test_one"}), frozenset({"logit"}))


def graded(value: float) -> Grade:
    """A grade in which one check was measured by the threshold `logit`."""
    measurement = Measurement(name="logit", value=value, passed=True, credit=1, calibrated="logit")
    check = Check(
        name="test_one", description="It.", points=4, max_points=4, status="passed", measurements=[measurement]
    )
    return Grade(
        exercise="demo",
        title="A test",
        points=4,
        max_points=4,
        status="graded",
        checks=[check],
        submission_sha256="",
        exercise_sha256="",
        networks={},
        netlens_version="",
        sandbox="none",
        seed=0,
    )


@pytest.mark.parametrize(("reference", "wrong"), [(10.0, 0.0), (0.2, 0.7), (-3.0, -8.0)])
def test_a_threshold_stands_nearer_to_the_cheats_and_keeps_half_of_what_is_left(reference, wrong):
    found = between(reference, wrong, "wrong/cheat", 20)
    distance = reference - wrong
    assert found.required == pytest.approx(wrong + 0.4 * distance)
    assert found.margin == pytest.approx(0.2 * abs(distance), rel=0.02)  # rounded down
    assert (found.partial_from, found.by, found.flowers) == (wrong, "wrong/cheat", 20)


@pytest.mark.parametrize("direction", ["at_least", "at_most"])
@pytest.mark.parametrize(
    ("reference", "cheat", "said"),
    [
        (0.10, 0.90, []),
        (0.30, 0.90, ["the reference solution reaches"]),
        (0.10, 0.70, ["wrong/cheat reaches"]),
        (0.30, 0.70, ["the reference solution reaches", "wrong/cheat reaches"]),
    ],
)
def test_verification_fails_where_either_side_comes_nearer_than_the_margin(direction, reference, cheat, said):
    """Worse is more here, for `at_most`; for `at_least` everything is mirrored."""
    sign = -1 if direction == "at_least" else 1
    calibrated = between(sign * 0.0, sign * 1.0, "wrong/cheat", 20)  # requires 0.6, by 0.2
    sheet = {"logit": Threshold(direction=direction, separates="a from b", networks={TARGET: calibrated})}
    verdicts = [
        Verdict(trial, graded(sign * value), ())
        for trial, value in ((REFERENCE, 0.0), (REFERENCE, reference + 0.2), (CHEAT, 1.0), (CHEAT, cheat))
    ]
    (standing,) = standings(Plan(Course.shipped(), thresholds={"demo": sheet}), verdicts)
    assert len(standing.problems) == len(said)
    assert all(words in problem for words, problem in zip(said, standing.problems, strict=True))


def test_what_cannot_be_parted_is_told_and_changes_nothing(monkeypatch):
    sheet = {"logit": Threshold(direction="at_least", separates="a from b")}
    course = Course.shipped()
    monkeypatch.setattr(type(course), "threshold_sheet", lambda self, slug: sheet)

    def found(*values):
        seen = [Tried(trial, 0, graded(value)) for trial, value in zip((REFERENCE, CHEAT), values, strict=False)]
        (one,) = found_among(course, "demo", seen, 1)
        return one

    assert found(3.0, 1.0).after.required == pytest.approx(1.8)
    assert found(1.0, 3.0).after is None and "nothing parts the reference solution, 1 " in found(1.0, 3.0).problem
    assert 'CAUGHT_BY = ["logit"]' in found(1.0).problem


def test_what_was_written_by_hand_stays():
    before = "# Of our own.\nlogit:\n  # Why.\n  direction: at_least\n  separates: a from b\n"
    threshold = Threshold(
        direction="at_least", separates="a from b", networks={TARGET: between(3.0, 1.0, "wrong/cheat", 20)}
    )
    text = rendered("demo", {"logit": threshold}, before)
    assert text.startswith(before.rstrip()) and "required: 1.8" in text and "margin: 0.4" in text


CALIBRATED = [slug for slug in Course.shipped().sheet.exercises if Course.shipped().threshold_sheet(slug)]


@pytest.mark.parametrize("slug", CALIBRATED)
def test_shipped_thresholds_stand_by_their_margin_on_both_networks(slug):
    for name, threshold in Course.shipped().threshold_sheet(slug).items():
        assert {TARGET, "squeezenet1_1"} <= set(threshold.networks), name
        for network, found in threshold.networks.items():
            assert threshold.ahead(found.reference, found.required) >= found.margin > 0, (name, network)
            assert threshold.ahead(found.required, found.wrong) >= found.margin, (name, network)


def test_one_line_switches_the_target_network_and_its_thresholds(tmp_path):
    shipped = Course.shipped()
    line, text = f"  target: {TARGET}\n", (shipped.folder / "course.yaml").read_text()
    assert text.count(line) == 1

    def course(target):
        (tmp_path / "course.yaml").write_text(text.replace(line, f"  target: {target}\n"))
        return Course(tmp_path)

    for slug in CALIBRATED:
        sheet = read_thresholds(shipped.folder / "graders", slug)
        exercise = course("squeezenet1_1").plain_exercise(slug)
        wanted = {name: threshold.networks["squeezenet1_1"].required for name, threshold in sheet.items()}
        assert {name: found[sheet[name].direction] for name, found in exercise.thresholds.items()} == wanted
        assert b'load_network("squeezenet1_1")' in exercise.template and TARGET.encode() not in exercise.template
        with pytest.raises(CourseError, match=f"netlens calibrate {slug} --network alexnet"):
            course("alexnet").plain_exercise(slug)
