"""From a platform's download to `submitted/<student>/<slug>/`: whose file is whose, which one counts, what is new.

Nothing is overwritten unless what comes is newer; doing it again changes nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from netlens_core.grading.downloads import Entry, Unreadable, named_in, open_download, open_zip_inside
from netlens_core.grading.files import write_atomically
from netlens_core.grading.identities import Identity, identities, shown, split_names
from netlens_core.grading.intake import ENDINGS, ending_of, read_submission_file
from netlens_core.grading.own_pattern import Pattern, by_pattern, compiled
from netlens_core.grading.plain_text import plain
from netlens_core.grading.platforms import TIMESTAMP, Handed, Person, who_handed_in
from netlens_core.grading.roster import Roster
from netlens_core.grading.sheets import CourseError
from netlens_core.grading.zip_names import CODE_PAGES, in_code_page, known_code_page
from netlens_core.own_inputs import InputsError, student_id

NAME_IT = "rename it as the platform would, or say with --pattern how files are named"
MADE = "ID made from the name"  # so begins the note that says it
Status = Literal["new", "newer", "forced", "unchanged", "kept", "refused"]
_MOST_ZIPS_INSIDE = 50
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
    """What a download came to: people's work; files that are nobody's, with the reason; what else is to be known."""

    works: list[Collected]
    others: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)
    with_table: bool = False

    @property
    def unlisted(self) -> list[Collected]:
        """Work that was taken of people whom the table of students does not name, where one was given."""
        return [work for work in self.works if self.with_table and work.status != "refused" and not work.known]

    @property
    def complete(self) -> bool:
        """Whether everybody's work was taken, or lay there already, under the ID that the table gives."""
        return not self.others and not self.unlisted and all(work.status != "refused" for work in self.works)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        others = [{"file": name, "reason": reason} for name, reason in self.others]
        return {"works": [asdict(work) for work in self.works], "others": others, "notes": self.notes}


def collect(
    place: Path,
    slug: str,
    into: Path,
    roster: Roster | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
    pattern: str | None = None,
    code_page: str | None = None,
    titles: Iterable[str] = (),
) -> Collection:
    """Take a download (a folder or zip) of one exercise into `into/<student>/<slug>/<slug>.ipynb` and `timestamp.txt`.

    Args:
        roster: who is who; without it, and for those whom it does not name, IDs are made from names.
        force: also replace what is not known to be older.
        dry_run: write nothing.
        pattern: a regular expression for paths in the download, with the groups `student` and `file`, in the place of
            the platforms' naming.
        code_page: how names are written in a zip that does not tell.
        titles: what the exercise is called on the platform, as far as is known.

    Raises CourseError for a download that cannot be read or in which no platform's naming is recognised.
    """
    with ExitStack() as held:
        download = open_download(place, held)
        naming = compiled(pattern) if pattern else None
        entries, notes = _named(download.entries, roster, slug, code_page, naming)
        handed, others = _whose(entries, slug, naming)
        refused = list(download.refused)
        zips = [entry for entry in others if ending_of(entry.path.name) == ".zip" and not naming]
        for zip_entry in zips[:_MOST_ZIPS_INSIDE]:
            others.remove(zip_entry)
            inside = _inside(zip_entry, roster, slug, code_page, held, place)
            handed += inside.handed
            others += inside.others
            refused += inside.refused
            notes += inside.notes
        if not handed and naming:
            there = _listed(str(entry.path) for entry in entries)
            raise CourseError(
                f"{place}: no file fits --pattern as a whole, neither by its path nor by its name: {there}"
            )
        if not handed:
            raise CourseError(
                f"{place} holds nothing that Moodle, Canvas, Gradescope, Blackboard, Brightspace, ILIAS or nbgrader "
                "would name so: give the folder or zip as the platform let you download it, or say with --pattern how "
                "its files are named"
            )
        handed = split_names(handed, roster, (slug, *titles))
        by_person: dict[tuple[str, ...], list[Handed]] = {}
        for one in handed:
            by_person.setdefault((one.platform, *one.person.key), []).append(one)
        who = identities(by_person, roster, slug, into)
        works = [_taken(who[key], files, slug, into, roster, force, dry_run) for key, files in by_person.items()]
    reason = "its name does not fit --pattern" if naming else f"no platform names a file so: {NAME_IT}"
    told = [*refused, *((entry.shown, reason) for entry in others)]
    return Collection(sorted(works, key=lambda work: (work.student, work.person)), told, notes, roster is not None)


