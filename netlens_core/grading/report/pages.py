"""Writing a class's pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from netlens_core.grading.changes import Change
from netlens_core.grading.report.classroom import render_class
from netlens_core.grading.report.names import page_names
from netlens_core.grading.report.student import render_student
from netlens_core.grading.report.work import GradedWork, exercises_of, students_of, titles_of
from netlens_core.grading.store import write_atomically
from netlens_core.progress import detail


def write_reports(
    works: Sequence[GradedWork],
    course_title: str,
    folder: Path,
    maximum: Mapping[str, float],
    changes: Sequence[Change] = (),
) -> Path:
    """Write `index.html`, the class's page for course staff, and a page for each student; returns the former.

    Args:
        maximum: exercise -> its points, in the course's order.
        changes: the points that the last run changed, for course staff.

    A student's page names no other student. Raises OSError where the folder cannot be written.
    """
    slugs = exercises_of(works, maximum)
    titles = titles_of(works)
    most = {work.grade.exercise: work.grade.max_points for work in works} | dict(maximum)
    pages = page_names(students_of(works))
    by_student: dict[str, dict[str, GradedWork]] = {}
    for work in works:
        by_student.setdefault(work.student, {})[work.grade.exercise] = work
    for number, (student, page) in enumerate(pages.items(), 1):
        detail(f"page {number} of {len(pages)}")
        theirs = by_student[student]
        in_order = [theirs[slug] for slug in slugs if slug in theirs]
        missing = {titles[slug]: most[slug] for slug in slugs if slug not in theirs}
        _write(folder / page, render_student(student, in_order, course_title, missing))
    index = folder / "index.html"
    _write(index, render_class(works, course_title, maximum, pages, changes))
    return index


def _write(path: Path, html: str) -> None:
    write_atomically(path, html.encode("utf-8", "replace"))
