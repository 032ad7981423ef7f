"""A student's page: every check with what was measured, what it looked like, and why it earned what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netlens_core.grading.grade import Check, Grade, Sight
from netlens_core.grading.report.names import anchor
from netlens_core.grading.report.pictures import Picture, picture, read_png
from netlens_core.grading.report.rendering import render
from netlens_core.grading.report.words import grade_word, outcome
from netlens_core.grading.report.work import GradedWork

MOST_PICTURE_BYTES = 24 * 2**20  # a page, before base64


@dataclass(frozen=True)
class ShownFigure:
    """A figure as the page shows it; `picture` is None where it is lost or may not be shown."""

    caption: str
    picture: Picture | None
    seen_by: list[Sight]


@dataclass(frozen=True)
class ShownCheck:
    """A check as its student reads it: without the grader's own faults."""

    check: Check
    message: str
    figures: list[ShownFigure]


@dataclass(frozen=True)
class ShownGrade:
    """A grade as its student reads it."""

    grade: Grade
    anchor: str
    state: str
    outcome: str
    waiting: float
    checks: list[ShownCheck]
    late_penalty: float
    outdated: str


def render_student(
    student: str,
    works: Sequence[GradedWork],
    course_title: str,
    missing: Mapping[str, float] | None = None,
) -> str:
    """The page of one student, as HTML.

    Args:
        works: this student's grades, in the order in which to show them.
        missing: title -> points of exercises that they did not hand in.
    """
    album = _Album()
    return render(
        "student.html",
        student=student,
        course_title=course_title,
        grades=[_shown(work, album) for work in works],
        missing=missing or {},
    )


class _Album:
    """Hands out pictures until a page holds enough of them."""

    def __init__(self) -> None:
        self._left = MOST_PICTURE_BYTES

    def take(self, work: GradedWork, name: str) -> Picture | None:
        data = read_png(work, name)
        if data is None or len(data) > self._left:
            return None
        self._left -= len(data)
        return picture(data)


def _shown(work: GradedWork, album: _Album) -> ShownGrade:
    grade = work.grade
    return ShownGrade(
        grade=grade,
        anchor=anchor(grade.exercise),
        state=grade_word(grade.status),
        outcome=outcome([check.status for check in grade.checks]),
        waiting=sum(check.max_points for check in grade.checks if check.status == "needs_manual_grade"),
        checks=[
            ShownCheck(
                check=check.model_copy(update={"fault": ""}),
                # What is said of the whole submission need not be said again of every check.
                message="" if check.message == grade.message else check.message,
                figures=[_figure(work, name, album) for name in check.figures],
            )
            for check in grade.checks
        ],
        late_penalty=work.late_penalty,
        outdated=work.outdated,
    )


def _figure(work: GradedWork, name: str, album: _Album) -> ShownFigure:
    note = work.grade.figure_notes.get(name)
    return ShownFigure(
        caption=note.caption if note else "", picture=album.take(work, name), seen_by=note.seen_by if note else []
    )
