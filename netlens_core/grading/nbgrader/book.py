"""A course's grades in nbgrader's gradebook: what netlens graded goes in, what people entered in formgrader comes out.

Only what differs is written, each exercise in one transaction. Scores that a person gave, their comments and extra
credit are never written over by a regrade; netlens changes them only where somebody did so with `netlens mark`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Exercise
from netlens_core.grading.grade import Check, Grade
from netlens_core.grading.marks import Mark, Place, marked_sha256
from netlens_core.grading.nbgrader.cells import record_cells
from netlens_core.grading.nbgrader.database import Database, begin_snapshot
from netlens_core.grading.nbgrader.entered import NOTHING, Stands, Values, values, values_of
from netlens_core.grading.nbgrader.handed_out import HandedOut
from netlens_core.grading.nbgrader.lateness import Penalties, timestamp_of
from netlens_core.grading.nbgrader.memory import Left, file_state
from netlens_core.grading.nbgrader.panel import comment_on
from netlens_core.grading.nbgrader.rows import WorkRows, add_works, points_of_checks, read_works

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

LONGEST_NAME = 128  # characters of a student's ID, as nbgrader's tables have it


@dataclass
class Written:
    """What `Book.write` left in the gradebook: by check, seconds late by student and exercise, and what went wrong.

    `newer` tells that somebody entered something meanwhile; `state` is that of the database's file, what came later
    apart.
    """

    left: dict[Place, Left] = field(default_factory=dict)
    late: dict[tuple[str, str], float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    newer: bool = False
    state: list[Any] = field(default_factory=list)


class Book:
    """nbgrader's gradebook of a course. Raises CourseError where `nbgrader_config.py` cannot be loaded."""

    def __init__(self, course: Course, exercises: Mapping[str, Exercise]) -> None:
        self.course = course
        self.database = Database(course)
        self.handed_out = {slug: HandedOut(course, exercise) for slug, exercise in exercises.items()}
        self._penalties = Penalties(course.folder)

    def read(self) -> dict[Place, Stands]:
        """What people may have entered, by student, exercise and check; nothing where there is no database yet.

        Raises DatabaseError.
        """
        if self.database.path and not self.database.path.exists():
            return {}
        with self.database.opened() as book:
            return self._standing(book)

    def _standing(self, book: Gradebook) -> dict[Place, Stands]:
        def once() -> dict[Place, Stands]:
            begin_snapshot(book, writing=False)
            found = {
                (student, slug, check.name): stands(rows, check.name, handed_out)
                for slug, handed_out in self.handed_out.items()
                for student, rows in read_works(book, slug).items()
                for check in handed_out.checks
                if check.name in rows.grades
            }
            book.db.rollback()  # nothing was written; others may go on
            return found

        return self.database.tried(once, book.db.rollback)

    def write(
        self,
        graded: Sequence[tuple[str, Grade]],
        marks: Mapping[Place, Mark],
        known: Mapping[Place, Left],
        outdated: Mapping[tuple[str, str], str] | None = None,
    ) -> Written:
        """Write the grades of students (unmarked, as netlens made them) with the marks that people gave.

        `outdated` has, by student and exercise, why a grade is not the one that grading would give now.

        `known` is what stood in the gradebook when `marks` were read; what a person entered since stays. Writing the
        same again changes nothing. Raises DatabaseError, and CourseError where an exercise lost a cell that a person
        has marked; exercises written before that stay written.
        """
        written = Written()
        by_slug: dict[str, list[tuple[str, Grade]]] = {}
        for student, grade in graded:
            if _storable(student):
                by_slug.setdefault(grade.exercise, []).append((student, grade))
            else:
                written.problems.append(
                    f"{student[:60]!a} cannot be kept in nbgrader's gradebook: an ID there has at most "
                    f"{LONGEST_NAME} characters, all of them printable and UTF-8; rename the folder in submitted/"
                )
        with self.database.opened() as book:
            for slug, works in by_slug.items():
                self._write_exercise(book, slug, works, _Entered(marks, known, outdated or {}), written)
            written.state = file_state(self.database.path)
            standing = self._standing(book)
            written.newer = any(
                place in standing and values(standing[place]) != values(left) for place, left in written.left.items()
            )
        return written

    def _write_exercise(
        self,
        book: Gradebook,
        slug: str,
        works: Sequence[tuple[str, Grade]],
        entered: _Entered,
        written: Written,
    ) -> None:
        handed_out = self.handed_out[slug]
        timestamps = {student: timestamp_of(self.course.folder / "submitted" / student / slug) for student, _ in works}

        def once() -> list[_Work]:
            if points_of_checks(book, slug) != {check.name: check.points for check in handed_out.checks}:
                record_cells(book, slug, handed_out.data)
            begin_snapshot(book, writing=True)
            rows = read_works(book, slug)
            if new := [student for student, _ in works if student not in rows]:
                add_works(book, slug, new)
                rows = read_works(book, slug)
            done = [_Work(rows[student], student, grade, handed_out, entered) for student, grade in works]
            for work in done:
                work.write(book, timestamps[work.student], self._penalties)
            book.db.commit()
            return done

        for work in self.database.tried(once, book.db.rollback):
            written.left.update(work.left())
            if late := work.rows.seconds_late(work.rows.timestamp):
                written.late[work.student, slug] = late


def _storable(student: str) -> bool:
    return len(student) <= LONGEST_NAME and student.isprintable()


