"""Moodle: an assignment's offline grading worksheet, filled in; without one, a file for the course gradebook's import.

The worksheet's import reads `Identifier`, `Grade`, `Last modified (grade)` and the comments, named in the site's
language, and compares them with what Moodle has: so the sheet must be the one that Moodle wrote, all else unchanged. It
passes over grades above the maximum. An empty comment would delete one that is there; such cells are left alone.
Moodle's reader takes commas only, also of a sheet that a spreadsheet saved with semicolons.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from netlens_core.grading import headings
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.exports.decimal_marks import Cell, DecimalMark, decimal_mark, is_number
from netlens_core.grading.exports.matching import HEADINGS, Person, match
from netlens_core.grading.exports.platform_sheet import PlatformSheet, harmless, looks_like_formula
from netlens_core.grading.exports.scores import Exported, Scored, listed, unfinished_note
from netlens_core.grading.plain_text import plain

# How Moodle names the columns in its language packs; those of other sites are found by what they hold.
_NAMES = {
    "identifier": (*headings.PARTICIPANT, "id"),
    "grade": headings.GRADE,
    "maximum": headings.MAXIMUM,
    "changeable": headings.CHANGEABLE,
    "comments": headings.COMMENTS,
}
_MODIFIED = "Last modified (grade)"
COLUMNS = tuple(_NAMES)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_PARTICIPANT = re.compile(r"\D+\d+")
# PHP's reader of CSV takes a quote after a backslash for a letter, so that such a cell would swallow the rows after it.
_SWALLOWS = re.compile(r'\\(?="|$)')
# What spreadsheets run, wherever one that separates with semicolons may begin a cell; and backslashes.
_OBEYED = re.compile(r"[=@\t\\\uff1d\uff0b\uff0d\uff20]|(?<!\w)[+\-|]")


def filled_worksheet(
    path: Path,
    works: Sequence[Scored],
    people: Sequence[Person],
    most: float,
    columns: Mapping[str, str],
    decimal: str = "",
) -> Exported:
    """The worksheet of one assignment with grades and comments; `works` are of one exercise that gives `most` points.

    Args:
        columns: one of `COLUMNS` -> heading, where it cannot be told otherwise.
        decimal: the sheet's decimal mark, where its numbers do not tell.

    Rows that say that their grade cannot be changed stay. Raises CourseError for a file that is no such worksheet, and
    for numbers that can be read in two ways.
    """
    sheet = PlatformSheet.read(path)
    places = _places(path, sheet, columns)
    exported = Exported(notes=unfinished_note(works), filled=set())
    found = match(people, [_identity(sheet, row, places["identifier"]) for row in sheet.rows])
    _tell(exported, sheet, found.missing_students, found.ambiguous, found.missing_rows)
    columns_of_numbers = [places[kind] for kind in ("grade", "maximum") if kind in places]
    numbers = [sheet.cell(row, at) for row in range(len(sheet.rows)) for at in columns_of_numbers]
    marks = decimal_mark(str(path), numbers, sheet.separator, decimal)
    whole = {work.student: work for work in works}
    locked = []
    for student, at in found.rows.items():
        if student not in whole:
            continue
        if _locked(sheet.rows[at], places):
            locked.append(student)
            continue
        _fill(path, sheet, at, whole[student], most, places, marks, exported)
    if locked:
        heading = sheet.heading[places["changeable"]]
        exported.notes.append(f"Moodle says of them that {heading!r} is No, so left as they are: {listed(locked)}")
    if "comments" not in places:
        exported.notes.append(
            "the worksheet has no column for comments that netlens knows, so students get points only: say which, "
            '--column comments="…", or switch on "Feedback comments" in the assignment'
        )
    for at, heading in enumerate(sheet.heading):
        if at not in places.values() and heading != _MODIFIED:
            for row in sheet.rows:
                row[at] = _SWALLOWS.sub(r"\\ ", harmless(row[at]))
    exported.notes = list(dict.fromkeys(exported.notes))
    sheet.separator = ","
    exported.files["moodle.csv"] = sheet.as_bytes()
    return exported


def _places(path: Path, sheet: PlatformSheet, columns: Mapping[str, str]) -> dict[str, int]:
    places = {}
    for kind, names in _NAMES.items():
        at = headings.place_of(sheet.heading, (columns[kind],) if kind in columns else names)
        if at is None and kind in columns:
            raise CourseError(f"{path} has {headings.no_column(columns[kind], sheet.heading)}: --column {kind}=…")
        if at is not None:
            places[kind] = at
    filled = [row for row in sheet.rows if any(row)]
    if "identifier" not in places and filled and all(_PARTICIPANT.fullmatch(row[0]) for row in filled):
        places["identifier"] = 0
    if "maximum" not in places and "grade" not in places:
        # Moodle writes the maximum, the same for all, right after the grade.
        same = [at for at in range(2, len(sheet.heading)) if len({row[at] for row in filled}) == 1]
        numbers = [at for at in same if is_number(filled[0][at])]
        if numbers:
            places["maximum"] = numbers[-1]
    if "grade" not in places and "maximum" in places:
        places["grade"] = places["maximum"] - 1
    missing = {"identifier", "grade"} - places.keys()
    if missing:
        known = plain(", ".join(sheet.heading[:20]), 400)
        raise CourseError(
            f"{path} is no grading worksheet of Moodle that netlens knows (no {' and no '.join(sorted(missing))}; it "
            f"has {known}): in Moodle, open the assignment, choose View all submissions, then Download grading "
            'worksheet, and give that file; on a site in another language name the column, --column grade="…"'
        )
    _add_neighbours(filled, places)
    return places


def _add_neighbours(filled: Sequence[Sequence[str]], places: dict[str, int]) -> None:
    """Find maximum and "grade can be changed" where they always stand: after the grade, and after the maximum."""
    width = len(filled[0]) if filled else 0
    after = places["grade"] + 1
    if "maximum" not in places and after < width:
        cells = {row[after].strip() for row in filled}
        if len(cells) == 1 and is_number(next(iter(cells))):
            places["maximum"] = after
    after = places.get("maximum", places["grade"]) + 1
    if "changeable" not in places and after < width and after not in places.values():
        words = {headings.folded(row[after]) for row in filled} - {""}
        if words and words <= headings.YES | headings.NO:
            places["changeable"] = after


def _locked(row: Sequence[str], places: Mapping[str, int]) -> bool:
    return "changeable" in places and headings.folded(row[places["changeable"]]) in headings.NO


def _identity(sheet: PlatformSheet, row: Sequence[str], identifier: int) -> dict[str, str]:
    known = {"participant": row[identifier]}
    for kind, names in HEADINGS.items():
        for at, heading in enumerate(sheet.heading):
            if headings.folded(heading) in names and kind not in ("id", "participant"):
                known.setdefault(kind, row[at])
    # Full name is the second column in every language, and what holds an @ is an e-mail address.
    known.setdefault("name", row[1] if len(row) > 1 else "")
    known.setdefault("email", next((cell for cell in row[2:5] if _EMAIL.fullmatch(cell.strip())), ""))
    return known


def _tell(
    exported: Exported, sheet: PlatformSheet, missing: Sequence[str], ambiguous: Sequence[str], rows: Sequence[int]
) -> None:
    if missing:
        exported.notes.append(f"not in the worksheet, so without a grade there: {listed(missing)}")
    if ambiguous:
        exported.notes.append(f"fits several rows of the worksheet, so left out: {listed(ambiguous)}")
        exported.left_out = True
    if rows:
        names = [sheet.rows[at][1] if len(sheet.heading) > 1 else sheet.rows[at][0] for at in rows]
        exported.notes.append(f"only in the worksheet, left as they are: {listed(names)}")


def _fill(
    path: Path,
    sheet: PlatformSheet,
    at: int,
    work: Scored,
    most: float,
    places: Mapping[str, int],
    marks: DecimalMark,
    exported: Exported,
) -> None:
    row = sheet.rows[at]
    maximum = sheet.cell(at, places["maximum"]) if "maximum" in places else Cell("", "")
    limit = _limit(path, maximum, marks)
    score = work.score
    if limit is None:
        exported.notes.append("the worksheet does not say what the assignment gives at most: points are not scaled")
        limit = most
    elif limit != most:
        exported.notes.append(
            f"the assignment gives {maximum.text.strip()} points in Moodle and {most:g} in netlens: scaled"
        )
        score *= limit / most
    if score > limit:
        exported.notes.append(f"more than the maximum, which Moodle does not take: {work.student} gets {limit:g}")
        score = limit
    row[places["grade"]] = marks.like(maximum).written(score)
    if "comments" in places and work.feedback:
        row[places["comments"]] = as_html(work.feedback)
    exported.filled = (exported.filled or set()) | {(work.student, work.grade.exercise)}


def _limit(path: Path, cell: Cell, marks: DecimalMark) -> float | None:
    """A row's maximum; None where it says none."""
    if not cell.text.strip():
        return None
    limit = marks.number(cell)
    if not limit or "%" in cell.text:
        raise CourseError(f"{path}: {cell} is no number of points: take the worksheet from Moodle as it is")
    return limit


