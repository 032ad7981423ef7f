"""Points come from measurements; a grader's own failure never costs any."""

from __future__ import annotations

import numpy as np
import pytest

from netlens_core.grading.marking import Expectations
from netlens_core.grading.sandbox.outcomes import Outcome

GREY = np.full((3, 8, 8), 0.5, dtype=np.float32)


def one_check(body: str, arguments: str = "expect", **options: object) -> str:
    keywords = "".join(f", {name}={value!r}" for name, value in options.items())
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f'@check(points=4{keywords})\ndef test_it({arguments}):\n    """It works."""\n{lines}\n'


@pytest.mark.parametrize(
    ("body", "status", "points"),
    [
        ('expect("a", 0.97, at_least=0.95)', "passed", 4),
        ('expect("a", 0.94, at_least=0.95)', "failed", 0),
        ('expect("a", 0.7, at_least=0.8, partial_from=0.6)', "partial", 2),
        ('expect("a", 0.3, at_most=0.2, partial_from=0.4)', "partial", 2),
        ('expect("a", 0.5, at_most=0.2, partial_from=0.4)', "failed", 0),
        ('expect("a", "daisy", equal_to="daisy")', "passed", 4),
        ('expect("a", "rose", equal_to="daisy")', "failed", 0),
        ('expect("a", float("nan"), at_least=0)', "failed", 0),
        ('expect("a", float("inf"), at_least=0)', "failed", 0),
        ('expect("a", -float("inf"), at_most=0)', "failed", 0),
        ('expect("a", torch.tensor(2), at_least=2)', "passed", 4),
        ('expect("a", 1, at_least=0)\nexpect("b", 0.7, at_least=0.8, partial_from=0.6)', "partial", 2),
        ('expect("a", 0, at_least=1)\nexpect("b", 1, at_least=0)', "failed", 0),
        ('expect("a", 0.79999, at_least=0.8, partial_from=0)', "partial", 3.99),
    ],
)
def test_credit(judged, body, status, points):
    checks, _, _ = judged(one_check(body), {})
    assert (checks["test_it"].status, checks["test_it"].points) == (status, points)


def test_every_measurement_is_kept_even_after_a_failing_one(judged):
    checks, _, _ = judged(one_check('expect("a", 0, at_least=1)\nexpect("b", 2, at_most=3)'), {})
    assert [(m.name, m.value, m.passed) for m in checks["test_it"].measurements] == [
        ("a", 0, False),
        ("b", 2, True),
    ]


@pytest.mark.parametrize(
    "body",
    [
        'raise RuntimeError("broken grader")',
        "assert 1 == 2",
        "pass",
        'expect("a", 1)',
        'expect("a", 1, at_least=0, at_most=2)',
        'expect("a", 1, at_least=0, partial_from=0.5)',
        'expect("a", "word", at_least=0)',
        'pytest.skip("no")',
        'pytest.fail("no")',
        "raise SystemExit(3)",
        'pytest.exit("stop")',
        "undefined_name",
    ],
)
def test_a_fault_of_the_grader_waits_for_a_person(judged, body):
    checks, _, _ = judged(one_check(body), {})
    assert checks["test_it"].status == "needs_manual_grade"
    assert checks["test_it"].fault
    assert "lose nothing" in checks["test_it"].message


@pytest.mark.parametrize("conftest", ["def broken(:", "import no_such_module", "import sys; sys.exit(4)"])
def test_a_grader_that_cannot_be_imported_waits_for_a_person(judged, conftest):
    checks, _, _ = judged(one_check('expect("a", 1, at_least=0)'), {}, conftest)
    assert checks["test_it"].status == "needs_manual_grade"
    assert checks["test_it"].fault


def test_a_missing_fixture_is_the_graders_fault(judged):
    checks, _, _ = judged(one_check("pass", "no_such_fixture"), {})
    assert checks["test_it"].status == "needs_manual_grade"
    assert "no_such_fixture" in checks["test_it"].fault


def test_what_the_submission_does_wrong_costs_points_and_is_told(judged):
    source = one_check('submission.paint(None, inputs["image"])', "submission, inputs")
    checks, _, _ = judged(source, {"paint": Outcome(status="error", message="`paint` raised ValueError: no")})
    assert (checks["test_it"].status, checks["test_it"].points) == ("failed", 0)
    assert checks["test_it"].message == "`paint` raised ValueError: no"
    assert not checks["test_it"].fault


def test_a_fault_of_the_sandbox_costs_nothing(judged):
    source = one_check('submission.paint(None, inputs["image"])', "submission, inputs")
    checks, _, _ = judged(source, {"paint": Outcome(status="fault", message="the warm process died")})
    assert checks["test_it"].status == "needs_manual_grade"


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (None, "None"),
        (np.zeros((8, 8), np.float32), "shape (8, 8)"),
        (np.zeros((4, 8, 8), np.float32), "shape (4, 8, 8)"),
        (np.zeros((3, 0, 8), np.float32), "sides are 1"),
        (np.zeros((3, 8, 8), np.uint8), "uint8"),
        (np.full((3, 8, 8), np.nan, np.float32), "NaN"),
        (np.full((3, 8, 8), 200.0, np.float32), "200"),
        (np.full((3, 8, 8), -0.5, np.float32), "-0.5"),
        ([1, 2], "list of 2"),
        ("\x1b[31mred", "text"),
    ],
)
def test_images_that_are_none_are_refused_in_words(judged, claim, said):
    source = one_check('submission.paint(None, inputs["image"])', "submission, inputs")
    checks, _, _ = judged(source, {"paint": claim})
    assert checks["test_it"].status == "failed"
    assert said in checks["test_it"].message
    assert "\x1b" not in checks["test_it"].message


