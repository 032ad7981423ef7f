"""Who is who: names and numbers of a platform -> student IDs, by a table that the platform exports."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from netlens_core.grading.plain_text import plain
from netlens_core.grading.platforms import Person
from netlens_core.grading.sheets import CourseError
from netlens_core.grading.spreadsheets import as_written, read_table
from netlens_core.own_inputs import InputsError, student_id

# Headings of Moodle (also in Czech), Canvas, Gradescope, and of tables of one's own.
_EMAILS = ("email address", "email", "e-mailová adresa", "e-mail")
_IDS = (
    "id number", "identifikační číslo", "sis login id", "sis user id", "student id", "student_id", "username",
    "uživatelské jméno", "login", "sid", "id", *_EMAILS,
)  # fmt: skip
_NUMBERS = ("identifier", "identifikátor", "user id", "participant")  # the platform's own
_NAMES = ("full name", "celé jméno", "name", "student", "student name", "jméno")
_FIRST, _LAST = ("first name", "firstname", "křestní jméno"), ("last name", "surname", "lastname", "příjmení")


class Roster:
    """The students of a course, found by whatever a platform says of them."""

    def __init__(self, known: dict[str, set[str]]) -> None:
        self._known = known

    def student(self, person: Person) -> str | None:
        """The ID of a person; None for one whom the table does not name, or names more than once."""
        for key in _keys_of(person):
            found = self._known.get(key, set())
            if len(found) == 1:
                return next(iter(found))
        return None


def read_roster(path: Path, column: str | None = None) -> Roster:
    """A table of students: Moodle's grading worksheet, Canvas's gradebook, Gradescope's roster, or `name,id`.

    `column` names the column of IDs where its heading is another one. Raises CourseError that names file and row.
    """
    rows = read_table(path)
    heading = [cell.strip().casefold() for cell in rows[0]] if rows else []
    place = _id_column(path, rows, heading, column)
    known: dict[str, set[str]] = {}
    for number, row in enumerate(rows[1:], 2):
        cells = {name: as_written(cell.strip()) for name, cell in zip(heading, row, strict=False) if name}
        text = as_written(row[place].strip()) if place < len(row) else ""
        if not text or text.casefold() == "points possible":
            continue
        try:
            found = student_id(text.partition("@")[0] if heading[place] in _EMAILS else text)
        except InputsError as error:
            raise CourseError(f"{path}, row {number}: {error}") from None
        for key in {f"id {found.casefold()}", *_keys_in(cells)}:
            known.setdefault(key, set()).add(found)
    if not known:
        raise CourseError(f"{path} names no student: a heading and a row for each are wanted, such as name,id")
    return Roster(known)


def _id_column(path: Path, rows: list[list[str]], heading: list[str], column: str | None) -> int:
    wanted = [column.strip().casefold()] if column else list(_IDS)
    for name in wanted:
        if name in heading:
            place = heading.index(name)
            if column or not rows[1:] or any(place < len(row) and row[place].strip() for row in rows[1:]):
                return place
    shown = plain(", ".join(cell for cell in (rows[0] if rows else []) if cell.strip()), 200) or "nothing"
    raise CourseError(f"{path}: no column {column or 'id'!r} (it has {shown}): name the one with the IDs with --column")


def _keys_in(cells: dict[str, str]) -> Iterator[str]:
    """All that a row says of its student."""
    # In Canvas's gradebook, `ID` is Canvas's own number; elsewhere it is the student's.
    for heading in (*_NUMBERS, *(("id",) if "sis user id" in cells or "section" in cells else ())):
        if number := re.search(r"\d+", cells.get(heading, "")):
            yield f"number {number[0]}"
    for heading in _EMAILS:
        if cells.get(heading):
            yield f"email {cells[heading].casefold()}"
    first, last = (next((cells[name] for name in names if cells.get(name)), "") for names in (_FIRST, _LAST))
    names = [f"{last}, {first}"] if first and last else []
    names += [cells[name] for name in _NAMES if cells.get(name)]
    for name in names:
        yield from (f"name {form}" for form in _forms(name))


def _keys_of(person: Person) -> Iterator[str]:
    """What a person may be found by, the surest first."""
    if person.id:
        yield f"id {person.id.casefold()}"
    if person.number:
        yield f"number {person.number}"
    if person.email:
        yield f"email {person.email.casefold()}"
    if person.name:
        yield f"name {letters(person.name)}"


def _forms(name: str) -> set[str]:
    """A name as platforms write it: first name first, and last name first, letters only."""
    if "," in name:
        last, _, first = name.partition(",")
        return {letters(last + first), letters(first + last)}
    words = name.split()
    return {letters(name), letters("".join([*words[-1:], *words[:-1]]))}


def letters(name: str) -> str:
    """A name's letters and digits, small, without accents: what stays the same on every platform."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return "".join(c for c in bare if c.isalnum())


def made_id(person: Person) -> str:
    """An ID made from what a platform says of a person, for folders; empty where nothing is left of it."""
    if person.id:
        try:
            return student_id(person.id)
        except InputsError:
            pass
    bare = unicodedata.normalize("NFKD", person.name or person.email.partition("@")[0] or person.id)
    text = "".join(c for c in bare.casefold() if not unicodedata.combining(c))
    made = re.sub(r"[^\w-]+", "_", text).strip("_")[:60]
    return made or (f"participant_{person.number}" if person.number else "")
