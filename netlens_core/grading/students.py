"""Lists of students, as registries and platforms write them: one ID a line, or a table with a column of IDs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.headings import folded, no_column
from netlens_core.grading.plain_text import plain
from netlens_core.grading.spreadsheets import read_table
from netlens_core.own_inputs import InputsError, student_id

_SHORTENED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
# Headings that platforms use, the surest first.
HEADINGS = ("student", "student id", "student_id", "id", "id number", "username", "login", "sis login id", "sid")


def read_students(path: Path, column: str | None = None) -> list[str]:
    """The IDs in a file: one a line, or the column of a table that is named so, or that has a usual heading.

    Raises CourseError for a file that cannot be read, a table without such a column, an ID that cannot be one, and no
    IDs at all; the message names file and row.
    """
    rows = read_table(path)
    place, first = id_column(path, rows, column)
    found = []
    for number, row in enumerate(rows[first:], first + 1):
        text = row[place].strip() if place < len(row) else ""
        if text:
            found.append(id_in_row(path, number, text))
    if not found:
        raise CourseError(f"{path} names no student: write one ID a line")
    return distinct(found)


def id_in_row(path: Path, number: int, text: str) -> str:
    """A cell as a student ID. Raises CourseError, naming file and row, for one that cannot be one."""
    if _SHORTENED.fullmatch(text):
        raise CourseError(
            f"{path}, row {number}: {plain(text, 40)!r} is a number that a spreadsheet shortened: take the table from "
            "the platform again, or format the column as text"
        )
    try:
        return student_id(text)
    except InputsError as error:
        raise CourseError(f"{path}, row {number}: {error}") from None


def id_column(path: Path, rows: list[list[str]], column: str | None) -> tuple[int, int]:
    """Where the IDs stand: the column, and the first row with one. Raises CourseError."""
    heading = [folded(cell) for cell in rows[0]] if rows else []
    wanted = [folded(column)] if column else HEADINGS
    for name in wanted:
        if name in heading:
            return heading.index(name), 1
    if column or len(heading) > 1:
        told = no_column(column or "student", rows[0] if rows else [])
        raise CourseError(f"{path}: {told}: name one with --column")
    return 0, 0


def distinct(students: Iterable[str]) -> list[str]:
    """Each student once. Raises CourseError where some file systems could not tell two of them apart."""
    known: dict[str, str] = {}
    for student in students:
        other = known.setdefault(student.casefold(), student)
        if other != student:
            raise CourseError(f"{student!r} and {other!r} differ in case only: their folders would be the same on some")
    return list(known.values())