@dataclass(frozen=True)
class _Inside:
    """What a zip within a download holds: somebody's files, nobody's, what cannot be taken, what is to be known."""

    handed: list[Handed] = field(default_factory=list)
    others: list[Entry] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _inside(
    zip_entry: Entry, roster: Roster | None, slug: str, code_page: str | None, held: ExitStack, place: Path
) -> _Inside:
    """The files of a zip within a download; the zip itself is nobody's where none of them is somebody's.

    A student's own zip may hold a folder called as the exercise; whose it is, that does not tell.
    """
    try:
        inside = open_zip_inside(zip_entry, held, place)
    except Unreadable as error:
        return _Inside(refused=[(zip_entry.shown, str(error))])
    entries, notes = _named(inside.entries, roster, slug, code_page, None)
    handed, others = who_handed_in(entries, slug)
    found = [one for one in handed if one.platform != "nbgrader"]
    unsure = [one.entry for one in handed if one.platform == "nbgrader"]
    return _Inside(found, [*others, *unsure], inside.refused, notes) if found else _Inside(others=[zip_entry])


def _whose(entries: list[Entry], slug: str, naming: Pattern | None) -> tuple[list[Handed], list[Entry]]:
    return by_pattern(entries, naming) if naming else who_handed_in(entries, slug)


# -- names in old code pages ----------------------------------------------------------------------------


def _named(
    entries: list[Entry], roster: Roster | None, slug: str, code_page: str | None, naming: Pattern | None
) -> tuple[list[Entry], list[str]]:
    """Entries with the names that their zip leaves open, read in the code page that is asked for or fits the table."""
    if not any(entry.raw for entry in entries):
        return entries, []
    if code_page:
        return _in(entries, known_code_page(code_page), strict=True), []
    fitting: dict[tuple[str, ...], tuple[str, list[Entry]]] = {}
    most = 0
    for page in CODE_PAGES if roster else ():
        read = _in(entries, page)
        handed = [one for one in _whose(read, slug, naming)[0] if one.entry.raw]
        found = sorted({roster.student(one.person) or "" for one in handed} - {""}) if roster else []
        people = len({one.person.key for one in handed if roster and roster.student(one.person)})
        if people > most:
            fitting, most = {}, people
        if people and people == most:
            fitting.setdefault(tuple(found), (page, read))
    if len(fitting) == 1:
        [(page, read)] = fitting.values()
        return read, [f"names in the zip were read in the code page {page}, in which the table's names are found"]
    return entries, [_ways(entries)]


def _in(entries: list[Entry], page: str, strict: bool = False) -> list[Entry]:
    read = []
    for entry in entries:
        found = named_in(entry, page) if entry.raw else entry
        if found is None and strict:
            raise CourseError(f"{entry.shown} cannot be a name in the code page {page}: --code-page takes another one")
        read.append(found or entry)
    return [replace(entry, raw=b"") for entry in read] if strict else read


def _ways(entries: list[Entry]) -> str:
    """How the first name that its zip leaves open reads in each code page."""
    raw = next(entry.raw for entry in entries if entry.raw)
    ways: dict[str, str] = {}
    for page in CODE_PAGES:
        if text := in_code_page(raw, page):
            ways.setdefault(plain(text, 80), page)
    shown = ", ".join(f"{text!r} ({page})" for text, page in ways.items())
    return (
        f"the zip does not tell how its names are written; the first can be {shown}: say which, --code-page …, or give "
        "a table of students that has these names"
    )


# -- whose ----------------------------------------------------------------------------------------------


def _taken(
    identity: Identity,
    files: list[Handed],
    slug: str,
    into: Path,
    roster: Roster | None,
    force: bool,
    dry_run: bool,
) -> Collected:
    first, student = files[0], identity.student
    work = Collected(student, shown(identity.person), first.platform, "", "", False, identity.known, "refused")
    if identity.doubt:
        work.notes.append(identity.doubt)
        return work
    try:
        if student_id(student) != student:
            raise InputsError(f"{student!a} cannot be a student ID")
    except InputsError as error:
        work.student, work.notes = "", [str(error)]
        return work
    if not identity.known and (roster or not first.person.id):
        why = _why_made(roster, first.person)
        work.notes.append(f"{MADE}: {why}" if not first.person.id else f"the ID is the platform's: {why}")
    work.notes += [identity.note] if identity.note else []
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


def _why_made(roster: Roster | None, person: Person) -> str:
    if roster is None:
        return "no table of students was given"
    return (
        "the table has no ID for them" if roster.lacks_id(person) else "the table of students does not name them once"
    )


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
        older = [
            f"{one.file} of {one.when:%Y-%m-%d %H:%M:%S}" if one.when else one.file for one in rest if one in meant
        ]
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
