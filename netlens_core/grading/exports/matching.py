"""Who is who: netlens's students, and the rows of a platform's sheet.

A row is matched by what identifies most surely first. What fits several rows or several students matches nobody: a
grade at the wrong person is worse than one that is missing and told.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netlens_core.grading import headings
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.roster import letters, refuse_second_owner
from netlens_core.grading.spreadsheets import as_written, read_table
from netlens_core.grading.students import id_column, id_in_row

# What a column of a students' list tells, by the headings that platforms give it.
HEADINGS: dict[str, tuple[str, ...]] = {
    "id": ("id", "canvas id", "user id", "sid"),
    "number": headings.NUMBER,
    "login": headings.LOGIN,
    "email": headings.EMAIL,
    "participant": headings.PARTICIPANT,
    "name": headings.NAME,
    "section": ("section", "sections"),
}
# The surest first; `account` is a login or an e-mail address up to its @, `letters` a name as folders are named by it.
_SURE = ("id", "participant", "number", "login", "email")
_NUMBERS = ("id", "participant", "number", "login")
_ORDER = ("id", "participant", "number", "login", "email", "account", "name", "letters")


@dataclass(frozen=True)
class Person:
    """A student as netlens names them, and what a students' list tells of them: keys of `HEADINGS` -> text."""

    student: str
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Matching:
    """Student -> row; students and rows that belong to nobody; students who fit several rows, or share one."""

    rows: dict[str, int]
    missing_students: list[str]
    missing_rows: list[int]
    ambiguous: list[str]


def read_people(path: Path, column: str | None = None) -> list[Person]:
    """The students of a list, with all it tells of them. Raises CourseError as `students.read_students`."""
    rows = read_table(path)
    place, first = id_column(path, rows, column)
    heading = [headings.folded(cell) for cell in rows[0]] if first else []
    places = {kind: headings.place_of(heading, names) for kind, names in HEADINGS.items()}
    people: dict[str, Person] = {}
    owners: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(rows[first:], first + 1):
        text = as_written(row[place].strip()) if place < len(row) else ""
        if not text:
            continue
        known = {kind: row[at].strip() for kind, at in places.items() if at is not None and at < len(row)}
        if places["id"] == place:  # netlens's own IDs, which need not be the platform's numbers
            known.pop("id", None)
        known["name"] = known.get("name") or headings.name_in(dict(zip(heading, map(str.strip, row), strict=False)))
        name = id_in_row(path, number, text)
        refuse_second_owner(path, owners, number, name, known["name"] or known.get("email", ""))
        people[name] = Person(name, {kind: value for kind, value in known.items() if value})
    if not people:
        raise CourseError(f"{path} names no student: write one ID a line")
    return list(people.values())


def match(people: Sequence[Person], rows: Sequence[Mapping[str, str]]) -> Matching:
    """Which row belongs to whom. Rows: keys of `HEADINGS` -> text; empty text identifies nobody.

    What a list tells of somebody comes first. Without it, the name of their folder may be any of these; one that is
    one student's number on the platform and another one's ID number belongs to nobody.
    """
    found: dict[str, int] = {}
    unclear: dict[str, None] = {}
    for kind in _SURE:
        told = {person.student: _keys(kind, person.known) for person in people}
        _one_round(kind, told, rows, found, unclear)
    named = {person.student: dict.fromkeys(("account", *HEADINGS), person.student) for person in people}
    taken = set(found.values())
    free = [(place, row) for place, row in enumerate(rows) if place not in taken]
    fitting: dict[tuple[str, str], set[int]] = defaultdict(set)
    for kind in _NUMBERS:
        for place, row in free:
            for key in _keys(kind, row):
                fitting[kind, key].add(place)
    for student in named.keys() - found.keys() - unclear.keys():
        places = [fitting.get((kind, key), set()) for kind in _NUMBERS for key in _keys(kind, named[student])]
        if len(set().union(*places)) > 1:
            unclear[student] = None
    for kind in _ORDER:
        keys = {
            person.student: _keys(kind, named[person.student] | dict(person.known)) | _keys(kind, named[person.student])
            for person in people
        }
        _one_round(kind, keys, rows, found, unclear)
    taken = set(found.values())
    return Matching(
        found,
        [person.student for person in people if person.student not in found and person.student not in unclear],
        [place for place in range(len(rows)) if place not in taken],
        [person.student for person in people if person.student in unclear],
    )


def _one_round(
    kind: str,
    keys: Mapping[str, set[str]],
    rows: Sequence[Mapping[str, str]],
    found: dict[str, int],
    unclear: dict[str, None],
) -> None:
    """Pair students with rows by one kind of key, as far as neither is paired yet."""
    taken = set(found.values())
    by_row, by_person = defaultdict(set), defaultdict(set)
    for place, row in enumerate(rows):
        for key in _keys(kind, row) if place not in taken else ():
            by_row[key].add(place)
    for student, own in keys.items():
        for key in own if student not in found and student not in unclear else ():
            by_person[key].add(student)
    _pair(by_row, by_person, found, unclear)


def _pair(
    by_row: Mapping[str, set[int]],
    by_person: Mapping[str, set[str]],
    found: dict[str, int],
    unclear: dict[str, None],
) -> None:
    wishes: dict[str, set[int]] = defaultdict(set)
    for key in by_row.keys() & by_person.keys():
        for student in by_person[key]:
            wishes[student] |= by_row[key]
    wanted: dict[int, int] = defaultdict(int)
    for places in wishes.values():
        for place in places:
            wanted[place] += 1
    for student, places in sorted(wishes.items()):
        [place, *more] = places
        if more or wanted[place] > 1:
            unclear[student] = None
        else:
            found[student] = place


def _keys(kind: str, texts: Mapping[str, str]) -> set[str]:
    """What is compared for a kind: IDs as they are (`007` is not `7`), all else without case and spaces."""
    if kind == "account":
        parts = [texts.get(name, "").partition("@")[0] for name in ("login", "email", "account")]
        return {_folded(part) for part in parts} - {""}
    text = texts.get("name" if kind == "letters" else kind, "").strip()
    if kind in ("id", "number"):
        return {unicodedata.normalize("NFC", text)} - {""}
    if kind == "participant":
        return {text.rpartition(" ")[2]} - {""}
    last, _, first = text.partition(",")
    both = text.count(",") == 1
    if kind == "letters":  # folders are named either way: ada_lovelace, and lovelaceada by Canvas's downloads
        return {letters(text), letters(first + last) if both else ""} - {""}
    return {_folded(f"{first} {last}" if both and kind == "name" else text)} - {""}


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
