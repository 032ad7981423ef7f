"""From a platform's download to `submitted/<student>/<slug>/`: whose file is whose, which one counts, what is new.

Nothing is overwritten unless what comes is newer; doing it again changes nothing.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from netlens_core.grading.downloads import Unreadable, open_download
from netlens_core.grading.files import write_atomically
from netlens_core.grading.intake import ENDINGS, ending_of, read_submission_file
from netlens_core.grading.plain_text import plain
from netlens_core.grading.platforms import TIMESTAMP, Handed, Person, who_handed_in
from netlens_core.grading.roster import Roster, made_id
from netlens_core.grading.sheets import CourseError
from netlens_core.own_inputs import InputsError, student_id

MADE = "ID made from the name"  # so begins the note that says it
Status = Literal["new", "newer", "forced", "unchanged", "kept", "refused"]
_ZIP_CLOCK = 2.0  # seconds; zips tell time no finer


@dataclass
class Collected:
    """What became of one person's work.

    Attributes:
        student: the ID under which it lies; empty where it could not be taken.
        person: whom the platform named.
        file: the file in the download; empty where none of the person's is a notebook, a Python file or a zip.
        when: when it was handed in (UTC, ISO), where the download tells.
        late: whether the platform calls it late.
        known: whether the table of students named the person; else the ID was made from the name.
        status: "new" and "newer" were written, "forced" was written though not known to be newer, "unchanged" lay there
            already, "kept" means that what lies there stays, "refused" that nothing could be taken.
        notes: what else is to be known, in words.
    """

    student: str
    person: str
    platform: str
    file: str
    when: str
    late: bool
    known: bool
    status: Status
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Collection:
    """What a download came to: people's work, and files that are nobody's, with the reason."""

    works: list[Collected]
    others: list[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        others = [{"file": name, "reason": reason} for name, reason in self.others]
        return {"works": [asdict(work) for work in self.works], "others": others}


def collect(
    place: Path, slug: str, into: Path, roster: Roster | None = None, *, force: bool = False, dry_run: bool = False
) -> Collection:
    """Take a download (a folder or zip) of one exercise into `into/<student>/<slug>/<slug>.ipynb` and `timestamp.txt`.

    Args:
        roster: who is who; without it, and for those whom it does not name, IDs are made from names.
        force: also replace what is not known to be older.
        dry_run: write nothing.

    Raises CourseError for a download that cannot be read or in which no platform's naming is recognised.
    """
    with ExitStack() as held:
        download = open_download(place, held)
        handed, others = who_handed_in(download.entries, slug)
        if not handed:
            raise CourseError(
                f"{place} holds nothing that Moodle, Canvas, Gradescope, Blackboard or nbgrader would name so: give "
                "the folder or zip as the platform let you download it"
            )
        by_person: dict[tuple[str, str, str, str], list[Handed]] = {}
        for one in handed:
            by_person.setdefault((one.platform, *one.person.key), []).append(one)
        ids = _ids(by_person, roster)
        by_student: dict[str, list[tuple[str, list[Handed]]]] = {}
        for key, files in by_person.items():
            by_student.setdefault(ids[key] or f"\0{key}", []).append((ids[key], files))
        works = [
            _taken(groups[0][0], [one for _, files in groups for one in files], slug, into, roster, force, dry_run)
            for groups in by_student.values()
        ]
    told = [(entry.shown, "no platform names a file so") for entry in others]
    return Collection(sorted(works, key=lambda work: (work.student, work.person)), [*download.refused, *told])


# -- whose ----------------------------------------------------------------------------------------------


def _ids(by_person: dict[tuple[str, str, str, str], list[Handed]], roster: Roster | None) -> dict[Any, str]:
    """Person -> ID: the table's, or one made from the name; those that would share one get the platform's number."""
    made: dict[Any, str] = {}
    found: dict[Any, str] = {}
    for key, files in by_person.items():
        student = roster.student(files[0].person) if roster else None
        if student is not None:
            found[key] = student
        else:
            made[key] = made_id(files[0].person)
    counts = Counter(name.casefold() for name in {*found.values()})
    counts.update(name.casefold() for name in made.values())
    for key, name in made.items():
        number = by_person[key][0].person.number
        if name and counts[name.casefold()] > 1:
            name = f"{name}_{number}" if number else ""
        found[key] = name
    return found


def _taken(
    student: str, files: list[Handed], slug: str, into: Path, roster: Roster | None, force: bool, dry_run: bool
) -> Collected:
    first = files[0]
    known = roster is not None and roster.student(first.person) is not None
    work = Collected(student, _shown(first.person), first.platform, "", "", False, known, "refused")
    if not student:
        work.notes.append("no ID of its own can be made from the name: give a table with --students")
        return work
    try:
        if student_id(student) != student:
            raise InputsError(f"{student!a} cannot be a student ID")
    except InputsError as error:
        work.student, work.notes = "", [str(error)]
        return work
    if not known and not first.person.id:
        why = "the table of students does not name them once" if roster else "no table of students was given"
        work.notes.append(f"{MADE}: {why}")
    chosen = _chosen(files, slug, work.notes)
    if chosen is None:
        work.notes.append(f"no notebook, Python file or zip among {_listed(one.file for one in files)}")
        return work
    work.file, work.late = chosen.entry.shown, chosen.late
    work.when = f"{chosen.when:%Y-%m-%d %H:%M:%S}" if chosen.when else ""
    try:
        _put(chosen, chosen.entry.read(), into / student / slug, slug, work, force, dry_run)
    except Unreadable as error:
        work.notes.append(f"{chosen.entry.shown}: {error}")
    return work


def _shown(person: Person) -> str:
    text = person.name or person.email or person.id
    return plain(f"{text} ({person.number})" if person.number else text, 200)


def _listed(names: Iterable[str]) -> str:
    shown = [plain(name, 80) for name in names]
    return ", ".join(shown[:6]) + (", …" if len(shown) > 6 else "")


# -- which of several -----------------------------------------------------------------------------------


def _chosen(files: list[Handed], slug: str, notes: list[str]) -> Handed | None:
    """A notebook before a Python file before a zip; of those the one that names the exercise; of those the newest."""
    for ending in ENDINGS:
        found = [one for one in files if ending_of(one.file) == ending]
        meant = [one for one in found if slug.casefold() in one.file.casefold()] or found
        if not meant:
            continue
        newest = max(meant, key=lambda one: one.newness)
        rest = [one for one in files if one is not newest]
        older = [one.file for one in rest if one in meant]
        others = [one.file for one in rest if one not in meant]
        if older:
            notes.append(f"{len(older)} older passed over: {_listed(older)}")
        if others:
            notes.append(f"also handed in, not collected: {_listed(others)}")
        return newest
    return None


# -- onto the disk --------------------------------------------------------------------------------------


def _put(one: Handed, data: bytes, folder: Path, slug: str, work: Collected, force: bool, dry_run: bool) -> None:
    """Write a file and when it was handed in, unless what lies there is as new; sets the work's status."""
    if reason := _in_the_way(folder):
        work.notes.append(reason)
        return
    target = folder / f"{slug}{ending_of(one.file)}"
    there = [path for path in (folder / f"{slug}{known}" for known in ENDINGS) if path.is_file()]
    if target in there and read_submission_file(target) == data:
        work.status = "unchanged"
        return
    if there:
        work.status = "newer" if _newer(one, folder, there) else "forced" if force else "kept"
        if work.status == "kept":
            work.notes.append("another file lies there, and this one is not known to be newer: --force replaces it")
            return
    else:
        work.status = "new"
    if dry_run:
        return
    write_atomically(target, data)
    if one.entry.modified:
        os.utime(target, (one.entry.modified, one.entry.modified))
    stamp = folder / TIMESTAMP
    if one.when:
        write_atomically(stamp, f"{one.when:%Y-%m-%d %H:%M:%S} UTC".encode())
    else:
        stamp.unlink(missing_ok=True)
    for path in there:
        if path != target:
            path.unlink()


def _in_the_way(folder: Path) -> str:
    """Why a folder cannot be written to; empty where it can."""
    for path in (folder.parent, folder):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            return f"{path} is a link or a file: grading would pass it over"
    twins = [entry.name for entry in _entries(folder.parent.parent) if _twin(entry.name, folder.parent.name)]
    return f"{folder.parent.name} and {twins[0]} differ in case only, and one of them lies there" if twins else ""


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _twin(name: str, other: str) -> bool:
    return name != other and name.casefold() == other.casefold()


def _newer(one: Handed, folder: Path, there: list[Path]) -> bool:
    """Whether a file was handed in after what lies there: by the platform's time, or else by the files' own."""
    known = _time_in(folder / TIMESTAMP)
    if one.when and known:
        return one.when.replace(microsecond=0) > known
    return one.entry.modified > max(path.stat().st_mtime for path in there) + _ZIP_CLOCK


def _time_in(stamp: Path) -> datetime | None:
    try:
        match = re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)?(?:[ +].*)?", stamp.read_text()[:100].strip())
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC) if match else None
    except (OSError, ValueError):
        return None
