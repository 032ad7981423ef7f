"""Tables for terminals: points, what waits, and hostile text as harmless text."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from netlens_core.grading.grade import Check, Grade, Measurement
from netlens_core.grading.report import GradedWork
from netlens_core.grading.tables import class_table, grade_table

HOSTILE = "[bold red]x[/] [link=file:///etc/passwd]y[/link]\x1b[2J\u202e\x07[/nothing]"


def printed(table: Table, width: int = 160) -> str:
    kept = io.StringIO()
    Console(file=kept, width=width, force_terminal=True, color_system=None).print(table)
    return kept.getvalue()


def a_check(**changes) -> Check:
    base = {"name": "test_it", "description": "It works.", "points": 2.5, "max_points": 4, "status": "partial"}
    return Check(**{**base, **changes})


def a_work(student: str = "ada", *checks: Check, **changes) -> GradedWork:
    checks = checks or (a_check(),)
    base = {
        "exercise": "noise",
        "title": "Noise",
        "points": sum(check.points for check in checks),
        "max_points": sum(check.max_points for check in checks),
        "status": "graded",
        "checks": list(checks),
        "submission_sha256": "0" * 64,
        "exercise_sha256": "1" * 64,
        "networks": {},
        "netlens_version": "0",
        "sandbox": "full",
        "seed": 1,
    }
    return GradedWork(student, Grade(**{**base, **changes}), lambda _name: b"")


def row_with(text: str, table: str) -> list[str]:
    line = next(line for line in table.splitlines() if text in line)
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_a_class_is_told_by_student_and_exercise():
    waits = a_check(name="test_answer", status="needs_manual_grade", points=0)
    works = [a_work("grace", exercise="dream"), a_work("ada", a_check(), waits), a_work("bob", a_check(fault="oh"))]
    table = printed(class_table(works, {"noise": 8, "dream": 4, "style": 9}))
    assert row_with("ada", table) == ["ada", "noise", "2.5/8", "graded", "1 check waits for a person"]
    assert row_with("grace", table) == ["grace", "noise", "–", "not handed in", ""]
    assert row_with("bob", table)[-1] == "the grader failed at 1 check"
    assert "style" not in table


def test_a_refusal_says_why():
    work = a_work("ada", a_check(points=0, status="failed"), status="refused", message="Not a notebook.\nSorry.")
    assert row_with("ada", printed(class_table([work], {"noise": 4})))[2:] == [
        "0/4",
        "refused",
        "Not a notebook. Sorry.",
    ]


def test_one_grade_shows_measurements_and_messages():
    measurements = [
        Measurement(name="similarity", value=0.9496, at_least=0.95, partial_from=0.8, passed=False, credit=0.99),
        Measurement(name="category", value="hen", equal_to="flamingo", passed=False, credit=0),
    ]
    check = a_check(measurements=measurements, message="Smaller steps.", fault="Traceback\nValueError: oh")
    table = printed(grade_table(a_work("ada", check).grade))
    for words in ("Noise: 2.5 of 4 points", "◐ Partly there", "◐ similarity 0.9496, at least 0.95", "Smaller steps."):
        assert words in table
    assert "✗ category “hen”, exactly “flamingo”" in table and "fault of the grader: ValueError: oh" in table


def test_hostile_text_is_neither_markup_nor_escape():
    check = a_check(description=HOSTILE, message=HOSTILE, fault=HOSTILE, answer=HOSTILE)
    work = a_work(HOSTILE, check, exercise=HOSTILE, title=HOSTILE, status="crashed", message=HOSTILE + "!")
    for table in (class_table([work], {}), grade_table(work.grade)):
        text = printed(table, width=400)
        assert "[bold red]x[/]" in text and "\\x1b[2J" in text and "\\u202e" in text
        assert not set(text) & set("\x1b\u202e\x07")


def test_long_names_are_cut():
    assert len(printed(class_table([a_work("x" * 10**6)], {}), width=120)) < 2000


def test_no_work_is_an_empty_table():
    assert class_table([], {"noise": 4}).row_count == 0
