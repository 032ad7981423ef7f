"""Grading one file outside any class."""

from __future__ import annotations

from pathlib import Path

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError, Networks
from netlens_core.grading.grade import Grade
from netlens_core.grading.intake import read_submission_file
from netlens_core.grading.pool import Work, grade_all


def grade_one(course: Course, file: Path, slug: str, student: str, sandbox: str) -> Grade:
    """Grade a file as one student's submission for an exercise, in a process of its own.

    Raises CourseError for a file that cannot be read at all or an unknown exercise.
    """
    data = read_submission_file(file)
    if isinstance(data, str):
        raise CourseError(data)
    names = course.sheet.networks
    networks = Networks(names.target, tuple(names.jury), course.fingerprints)
    work = Work(
        label=file.name,
        sha256="",
        load=lambda: (data, file.name),
        exercise=course.exercise(slug),
        networks=networks,
        seed=course.seed(student, slug),
        sandbox=sandbox,
    )
    [(_, grade)] = grade_all([work], workers=1)
    return grade
