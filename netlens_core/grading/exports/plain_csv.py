"""Plain CSV for spreadsheets: `grades.csv`, a row for each student and exercise, and `checks.csv`, a row a check."""

from __future__ import annotations

from collections.abc import Sequence

from netlens_core.grading.exports.scores import Exported, Scored, unfinished_note
from netlens_core.grading.plain_text import plain
from netlens_core.grading.spreadsheets import defused_inside, kept_as_text, table_bytes

GRADES = (
    "student", "exercise", "score", "points", "late_penalty", "max_points", "status", "waits_for_a_person",
    "submission_sha256", "netlens_version",
)  # fmt: skip
CHECKS = ("student", "exercise", "check", "description", "points", "max_points", "status", "message", "comment")


def exported_csv(works: Sequence[Scored]) -> Exported:
    """Two tables in UTF-8 with a byte order mark; text that looks like a formula or a number has an apostrophe."""
    grades, checks = [], []
    for work in works:
        grade, who = work.grade, [kept_as_text(plain(work.student)), work.grade.exercise]
        waits = "yes" if grade.needs_manual_grade else "no"
        numbers = [_number(x) for x in (work.score, grade.points, work.late_penalty, grade.max_points)]
        grades.append([*who, *numbers, grade.status, waits, grade.submission_sha256, grade.netlens_version])
        for check in grade.checks:
            comment = check.mark.comment if check.mark else ""
            numbers = [_number(check.points), _number(check.max_points)]
            said = [defused_inside(text) for text in (check.message, comment)]
            checks.append([*who, check.name, check.description, *numbers, check.status, *said])
    files = {"grades.csv": table_bytes(GRADES, grades), "checks.csv": table_bytes(CHECKS, checks)}
    return Exported(files, unfinished_note(works))


def _number(value: float) -> str:
    return f"{round(value, 6):g}" if abs(value) < 1e6 else repr(value)
