"""Who is who: names and numbers of a platform -> student IDs, by a table that the platform exports."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from netlens_core.grading import headings
from netlens_core.grading.plain_text import plain
from netlens_core.grading.platforms import Person
from netlens_core.grading.sheets import CourseError
from netlens_core.grading.spreadsheets import as_written, read_table
from netlens_core.grading.students import id_in_row
from netlens_core.own_inputs import InputsError, student_id

# Where IDs stand, the surest first; e-mail addresses up to their @.
_IDS = (
    *("id number", *(name for name in headings.NUMBER if not name.startswith("sis "))),
    *("sis login id", "sis user id", "student id", "student_id", *headings.LOGIN, "sid", "id", *headings.EMAIL),
)
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})
_NUMBERS = ("user id", *headings.PARTICIPANT)  # the platform's own


class Roster:
    """The students of a course, found by whatever a platform says of them.

    Attributes:
        ids: every student's ID, in small letters.
    """

    def __init__(self, known: dict[str, set[str]], without: set[str] | None = None) -> None:
        self._known = known
        self._without = without or set()
        self.ids = frozenset(key.removeprefix("id ") for key in known if key.startswith("id "))

    def student(self, person: Person) -> str | None:
        """The ID of a person; None for one whom the table does not name, or names more than once."""
        return next((next(iter(names)) for names in self._named(person) if len(names) == 1), None)

    def candidates(self, person: Person) -> list[str]:
        """The IDs of those whom the table calls as the platform calls the person, where there are several."""
        return sorted(next((names for names in self._named(person) if len(names) > 1), set()))

    def lacks_id(self, person: Person) -> bool:
        """Whether the table has a row for a person, but no ID in it."""
        return any(key in self._without for keys in _keys_of(person) for key in keys)

    def _named(self, person: Person) -> Iterator[set[str]]:
        """Whom each thing that the platform says of a person may mean, the surest first."""
        for keys in _keys_of(person):
            yield set().union(*(self._known.get(key, set()) for key in keys))


def read_roster(path: Path, column: str | None = None) -> Roster:
    """A table of students: Moodle's grading worksheet, Canvas's gradebook, Gradescope's roster, or `name,id`.

    `column` names the column of IDs where its heading is another one. Raises CourseError that names file and row.
    """
    rows = read_table(path)
    heading = [headings.folded(cell) for cell in rows[0]] if rows else []
    place = _id_column(path, rows, heading, column)
    known: dict[str, set[str]] = {}
    without: set[str] = set()
    owners: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(rows[1:], 2):
        cells = {name: _cell(cell) for name, cell in zip(heading, row, strict=False) if name}
        text = _cell(row[place]) if place < len(row) else ""
        if not text or text.casefold() == "points possible":
            without.update(_keys_in(cells))
            continue
        found = id_in_row(path, number, text.partition("@")[0] if heading[place] in headings.EMAIL else text)
        refuse_second_owner(path, owners, number, found, headings.name_in(cells) or cells.get("email", ""))
        for key in {f"id {found.casefold()}", *_keys_in(cells)}:
            known.setdefault(key, set()).add(found)
    if not known:
        raise CourseError(f"{path} names no student: a heading and a row for each are wanted, such as name,id")
    return Roster(known, without)


def _cell(text: str) -> str:
    """A cell without an apostrophe against formulas, or the # that Brightspace puts before IDs."""
    return as_written(text.strip()).removeprefix("#")


def refuse_second_owner(path: Path, owners: dict[str, tuple[int, str]], number: int, student: str, name: str) -> None:
    """Remember whose an ID is. Raises CourseError where it is another person's already; the same person may return."""
    first, other = owners.setdefault(student.casefold(), (number, name))
    if name and other and not _forms(name) & _forms(other):
        raise CourseError(
            f"{path}, rows {first} and {number}: {plain(student, 60)} is the ID of {plain(other, 80)} and of "
            f"{plain(name, 80)}: correct one of them, or name another column of IDs with --column"
        )


def _id_column(path: Path, rows: list[list[str]], heading: list[str], column: str | None) -> int:
    wanted = [headings.folded(column)] if column else list(_IDS)
    for name in wanted:
        if name in heading:
            place = heading.index(name)
            if column or not rows[1:] or any(place < len(row) and row[place].strip() for row in rows[1:]):
                return place
    told = headings.no_column(column or "id", rows[0] if rows else [])
    raise CourseError(f"{path}: {told}: name the one with the IDs with --column")


def _keys_in(cells: dict[str, str]) -> Iterator[str]:
    """All that a row says of its student."""
    # In Canvas's gradebook, `ID` is Canvas's own number; elsewhere it is the student's.
    for heading in (*_NUMBERS, *(("id",) if "sis user id" in cells or "section" in cells else ())):
        if number := re.search(r"\d+", cells.get(heading, "")):
            yield f"number {number[0]}"
    for heading in headings.EMAIL:
        if cells.get(heading):
            yield f"email {cells[heading].casefold()}"
    for heading in ("sid", *headings.NUMBER, *headings.LOGIN):
        if cells.get(heading):
            yield f"other id {cells[heading].casefold()}"
    for name in {headings.name_in(cells), *(cells.get(heading, "") for heading in headings.NAME)} - {""}:
        yield from (f"name {form}" for form in _forms(name))


def _keys_of(person: Person) -> Iterator[tuple[str, ...]]:
    """What a person may be found by, the surest first."""
    if person.id:
        yield f"id {person.id.casefold()}", f"other id {person.id.casefold()}"
    if person.number:
        yield (f"number {person.number}",)
    if person.email:
        yield (f"email {person.email.casefold()}",)
    if person.name:
        yield (f"name {letters(person.name)}",)


def _forms(name: str) -> set[str]:
    """A name as platforms write it: first name first, and last name first, letters only; ü also as ue."""
    spelled = name.casefold().translate(_SPELLED_OUT)
    if "," in name:
        last, _, first = name.partition(",")
        forms = {letters(last + first), letters(first + last)}
    else:
        words = name.split()
        forms = {letters(name), letters("".join([*words[-1:], *words[:-1]]))}
    return forms if spelled == name.casefold() else forms | _forms(spelled)


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
