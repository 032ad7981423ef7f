"""Canvas's gradebook as CSV: the file that a teacher exported, filled in; without one, a file for its import.

Canvas finds students by `ID`, then `SIS User ID`, `SIS Login ID` and name, and assignments by the number after their
title; a title that it does not know becomes a new assignment. It takes over what `Points Possible` says, so that row
stays as it is, and points are scaled to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.exports.decimal_marks import Cell, DecimalMark, decimal_mark
from netlens_core.grading.exports.matching import Person, match
from netlens_core.grading.exports.platform_sheet import PlatformSheet, harmless, looks_like_formula
from netlens_core.grading.exports.scores import Exported, Scored, listed, unfinished_note
from netlens_core.grading.headings import folded, no_column

_ID_COLUMNS = {"ID": "id", "SIS User ID": "number", "SIS Login ID": "login"}
_SPLIT_NAMES = ["LastName", "FirstName"]
_POINTS_POSSIBLE = "    Points Possible"
_NUMBER_AFTER_TITLE = re.compile(r"\s*\(\d+\)$")


@dataclass(frozen=True)
class Assignment:
    """An exercise as Canvas may know it: by slug or title, and what it gives at most."""

    slug: str
    titles: tuple[str, ...]
    most: float


def filled_sheet(
    path: Path,
    works: Sequence[Scored],
    people: Sequence[Person],
    assignments: Sequence[Assignment],
    columns: Mapping[str, str],
    decimal: str = "",
) -> Exported:
    """A gradebook that Canvas exported, with netlens's points in the columns of its exercises.

    Args:
        columns: slug -> heading, where a column has neither the exercise's title nor its slug.
        decimal: the sheet's decimal mark, where its numbers do not tell.

    Cells of students without a grade, and of those whom Canvas excuses (`EX`), stay. Raises CourseError for a file
    that is no gradebook of Canvas, has two columns for an exercise, or numbers that can be read in two ways.
    """
    sheet = PlatformSheet.read(path)
    _refuse_others(path, sheet.heading)
    exported = Exported(notes=unfinished_note(works), filled=set())
    first = next((at + 1 for at, row in enumerate(sheet.rows) if _tells_points_possible(sheet, row)), 0)
    if not first:  # Canvas leaves the row out of nothing, but people do
        first = next((at for at, row in enumerate(sheet.rows) if row[0].strip()), len(sheet.rows))
    students = sheet.rows[first:]
    places = {kind: sheet.heading.index(name) for name, kind in _ID_COLUMNS.items() if name in sheet.heading}
    names = [_name(sheet, row) for row in students]
    told = [{kind: row[at] for kind, at in places.items()} for row in students]
    found = match(people, [known | {"name": name} for known, name in zip(told, names, strict=True)])
    _tell(exported, found.missing_students, found.ambiguous, [names[at] for at in found.missing_rows])
    ids = list(places.values())
    unsafe = {at for at, row in enumerate(students) if any(looks_like_formula(row[place]) for place in ids)}
    scores = range(sheet.heading.index("Section") + 1, len(sheet.heading))
    numbers = [sheet.cell(row, at) for row in range(max(first - 1, 0), len(sheet.rows)) for at in scores]
    marks = decimal_mark(str(path), numbers, sheet.separator, decimal)
    grades = {(work.student, work.grade.exercise): work for work in works}
    for assignment in assignments:
        given = {
            found.rows[student]: work
            for (student, slug), work in grades.items()
            if slug == assignment.slug and student in found.rows and found.rows[student] not in unsafe
        }
        wanted = given or assignment.slug in columns
        at = _column(path, sheet, assignment, columns, exported, first, marks) if wanted else None
        if at is not None:
            possible = sheet.cell(first - 1, at) if first else Cell("", "")
            _fill(path, students, at, given, assignment, possible, marks, exported)
    for row in students:
        for at in range(sheet.heading.index("ID")):
            row[at] = harmless(row[at])
    _keep_out_formulas(sheet, students, ids, exported)
    exported.files["canvas.csv"] = sheet.as_bytes()
    return exported


def _refuse_others(path: Path, heading: Sequence[str]) -> None:
    names = heading[: heading.index("ID")] if "ID" in heading else []
    if names not in (["Student"], _SPLIT_NAMES) or "Section" not in heading:
        raise CourseError(
            f"{path} is no gradebook of Canvas, which begins with Student and has the columns ID and Section: in "
            "Canvas, open Grades, choose Export, and give that file"
        )


def _tells_points_possible(sheet: PlatformSheet, row: Sequence[str]) -> bool:
    """Whether a row is Canvas's second heading; in whatever language, it is indented and has no IDs."""
    ids = row[sheet.heading.index("ID") : sheet.heading.index("Section") + 1]
    return row[0].strip() == "Points Possible" or (row[0][:2] == "  " and bool(row[0].strip()) and not any(ids))


def _name(sheet: PlatformSheet, row: Sequence[str]) -> str:
    """A student's name, last name first; Canvas can be set to split it into two columns."""
    return ", ".join(row[: sheet.heading.index("ID")]).strip(", ")


def _tell(exported: Exported, missing: Sequence[str], ambiguous: Sequence[str], rows: Sequence[str]) -> None:
    if missing:
        exported.notes.append(f"not in the sheet, so without a grade there: {listed(missing)}")
    if ambiguous:
        exported.notes.append(f"fits several rows of the sheet, so left out: {listed(ambiguous)}")
        exported.left_out = True
    others = [name for name in rows if name.strip() and name.strip() != "Student, Test"]
    if others:
        exported.notes.append(f"only in the sheet, left as they are: {listed(others)}")


