"""Marks that people gave: a file each in the course's hidden folder, kept whatever is graded again.

A mark belongs to a student, an exercise and a check, and remembers what was marked. Grades in the store stay as netlens
made them; marks are laid over them when they are shown. Written answers are marked here or in nbgrader's formgrader;
there, people also put their points in the place of a check's own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.files import PRIVATE, read_regular_file, write_atomically
from netlens_core.grading.grade import Check, CheckStatus, Grade, PersonsMark
from netlens_core.grading.plain_text import plain

LONGEST_COMMENT = 4000
Place: TypeAlias = tuple[str, str, str]  # student, exercise, check


@dataclass(frozen=True)
class Mark:
    """What a person gave for a check, and what they looked at.

    `points` is None where they only commented or gave `extra_credit`, which comes on top of the check's points.
    `answer_sha256` is what `marked_sha256` gave then.
    """

    student: str
    exercise: str
    check: str
    points: float | None
    comment: str
    answer_sha256: str
    extra_credit: float = 0.0

    @property
    def place(self) -> Place:
        """What it belongs to."""
        return self.student, self.exercise, self.check


class Marks:
    """The marks of a course, below its hidden folder."""

    def __init__(self, hidden_folder: Path) -> None:
        self.folder = hidden_folder / "marks"

    def _path(self, place: Place) -> Path:
        digest = hashlib.sha256("\x1f".join(place).encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / f"{digest}.json"

    def read(self) -> dict[Place, Mark]:
        """All marks. Raises CourseError for a file that is damaged: a person's work is not passed over in silence."""
        marks = (_read(path) for path in sorted(self.folder.glob("[!.]*.json")))
        return {mark.place: mark for mark in marks}

    def write(self, mark: Mark) -> None:
        """Keep a mark, in the place of an earlier one for the same check."""
        write_atomically(self._path(mark.place), json.dumps(asdict(mark), indent=1).encode() + b"\n", PRIVATE)

    def withdraw(self, place: Place) -> bool:
        """Take a mark back, so that its check waits again; whether there was one."""
        path = self._path(place)
        known = path.exists()
        path.unlink(missing_ok=True)
        return known


def _read(path: Path) -> Mark:
    try:
        mark = Mark(**json.loads(read_regular_file(path)))
        texts = (mark.student, mark.exercise, mark.check, mark.comment, mark.answer_sha256)
        numbers = (0.0 if mark.points is None else mark.points, mark.extra_credit)
        if not all(isinstance(text, str) for text in texts) or not all(0 <= number < 1e6 for number in numbers):
            raise ValueError
    except (ValueError, TypeError):
        raise CourseError(
            f"{path} is damaged: it held a mark; take it from a backup, or delete it and mark again"
        ) from None
    return mark


def answer_sha256(check: Check) -> str:
    """SHA-256 (hex) of what a person marks: the written answer or, without one, the pictures."""
    shown = check.answer or "\n".join(check.figures)
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()


def marked_sha256(grade: Grade, check: Check) -> str:
    """SHA-256 (hex) of what a mark for a check of an unmarked grade is about: the answer, else the whole submission."""
    return answer_sha256(check) if markable(check) else grade.submission_sha256


def markable(check: Check) -> bool:
    """Whether a check waits for a person's mark, or has one; not so where the grader itself failed."""
    return check.mark is not None or (check.status == "needs_manual_grade" and not check.fault)


def with_marks(grade: Grade, student: str, marks: Mapping[Place, Mark]) -> Grade:
    """The grade as people marked it. A mark counts, also where the answer changed since or the grader failed."""
    checks = [_marked(grade, check, marks.get((student, grade.exercise, check.name))) for check in grade.checks]
    if checks == grade.checks:
        return grade
    return grade.model_copy(update={"checks": checks, "points": sum(check.points for check in checks)})


def _marked(grade: Grade, check: Check, mark: Mark | None) -> Check:
    if mark is None:
        return check
    comment = plain(mark.comment, LONGEST_COMMENT)
    if mark.points is None:
        note = PersonsMark(comment=comment, scored=False, extra_credit=mark.extra_credit)
        return check.model_copy(update={"points": check.points + mark.extra_credit, "mark": note})
    points = min(mark.points, check.max_points)
    status: CheckStatus = "passed" if points == check.max_points else "partial" if points else "failed"
    outdated = mark.answer_sha256 != marked_sha256(grade, check)
    note = PersonsMark(comment=comment, outdated=outdated, extra_credit=mark.extra_credit)
    update = {"points": points + mark.extra_credit, "status": status, "message": "", "mark": note}
    return check.model_copy(update=update)


def pseudonym(secret: str, student: str, exercise: str) -> str:
    """A name that tells nothing of a student, the same whenever it is asked for; another one in each exercise."""
    parts = "\x1f".join(("pseudonym", exercise, student)).encode("utf-8", "surrogatepass")
    return f"anon-{hmac.new(secret.encode(), parts, hashlib.sha256).hexdigest()[:12]}"