def test_images_are_rounded_to_eight_bits(judged):
    source = one_check(
        'image = submission.paint(None, inputs["image"])\nexpect("error", (image * 255 % 1).max(), at_most=1e-4)',
        "submission, inputs, expect",
    )
    checks, _, _ = judged(source, {"paint": GREY * 0.999})
    assert checks["test_it"].status == "passed"


@pytest.mark.parametrize(
    "claim",
    [
        None,
        "daisy",
        ["daisy"],
        [["daisy"]],
        [[1, 0.5]],
        [["daisy", "high"]],
        [["daisy", float("nan")]],
        [["a", True]],
    ],
)
def test_rankings_that_are_none_are_refused(judged, claim):
    checks, _, _ = judged(one_check('submission.rank(inputs["image"], k=1)', "submission, inputs"), {"rank": claim})
    assert checks["test_it"].status == "failed"


def test_a_session_wide_fixture_calls_the_student_once(judged):
    conftest = (
        "import pytest\n@pytest.fixture(scope='session')\n"
        "def painted(submission, inputs): return submission.paint(None, inputs['image'])\n"
    )
    source = one_check('expect("a", painted.mean(), at_least=0.4)', "painted, expect")
    source += source.replace("test_it", "test_again")
    checks, _, session = judged(source, {"paint": GREY}, conftest)
    assert [check.status for check in checks.values()] == ["passed", "passed"]
    assert len(session.calls) == 1


def test_checks_after_a_lost_one_are_skipped_and_say_so(judged):
    first = one_check('expect("a", 0, at_least=1)')
    second = one_check('expect("b", 1, at_least=1)').replace("test_it", "test_then").replace("4)", "4, after=test_it)")
    third = second.replace("test_then", "test_last").replace("after=test_it", "after=test_then")
    checks, _, _ = judged(first + second + third, {})
    assert [check.status for check in checks.values()] == ["failed", "skipped", "skipped"]
    assert "It works" in checks["test_then"].message


def test_a_fault_before_does_not_skip_what_comes_after(judged):
    first = one_check("raise RuntimeError")
    second = one_check('expect("b", 1, at_least=1)').replace("test_it", "test_then").replace("4)", "4, after=test_it)")
    checks, _, _ = judged(first + second, {})
    assert checks["test_then"].status == "passed"


@pytest.mark.parametrize(
    ("answers", "status", "message"),
    [
        ({"why": "because"}, "needs_manual_grade", "A person reads"),
        ({"why": "  "}, "failed", "is empty"),
        ({}, "failed", "is empty"),
        ([1], "failed", "dict"),
        ({"why": ["list"]}, "failed", "dict"),
    ],
)
def test_written_answers_wait_for_a_person_and_blank_ones_do_not(judged, answers, status, message):
    source = one_check('submission.answer("why")', "submission", manual=True)
    checks, _, _ = judged(source, {"answers": answers})
    assert checks["test_it"].status == status
    assert message in checks["test_it"].message
    assert checks["test_it"].answer == ("because" if status == "needs_manual_grade" else "")


def test_figures_are_kept_once_with_their_captions(judged):
    source = one_check(
        'expect("a", 1, at_least=1)\nfigure("grey", inputs["image"])\nfigure("grey", inputs["image"])',
        "expect, figure, inputs",
    )
    checks, record, _ = judged(source, {})
    [name] = checks["test_it"].figures
    assert record.notes[name].caption == "grey"
    assert record.pictures[name].startswith(b"\x89PNG")


def test_two_versions_of_a_grader_are_not_mixed_up(judged):
    for requirement, status in ((1, "passed"), (2, "failed"), (1, "passed")):
        checks, _, _ = judged(one_check(f'expect("a", 1, at_least={requirement})'), {})
        assert checks["test_it"].status == status


def test_the_users_own_pytest_settings_do_not_matter(judged, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    checks, _, _ = judged(one_check('expect("a", 1, at_least=1)'), {})
    assert checks["test_it"].status == "passed"


def test_a_partial_requirement_never_rewards_worse_values():
    credits = []
    for step in range(101):
        kept: list = []
        Expectations(kept)("a", step / 100, at_least=0.8, partial_from=0.3)
        credits.append(kept[0].credit)
    assert credits == sorted(credits)
    assert credits[30] == 0 and credits[80] == 1


def test_numbers_for_information_cost_and_earn_nothing(judged):
    noted = 'expect.note("b", 7.5)\nexpect.note("c", None)'
    checks, _, _ = judged(one_check(f'expect("a", 0, at_least=1)\n{noted}'), {})
    assert checks["test_it"].status == "failed"
    assert [(m.name, m.value, m.required) for m in checks["test_it"].measurements][1:] == [("b", 7.5, False)]
    checks, _, _ = judged(one_check(noted), {})
    assert checks["test_it"].status == "needs_manual_grade" and "measured nothing" in checks["test_it"].fault
