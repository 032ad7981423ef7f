"""Whose work is whose: from what a platform calls people to their IDs. What is not certain is told, never guessed.

A wrong ID gives a student somebody else's pictures, or takes two people's works for one person's two attempts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from netlens_core.grading.plain_text import plain
from netlens_core.grading.platforms import Handed, Person
from netlens_core.grading.roster import Roster, letters, made_id

GIVE_TABLE = "give a table that tells who is who with --students"


@dataclass(frozen=True)
class Identity:
    """A person of a download: the ID, or why there is none; whether the table of students named them; a note."""

    person: Person
    student: str
    known: bool = False
    doubt: str = ""
    note: str = ""


def split_names(handed: Sequence[Handed], roster: Roster | None, likely_titles: Iterable[str]) -> list[Handed]:
    """Decide names such as `Noise_smith_j`, which can be `smith_j` or `j`, by the table and by all the other names.

    A download is about one exercise, so that all names begin with the same title. What stays open keeps its readings.

    Args:
        likely_titles: what the exercise is called.
    """
    likely = {letters(title) for title in likely_titles}
    zips = {one.entry.below for one in handed}
    titles = {place: _titles([one for one in handed if one.entry.below == place], likely) for place in zips}
    return [
        _split(one, roster, titles[one.entry.below] if one.platform == "Blackboard" else set())
        if one.person.readings
        else one
        for one in handed
    ]


def _titles(handed: Sequence[Handed], likely: set[str]) -> set[str]:
    """The titles that all of Blackboard's names can begin with; other platforms put none before an ID."""
    possible = [
        {before for before, _ in one.person.readings} or {one.title} for one in handed if one.platform == "Blackboard"
    ]
    common = set.intersection(*possible) if possible else set()
    named = {title for title in common if letters(title) in likely}
    return named if len(named) == 1 else common


def _split(one: Handed, roster: Roster | None, titles: set[str]) -> Handed:
    by_title = [name for before, name in one.person.readings if before in titles]
    by_table = [name for _, name in one.person.readings if roster is not None and roster.student(Person(id=name))]
    both = [name for name in by_table if name in by_title] if titles else by_table
    if by_table and titles and not both:
        return one  # the table and the other names contradict each other
    found = both or by_table or by_title
    if len(found) != 1:
        return one
    return replace(one, person=replace(one.person, id=found[0], readings=()))


def identities(
    people: Mapping[tuple[str, ...], Sequence[Handed]], roster: Roster | None, slug: str, into: Path
) -> dict[tuple[str, ...], Identity]:
    """Key of a person -> their ID: the table's, or one made from the name."""
    found = {key: _identity(files, roster) for key, files in people.items()}
    there = {path.name.casefold(): path for path in into.iterdir() if path.is_dir()} if into.is_dir() else {}
    _number_namesakes(found, slug, there)
    _refuse_second_folders(found, roster, there)
    _refuse_collisions(found)
    return found


def _identity(files: Sequence[Handed], roster: Roster | None) -> Identity:
    person = files[0].person
    if person.readings:
        ways = ", ".join(plain(name, 60) for _, name in person.readings)
        return Identity(person, "", doubt=f"the name can be split in several ways ({ways}): {GIVE_TABLE}")
    student = roster.student(person) if roster else None
    if student is not None:
        return Identity(person, student, known=True)
    several = roster.candidates(person) if roster else []
    if several:
        ways = ", ".join(plain(name, 60) for name in several)
        return Identity(
            person, "", doubt=f"the table has several of that name ({ways}): add a column with the platform's numbers"
        )
    unread = next((one.entry for one in files if one.entry.raw), None)
    if unread and not (person.name + person.email + person.id).isascii():
        return Identity(person, "", doubt="the zip does not say in which code page its names are")
    made = made_id(person)
    if not made:
        return Identity(person, "", doubt=f"no ID of its own can be made from the name: {GIVE_TABLE}")
    if roster and made.casefold() in roster.ids:
        return Identity(person, "", doubt=f"{made} is somebody else's ID in the table: add a row for this person")
    return Identity(person, made)


def _number_namesakes(found: dict[tuple[str, ...], Identity], slug: str, there: Mapping[str, Path]) -> None:
    """Namesakes get the platform's number behind the name, unless somebody of that name lies there already."""
    counts = Counter(one.student.casefold() for one in found.values() if one.student)
    for key, one in found.items():
        if one.known or not one.student or one.person.id:
            continue
        name, number = one.student, one.person.number
        several = counts[name.casefold()] > 1
        if number and f"{name}_{number}".casefold() in there:
            found[key] = replace(one, student=f"{name}_{number}")
            continue
        # Whoever handed in this exercise has another number; of other exercises, Moodle's numbers tell nothing.
        same = [
            path.name
            for folded, path in there.items()
            if re.fullmatch(rf"{re.escape(name.casefold())}_[\d-]+", folded) and not (path / slug).exists()
        ]
        if several and name.casefold() in there:
            same.insert(0, there[name.casefold()].name)
        if same:
            lie = ", ".join(plain(other, 60) for other in same[:5])
            doubt = f"several are called so, and {lie}, there already, may be the same person: {GIVE_TABLE}"
            found[key] = replace(one, student="", doubt=doubt)
        elif several and number:
            note = f"several are called so, told apart by the platform's number: {GIVE_TABLE}"
            found[key] = replace(one, student=f"{name}_{number}", note=note)
        elif several:
            doubt = f"several are called so, and the platform gives no number: {GIVE_TABLE}"
            found[key] = replace(one, student="", doubt=doubt)


def _refuse_second_folders(
    found: dict[tuple[str, ...], Identity], roster: Roster | None, there: Mapping[str, Path]
) -> None:
    """Nobody gets a second folder, and with it other pictures, because they were collected under another ID before."""
    ids = roster.ids if roster else frozenset()
    alike: dict[str, list[str]] = {}
    for folded, path in there.items():
        if folded not in ids:
            alike.setdefault(letters(path.name), []).append(path.name)
    for key, one in found.items():
        if not one.student or one.student.casefold() in there:
            continue
        if one.person.id and not one.known:
            continue  # the platform's own ID, by which they were collected before, too
        made = made_id(one.person) if one.known else one.student
        numbered = f"{made}_{one.person.number}"
        before = [*alike.get(letters(made), ()), *alike.get(letters(numbered), ())] if letters(made) else []
        if before:
            doubt = (
                f"would become {plain(one.student, 60)}, but {plain(before[0], 60)} lies there, which is the same "
                "name: if it is the same person, rename that folder; if not, give both with --students"
            )
            found[key] = replace(one, student="", doubt=doubt)


def _refuse_collisions(found: dict[tuple[str, ...], Identity]) -> None:
    """Nobody's work counts as an attempt of somebody else: two people with one ID are both refused."""
    owners: dict[str, list[tuple[str, ...]]] = {}
    for key, one in found.items():
        if one.student:
            owners.setdefault(one.student.casefold(), []).append(key)
    for keys in owners.values():
        for key in keys if len(keys) > 1 else ():
            others = ", ".join(shown(found[other].person) for other in keys if other != key)
            doubt = f"would get the ID {found[key].student}, and so would {others}: {GIVE_TABLE}, with their numbers"
            found[key] = replace(found[key], student="", doubt=doubt)


def shown(person: Person) -> str:
    """A person as the platform names them, for messages."""
    text = person.name or person.email or person.id or "_".join(person.readings[0] if person.readings else ())
    return plain(f"{text} ({person.number})" if person.number else text, 200)