def _column(
    path: Path,
    sheet: PlatformSheet,
    assignment: Assignment,
    columns: Mapping[str, str],
    exported: Exported,
    first: int,
    marks: DecimalMark,
) -> int:
    """Where an exercise's column stands; a new one is made before Canvas's own sums where there is none."""
    wanted = columns.get(assignment.slug)
    names = {folded(title) for title in ([wanted] if wanted else [assignment.slug, *assignment.titles])}
    found = [
        at
        for at, heading in enumerate(sheet.heading)
        if {folded(heading), folded(_NUMBER_AFTER_TITLE.sub("", heading))} & names
    ]
    if len(found) > 1:
        shown = " and ".join(repr(sheet.heading[at]) for at in found)
        raise CourseError(f'{path} has {shown} for {assignment.slug}: say which, --column {assignment.slug}="…"')
    if found:
        return found[0]
    if wanted:
        raise CourseError(f"{path} has {no_column(wanted, sheet.heading)}: --column {assignment.slug}=…")
    sums = ("Current Points", "Final Points", "Current Score", "Final Score", "Current Grade", "Final Grade")
    possible = sheet.rows[first - 1] if first else []
    own = (
        at
        for at, heading in enumerate(sheet.heading)
        if heading.endswith(sums) or (at < len(possible) and "read only" in possible[at])
    )
    place = next(own, len(sheet.heading))
    title = assignment.titles[0]
    sheet.heading.insert(place, title)
    for at, row in enumerate(sheet.rows):
        row.insert(place, marks.written(assignment.most) if at == first - 1 else "")
    exported.notes.append(f"the sheet has no column for {assignment.slug}: Canvas will make the assignment {title!r}")
    return place


def _fill(
    path: Path,
    students: Sequence[list[str]],
    at: int,
    given: Mapping[int, Scored],
    assignment: Assignment,
    possible: Cell,
    marks: DecimalMark,
    exported: Exported,
) -> None:
    if "read only" in possible.text:
        exported.notes.append(
            f"Canvas takes no grades for {assignment.slug} in {possible.place}, as it says (read only): left as it is"
        )
        exported.left_out = True
        return
    scale = _scale(path, assignment, possible, marks, exported)
    marks = marks.like(possible)
    excused = []
    filled = exported.filled or set()
    for place, work in given.items():
        if students[place][at].strip().upper() == "EX":
            excused.append(work.student)
        else:
            students[place][at] = marks.written(work.score * scale)
            filled.add((work.student, assignment.slug))
    exported.filled = filled
    if excused:
        exported.notes.append(f"excused from {assignment.slug} in Canvas, left so: {listed(excused)}")


def _scale(path: Path, assignment: Assignment, possible: Cell, marks: DecimalMark, exported: Exported) -> float:
    """What points are multiplied with, so that the most of them is the most in Canvas."""
    text = possible.text.strip()
    if not text:
        exported.notes.append(f"the sheet does not say what {assignment.slug} gives at most: points are not scaled")
        return 1.0
    most = marks.number(possible)
    if most is None or "%" in text:
        raise CourseError(f"{path}: {possible} is no number of points: correct it, or take the gradebook from Canvas")
    if most == 0:
        exported.notes.append(f"{assignment.slug} gives 0 points in Canvas: points are not scaled")
        return 1.0
    if most != assignment.most:
        exported.notes.append(
            f"{assignment.slug} gives {text} points in Canvas and {assignment.most:g} in netlens: scaled"
        )
    return most / assignment.most


def _keep_out_formulas(
    sheet: PlatformSheet, students: Sequence[list[str]], ids: Sequence[int], exported: Exported
) -> None:
    """Leave out rows whose IDs a spreadsheet would run: changed IDs would not be found, or be another's."""
    unsafe = [row for row in students if any(looks_like_formula(row[at]) for at in ids)]
    if unsafe:
        sheet.rows = [row for row in sheet.rows if not any(row is other for other in unsafe)]
        exported.notes.append(
            "left out, as their IDs would act as commands or formulas; enter these by hand: "
            f"{listed([_name(sheet, row) for row in unsafe])}"
        )
        exported.left_out = True


def new_sheet(works: Sequence[Scored], people: Sequence[Person], assignments: Sequence[Assignment]) -> Exported:
    """A file for Canvas's import from a list of students; every exercise that anyone has a grade for is a column."""
    exported = Exported(notes=unfinished_note(works))
    graded = {work.grade.exercise for work in works}
    wanted = [assignment for assignment in assignments if assignment.slug in graded]
    heading = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(each.titles[0] for each in wanted)]
    possible = [_POINTS_POSSIBLE, "", "", "", "", *(f"{each.most:.2f}" for each in wanted)]
    grades = {(work.student, work.grade.exercise): work for work in works}
    rows = []
    for person in people:
        known = person.known
        login = known.get("login") or ("" if {"id", "number"} & known.keys() else person.student)
        cells = [harmless(known.get("name") or person.student), known.get("id", ""), known.get("number", ""), login]
        cells.append(harmless(known.get("section", "")))
        points = [grades.get((person.student, each.slug)) for each in wanted]
        rows.append(cells + [f"{work.score:.2f}" if work else "" for work in points])
    sheet = PlatformSheet(heading, [possible, *rows], newline="\r\n")
    _keep_out_formulas(sheet, rows, [1, 2, 3], exported)
    kept = [person for person, row in zip(people, rows, strict=True) if any(row is other for other in sheet.rows)]
    exported.filled = {
        (each.student, slug.slug) for each in kept for slug in wanted if (each.student, slug.slug) in grades
    }
    exported.notes.append(
        "without --template, Canvas finds assignments by their title and makes those that it does not know; give it "
        "the gradebook that Canvas exports to fill in assignments that exist"
    )
    exported.files["canvas.csv"] = sheet.as_bytes()
    return exported