def as_html(text: str) -> str:
    """Plain text as Moodle shows comments: HTML, in which what students wrote is text, and no formula either."""
    escaped = "<br>".join(html.escape(line) for line in text.splitlines())
    return _OBEYED.sub(lambda found: f"&#{ord(found[0])};", escaped)


def gradebook_file(works: Sequence[Scored], people: Sequence[Person], title: str) -> Exported:
    """A file for the course gradebook's import (Grades, Import, CSV file): who, points, feedback; one exercise.

    Only students with a grade have a row: Moodle takes an empty cell, or feedback without points, for "no grade".
    """
    exported = Exported(notes=unfinished_note(works))
    known = {person.student: person.known for person in people}
    kinds = {"login": "Username", "number": "ID number", "email": "Email address"}
    used = {kind: name for kind, name in kinds.items() if any(kind in person for person in known.values())}
    used = used or {"login": "Username"}
    rows, unsafe, unnamed = [], [], []
    for work in works:
        one = known.get(work.student, {})
        ids = [one.get(kind, "") for kind in used] if one else [work.student, *[""] * (len(used) - 1)]
        if not any(ids):
            unnamed.append(work.student)
        elif any(looks_like_formula(cell) for cell in ids):
            unsafe.append(work.student)
        else:
            rows.append([*ids, f"{work.score:.2f}", as_html(work.feedback)])
    if unsafe:
        exported.notes.append(
            f"left out, as their IDs would act as commands or formulas; enter these by hand: {listed(unsafe)}"
        )
    if unnamed:
        exported.notes.append(f"left out, as the list of students tells no ID of theirs: {listed(unnamed)}")
    exported.left_out = bool(unsafe or unnamed)
    exported.filled = {(each.student, each.grade.exercise) for each in works if each.student not in {*unsafe, *unnamed}}
    exported.notes.append(
        f'in Moodle\'s import, map {next(iter(used.values()))} to what it is there, "{title}" to the grade item and '
        f'"{title} (feedback)" to its feedback'
    )
    sheet = PlatformSheet([*used.values(), title, f"{title} (feedback)"], rows, newline="\r\n")
    exported.files["moodle.csv"] = sheet.as_bytes()
    return exported
