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

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.exports.matching import HEADINGS, Person, match
from netlens_core.grading.exports.platform_sheet import (
    PlatformSheet,
    as_number,
    harmless,
    looks_like_formula,
    points_like,
)
from netlens_core.grading.exports.scores import Exported, Scored, listed, unfinished_note

# How Moodle names the columns where its language packs were looked up; other sites' are found by what they hold.
_NAMES = {
    "identifier": ("Identifier", "Identifikátor", "ID"),
    "grade": ("Grade", "Známka"),
    "maximum": ("Maximum Grade", "Maximum grade", "Maximální známka"),
    "modified": ("Last modified (grade)",),
    "comments": ("Feedback comments", "Komentář k odevzdanému úkolu"),
}
_PARTICIPANT = re.compile(r"\D+\d+")
# PHP's reader of CSV takes a quote after a backslash for a letter, so that such a cell would swallow the rows after it.
_SWALLOWS = re.compile(r'\\(?="|$)')
# What spreadsheets run, wherever one that separates with semicolons may begin a cell; and backslashes.
_OBEYED = re.compile(r"[=@\t\\\uff1d\uff0b\uff0d\uff20]|(?<!\w)[+\-|]")


def filled_worksheet(
    path: Path, works: Sequence[Scored], people: Sequence[Person], most: float, columns: Mapping[str, str]
) -> Exported:
    """The worksheet of one assignment with grades and comments; `works` are of one exercise that gives `most` points.

    Args:
        columns: "identifier", "grade", "maximum" or "comments" -> heading, where it cannot be told otherwise.

    Raises CourseError for a file that is no such worksheet.
    """
    sheet = PlatformSheet.read(path)
    places = _places(path, sheet, columns)
    exported = Exported(notes=unfinished_note(works))
    found = match(people, [_identity(sheet, row, places["identifier"]) for row in sheet.rows])
    _tell(exported, sheet, found.missing_students, found.ambiguous, found.missing_rows)
    whole = {work.student: work for work in works}
    for student, at in found.rows.items():
        if student in whole:
            _fill(sheet.rows[at], whole[student], most, places, exported)
    for at, heading in enumerate(sheet.heading):
        if at not in places.values() and heading not in _NAMES["modified"]:
            for row in sheet.rows:
                row[at] = _SWALLOWS.sub(r"\\ ", harmless(row[at]))
    exported.notes = list(dict.fromkeys(exported.notes))
    sheet.separator = ","
    exported.files["moodle.csv"] = sheet.as_bytes()
    return exported


def _places(path: Path, sheet: PlatformSheet, columns: Mapping[str, str]) -> dict[str, int]:
    places = {}
    for kind, names in _NAMES.items():
        wanted = (columns[kind],) if kind in columns else names
        at = next((sheet.heading.index(name) for name in wanted if name in sheet.heading), None)
        if at is None and kind in columns:
            raise CourseError(f"{path} has no column {columns[kind]!r}")
        if at is not None:
            places[kind] = at
    filled = [row for row in sheet.rows if any(row)]
    if "identifier" not in places and filled and all(_PARTICIPANT.fullmatch(row[0]) for row in filled):
        places["identifier"] = 0
    if "maximum" not in places and "grade" not in places:
        # Moodle writes the maximum, the same for all, right after the grade.
        same = [at for at in range(2, len(sheet.heading)) if len({row[at] for row in filled}) == 1]
        numbers = [at for at in same if as_number(filled[0][at])]
        if numbers:
            places["maximum"] = numbers[-1]
    if "grade" not in places and "maximum" in places:
        places["grade"] = places["maximum"] - 1
    missing = {"identifier", "grade"} - places.keys()
    if missing:
        known = ", ".join(sheet.heading[:20])
        raise CourseError(
            f"{path} is no grading worksheet of Moodle that netlens knows (no {' and no '.join(sorted(missing))}; it "
            f"has {known}): in Moodle, open the assignment, choose View all submissions, then Download grading "
            'worksheet, and give that file; on a site in another language name the column, --column grade="…"'
        )
    return places


def _identity(sheet: PlatformSheet, row: Sequence[str], identifier: int) -> dict[str, str]:
    known = {"participant": row[identifier]}
    for kind, names in HEADINGS.items():
        for at, heading in enumerate(sheet.heading):
            if heading.casefold() in names and kind not in ("id", "participant"):
                known.setdefault(kind, row[at])
    # Full name is the second column in every language.
    known.setdefault("name", row[1] if len(row) > 1 else "")
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


def _fill(row: list[str], work: Scored, most: float, places: Mapping[str, int], exported: Exported) -> None:
    maximum = row[places["maximum"]] if "maximum" in places else ""
    limit = as_number(maximum) or most
    score = work.score
    if limit != most:
        exported.notes.append(f"the assignment gives {maximum} points in Moodle and {most:g} in netlens: scaled")
        score *= limit / most
    if score > limit:
        exported.notes.append(f"more than the maximum, which Moodle does not take: {work.student} gets {limit:g}")
        score = limit
    row[places["grade"]] = points_like(score, maximum)
    if "comments" in places and work.feedback:
        row[places["comments"]] = as_html(work.feedback)


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
    exported.notes.append(
        f'in Moodle\'s import, map {next(iter(used.values()))} to what it is there, "{title}" to the grade item and '
        f'"{title} (feedback)" to its feedback'
    )
    sheet = PlatformSheet([*used.values(), title, f"{title} (feedback)"], rows, newline="\r\n")
    exported.files["moodle.csv"] = sheet.as_bytes()
    return exported
