"""Grades made by hand, and people with difficult names."""

from __future__ import annotations

import pytest

from netlens_core.grading.exports.scores import Scored
from netlens_core.grading.grade import Check, Grade, Measurement, PersonsMark

HOSTILE = '=HYPERLINK("http://evil")<script>alert(1)</script>, "quoted";\nsecond line\x1b[2J\u202e'


@pytest.fixture
def scored():
    """`scored("ada", 3.25, exercise="noise", most=5, …)`: a grade with one check that has it all."""

    def make(student: str, points: float = 3.25, exercise: str = "noise", most: float = 5.0, late: float = 0.0, **more):
        measurements = [
            Measurement(name="probability", value=0.25, at_least=0.9, partial_from=0.1, passed=False, credit=0.2),
            Measurement(name="distance", value=float("nan"), at_most=1.0, passed=False, credit=0.0),
            Measurement(name="category", value="daisy", equal_to="daisy", passed=True, credit=1.0),
        ]
        check = Check(
            name="test_it",
            description="It works.",
            points=points,
            max_points=most,
            status=more.pop("check_status", "partial"),
            message=more.pop("message", "Nearly <there>."),
            mark=PersonsMark(comment=more.pop("comment", "")) if more.pop("marked", True) else None,
            measurements=measurements,
            figures=more.pop("figures", []),
        )
        grade = Grade(
            exercise=exercise,
            title="What is it?",
            points=points,
            max_points=most,
            status="graded",
            checks=[check],
            submission_sha256="ab" * 32,
            exercise_sha256="cd" * 32,
            networks={"a": "ef"},
            netlens_version="1.2.3",
            sandbox="full",
            seed=7,
            **more,
        )
        return Scored(student, grade, late)

    return make
