"""Rows of nbgrader's gradebook that netlens reads and writes: everybody's work for one exercise, in few queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from sqlalchemy import Select


@dataclass
class GradeRow:
    """A check of one submission: what the grader and what a person gave."""

    id: str
    auto_score: float | None
    manual_score: float | None
    extra_credit: float | None
    needs_manual_grade: bool

    @property
    def score(self) -> float:
        """What counts, as nbgrader counts it."""
        given = self.auto_score if self.manual_score is None else self.manual_score
        return 0.0 if given is None else given + (self.extra_credit or 0.0)


@dataclass
class CommentRow:
    """A commented cell of one submission."""

    id: str
    auto_comment: str | None
    manual_comment: str | None


@dataclass
class WorkRows:
    """One student's work for an exercise; rows by the names of their cells."""

    submission: str
    notebook: str
    timestamp: datetime | None
    due: datetime | None
    penalty: float | None
    grades: dict[str, GradeRow] = field(default_factory=dict)
    comments: dict[str, CommentRow] = field(default_factory=dict)

    def seconds_late(self, timestamp: datetime | None) -> float:
        """How long after the due date, extensions included; 0 in time, and where no date is known."""
        if timestamp is None or self.due is None:
            return 0.0
        return max(0.0, (timestamp - self.due).total_seconds())


def read_works(book: Gradebook, slug: str) -> dict[str, WorkRows]:
    """Student -> their work in the exercise's notebook."""
    from nbgrader.api import Assignment, BaseCell, Comment, Grade, Notebook, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import select

    def of_this(query: Select) -> Select:
        return (
            query.join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .join(Notebook, SubmittedNotebook.notebook_id == Notebook.id)
            .where(Assignment.name == slug, Notebook.name == slug)
        )

    found, by_notebook = {}, {}
    columns = (
        *(SubmittedAssignment.student_id, SubmittedAssignment.id, SubmittedNotebook.id, SubmittedAssignment.timestamp),
        *(Assignment.duedate, SubmittedAssignment.extension, SubmittedNotebook.late_submission_penalty),
    )
    query = of_this(select(*columns).select_from(SubmittedNotebook))
    for student, submission, notebook, timestamp, due, extension, penalty in book.db.execute(query):
        due = due and due + (extension or timedelta())
        found[student] = by_notebook[notebook] = WorkRows(submission, notebook, timestamp, due, penalty)
    values = (Grade.id, Grade.auto_score, Grade.manual_score, Grade.extra_credit, Grade.needs_manual_grade)
    for notebook, name, *row in book.db.execute(
        of_this(_with_cells(select(Grade.notebook_id, BaseCell.name, *values), Grade))
    ):
        by_notebook[notebook].grades[name] = GradeRow(*row)
    texts = (Comment.id, Comment.auto_comment, Comment.manual_comment)
    for notebook, name, *row in book.db.execute(
        of_this(_with_cells(select(Comment.notebook_id, BaseCell.name, *texts), Comment))
    ):
        by_notebook[notebook].comments[name] = CommentRow(*row)
    return found


def _with_cells(query: Select, row: type) -> Select:
    from nbgrader.api import BaseCell, SubmittedNotebook

    cells = query.select_from(row).join(BaseCell, BaseCell.id == row.cell_id)  # type: ignore[attr-defined]
    return cells.join(SubmittedNotebook, SubmittedNotebook.id == row.notebook_id)  # type: ignore[attr-defined]


def points_of_checks(book: Gradebook, slug: str) -> dict[str, float]:
    """Cell -> its points, as the gradebook has them; empty for an exercise that it does not know."""
    from nbgrader.api import Assignment, GradeCell, Notebook
    from sqlalchemy import select

    query = (
        select(GradeCell.name, GradeCell.max_score)
        .join(Notebook, GradeCell.notebook_id == Notebook.id)
        .join(Assignment, Notebook.assignment_id == Assignment.id)
        .where(Assignment.name == slug, Notebook.name == slug)
    )
    return {name: float(points) for name, points in book.db.execute(query)}


def add_works(book: Gradebook, slug: str, students: Iterable[str]) -> None:
    """A place for each student's work, with empty rows, as nbgrader's `add_submission` makes it; not committed."""
    from nbgrader.api import Assignment, Comment, Grade, Student, SubmittedAssignment, SubmittedNotebook, new_uuid

    session = book.db
    with session.no_autoflush:
        assignment = session.query(Assignment).filter(Assignment.name == slug).one()
        known = {name for (name,) in session.query(Student.id)}
        there = {
            student: submission
            for submission, student in session.query(SubmittedAssignment.id, SubmittedAssignment.student_id).filter(
                SubmittedAssignment.assignment_id == assignment.id
            )
        }
        for student in students:
            if student not in known:
                session.add(Student(id=student))
            submission = there.get(student) or new_uuid()
            if student not in there:
                session.add(SubmittedAssignment(id=submission, assignment_id=assignment.id, student_id=student))
            for notebook in assignment.notebooks:
                if student in there and notebook.name != slug:
                    continue
                work = new_uuid()
                session.add(SubmittedNotebook(id=work, assignment_id=submission, notebook_id=notebook.id))
                graded = [*notebook.grade_cells, *notebook.task_cells]
                session.add_all(Grade(id=new_uuid(), cell_id=cell.id, notebook_id=work) for cell in graded)
                commented = [*notebook.solution_cells, *notebook.task_cells]
                session.add_all(Comment(id=new_uuid(), cell_id=cell.id, notebook_id=work) for cell in commented)
        session.flush()