def stands(rows: WorkRows, check: str, handed_out: HandedOut) -> Stands:
    """What a person may have entered at a check; a comment at a cell without points counts for what tests the cell."""
    row = rows.grades[check]
    cells = [cell for cell, about in handed_out.commented.items() if about == check and cell in rows.comments]
    comments = [rows.comments[cell].manual_comment for cell in cells]
    comment = "\n\n".join(text for text in comments if text) or None
    return Stands(row.id, row.manual_score, row.extra_credit, comment, row.needs_manual_grade)


@dataclass(frozen=True)
class _Entered:
    """People's marks, what they had entered in the gradebook when these were read, and which grades are outdated."""

    marks: Mapping[Place, Mark]
    known: Mapping[Place, Left]
    outdated: Mapping[tuple[str, str], str]

    def values(self, place: Place, row: str) -> Values:
        """What a person had entered in a row of the gradebook; nothing in a row that was made anew."""
        left = self.known.get(place)
        return values(left) if left is not None and left.row == row else NOTHING


class _Work:
    """One student's work for an exercise, on its way into the gradebook."""

    def __init__(self, rows: WorkRows, student: str, grade: Grade, handed_out: HandedOut, entered: _Entered) -> None:
        self.rows, self.student, self.grade, self._handed_out = rows, student, grade, handed_out
        self._checks = {check.name: check for check in grade.checks if check.name in rows.grades}
        places = {name: (student, grade.exercise, name) for name in self._checks}
        self._marks = {name: entered.marks.get(place) for name, place in places.items()}
        self._known = {name: entered.values(place, rows.grades[name].id) for name, place in places.items()}
        self._outdated = entered.outdated.get((student, grade.exercise), "")
        self._newer = {name for name, known in self._known.items() if values(self._stands(name)) != known}

    def _stands(self, check: str) -> Stands:
        return stands(self.rows, check, self._handed_out)

    def left(self) -> dict[Place, Left]:
        """What netlens knows of each check now; of what somebody entered meanwhile, only what stood before."""
        found = {}
        for name, check in self._checks.items():
            now = self._stands(name)
            score, extra_credit, comment = self._known[name] if name in self._newer else values(now)
            found[self.student, self.grade.exercise, name] = Left(
                now.row, score, extra_credit, comment, now.asked, marked_sha256(self.grade, check)
            )
        return found

    def write(self, book: Gradebook, timestamp: datetime | None, penalties: Penalties) -> None:
        """Write what differs; not committed."""
        for check in self._checks.values():
            self._write_check(book, check)
        self._write_comments(book)
        self._write_lateness(book, timestamp, penalties)

    def _write_check(self, book: Gradebook, check: Check) -> None:
        from nbgrader.api import Grade as GradeTable

        row, mark = self.rows.grades[check.name], self._marks[check.name]
        waits = check.status == "needs_manual_grade"
        wanted: dict[str, Any] = {"auto_score": None if waits else check.points}
        if check.name not in self._newer:
            score, extra_credit, _ = values_of(mark)
            outdated = mark is not None and mark.answer_sha256 != marked_sha256(self.grade, check)
            wanted |= {"manual_score": score, "extra_credit": extra_credit or None}
            wanted["needs_manual_grade"] = waits if score is None else outdated
        _update(book, GradeTable, row, wanted)

    def _write_comments(self, book: Gradebook) -> None:
        from nbgrader.api import Comment as CommentTable

        for cell, row in self.rows.comments.items():
            tests = self._handed_out.tested.get(cell, [])
            told = comment_on((self._checks[name] for name in tests if name in self._checks), self._outdated)
            wanted = {"auto_comment": told or None}
            check = self._handed_out.commented.get(cell)
            if check in self._checks and check not in self._newer:
                score, _, comment = values_of(self._marks[check])
                if score is not None and check == cell:  # what was said of an answer that a person has marked by now
                    wanted["auto_comment"] = None
                if comment != values(self._stands(check))[2]:
                    wanted["manual_comment"] = (comment or None) if cell == self._place_of_comment(check) else None
            _update(book, CommentTable, row, wanted)

    def _place_of_comment(self, check: str) -> str:
        """The cell where a comment on a check belongs: its own, or the first that it tests."""
        commented = self._handed_out.commented
        cells = [cell for cell in self.rows.comments if commented.get(cell) == check]
        return check if check in cells else min(cells, key=[*commented].index)

    def _write_lateness(self, book: Gradebook, timestamp: datetime | None, penalties: Penalties) -> None:
        from nbgrader.api import SubmittedAssignment, SubmittedNotebook

        rows = self.rows
        if timestamp is not None:
            _update(book, SubmittedAssignment, rows, {"timestamp": timestamp}, rows.submission)
        score = sum(row.score for row in rows.grades.values())
        penalty = penalties.of(self.student, score, rows.seconds_late(rows.timestamp))
        if penalty != rows.penalty:
            _execute(book, SubmittedNotebook, rows.notebook, {"late_submission_penalty": penalty})
            rows.penalty = penalty


def _update(book: Gradebook, table: Any, row: Any, wanted: Mapping[str, Any], key: str = "") -> None:
    """Set the columns that differ, in the table and in what was read of it."""
    changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if changed:
        _execute(book, table, key or row.id, changed)
        for name, value in changed.items():
            setattr(row, name, value)


def _execute(book: Gradebook, table: Any, key: str, values: Mapping[str, Any]) -> None:
    from sqlalchemy import update

    book.db.execute(update(table).where(table.id == key).values(**values).execution_options(synchronize_session=False))
