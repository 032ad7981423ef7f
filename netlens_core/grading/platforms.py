"""How learning platforms name what they let teachers download: who handed in which file.

Moodle       Full Name_1234567_assignsubmission_file/noise.ipynb, or flat: …_assignsubmission_file_noise.ipynb
Canvas       lastnamefirstname_LATE_12345_67890_noise-2.ipynb; without LATE; anon_…; of a quiz: …_question_7_67890_…
Gradescope   submission_123/noise.ipynb beside submission_metadata.yml
Blackboard   Exercise_ada_attempt_2026-11-20-22-15-00_noise.ipynb, as nbgrader's zip_collect expects it
Brightspace  12345-67890 - Ada Lovelace - Nov 20, 2026 1015 PM/noise.ipynb, or flat: … PM - noise.ipynb
ILIAS        Exercise/Submissions/Lovelace_Ada_login_4711/noise.ipynb, also below Team 12/
nbgrader     ada/noise/noise.ipynb, as in submitted/; timestamp.txt beside it
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from netlens_core.grading.downloads import Entry, Unreadable
from netlens_core.grading.plain_text import plain

METADATA = "submission_metadata.yml"
TIMESTAMP = "timestamp.txt"
_MOST_METADATA = 32 << 20
_LONGEST_PATH = 1000  # characters; a longer one is none of a platform's

_MOODLE = re.compile(r"(?P<name>.+?)(?:_(?P<number>\d+))?_assignsubmission_(?P<plugin>[a-z]+)_?(?P<file>.*)")
# Canvas leaves nothing but letters, digits and underscores of a name: what has more was renamed by somebody.
_CANVAS_FILE = re.compile(r"(?P<name>\w+?)(?P<late>_LATE)?_(?P<number>\d+)_(?P<order>\d+)_(?P<file>.+)")
_CANVAS_ANONYMOUS = re.compile(r"(?P<late>LATE_)?(?P<name>anon_[^\W_]+)_(?P<order>\d+)_(?P<file>.+)")
_CANVAS_QUIZ = re.compile(r"(?P<name>[-\w]+?)(?P<number>\d+)_question_\d+_(?P<order>\d+)_(?P<file>.+)")
_CANVAS_TEXT = re.compile(r"(?P<name>\w+?)(?P<late>_LATE)?_(?P<number>\d+)_(?P<file>(?:text|link)\.html)")
_CANVAS = (_CANVAS_QUIZ, _CANVAS_FILE, _CANVAS_ANONYMOUS, _CANVAS_TEXT)
_BLACKBOARD = re.compile(r"(?P<head>.+_.+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<file>.+)|\.txt)")
_BRIGHTSPACE = re.compile(r"(?P<number>\d+-\d+) - (?P<rest>.+)")  # the numbers of student and exercise
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_ILIAS_FOLDER = re.compile(r"(?P<head>[^_]+_[^_]+_.+)_(?P<number>\d+)")
_ILIAS_PARENT = re.compile(
    r"(?:submissions?|abgaben?|multi_feedback.*|(?:team|equipo|équipe|gruppo) \d+)", re.IGNORECASE
)
_ILIAS_LATE = re.compile(r"(?:late(?: submission)?|verspätete abgabe|verspaetete abgabe) - ", re.IGNORECASE)
# What platforms and systems put beside the submissions; nobody handed it in.
_NOBODYS = ("index.html", "thumbs.db", "desktop.ini", "status.xlsx", "status.xls", "status.csv")
_CANVAS_COPY = re.compile(r"-\d+(?=\.[^.]+$)")  # what Canvas adds to the name of a file handed in again


@dataclass(frozen=True)
class Person:
    """Whom a platform means: by a name, a number of its own, or an ID that is the student's.

    `readings` are the IDs that a name may hold which can be split in several ways, each with what stands before it.
    """

    name: str = ""
    number: str = ""
    id: str = ""
    email: str = ""
    readings: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """What tells persons apart."""
        if self.id:
            return (self.id,)
        return "", self.number, self.name, self.email, *(f"{before}_{name}" for before, name in self.readings[:1])


@dataclass(frozen=True)
class Handed:
    """A file that somebody handed in.

    Attributes:
        platform: whose naming it is.
        file: its name as the student gave it.
        when: when it was handed in (UTC), where the download tells.
        order: the platform's own counting: of two files, the one with the larger number came later.
        late: whether the platform calls it late.
        title: what Blackboard calls the exercise, where that is certain.
    """

    entry: Entry
    platform: str
    person: Person
    file: str
    when: datetime | None = None
    order: int = 0
    late: bool = False
    title: str = ""

    @property
    def newness(self) -> tuple[float, int, float, str]:
        """Sorts what one person handed in from old to new; equal downloads sort equally."""
        when = self.when.timestamp() if self.when else 0.0
        return when, self.order, self.entry.modified, str(self.entry.path)


def who_handed_in(entries: Iterable[Entry], slug: str) -> tuple[list[Handed], list[Entry]]:
    """What is somebody's, and the files that no platform's naming explains."""
    everything = [entry for entry in entries if not _nobodys(entry)]
    metadata = {e.path.parent: _metadata(e) for e in everything if e.path.name == METADATA}
    times = {e.path.parent: _nbgrader_time(e) for e in everything if e.path.name == TIMESTAMP}
    files = [entry for entry in everything if entry.path.name not in (METADATA, TIMESTAMP)]
    only_ilias = _only_ilias(files)
    handed, others = [], []
    for entry in files:
        short = len(str(entry.path)) <= _LONGEST_PATH
        found = list(_recognised(entry, slug, metadata, times, only_ilias)) if short else []
        handed += found
        others += [] if found else [entry]
    doubtful = _same_name_in_several_folders(handed)
    return [one for one in handed if one.entry not in doubtful], others + doubtful


def _nobodys(entry: Entry) -> bool:
    return len(entry.path.parts) <= 2 and entry.path.name.casefold() in _NOBODYS


def _only_ilias(files: Iterable[Entry]) -> bool:
    """Whether every file lies in a folder that is named as ILIAS names them, and there are several of these."""
    folders = [next((part for part in e.path.parts[:-1] if _ILIAS_FOLDER.fullmatch(part)), "") for e in files]
    return len(set(folders)) > 1 and all(folders)


def _same_name_in_several_folders(handed: Iterable[Handed]) -> list[Entry]:
    """Files that look like Canvas's, but lie in folders: Canvas has none, and never the same name twice."""
    places: dict[str, list[Entry]] = {}
    for one in handed:
        if one.platform == "Canvas":
            places.setdefault(one.entry.path.name, []).append(one.entry)
    twice = [same for same in places.values() if len({e.path.relative_to(e.below).parent for e in same}) > 1]
    return [entry for same in twice for entry in same]


def _recognised(
    entry: Entry,
    slug: str,
    metadata: Mapping[PurePosixPath, Any],
    times: Mapping[PurePosixPath, datetime | None],
    only_ilias: bool,
) -> Iterator[Handed]:
    name = entry.path.name
    if group := list(_gradescope(entry, metadata)):
        yield from group
    elif moodle := _moodle(entry):
        yield moodle
    elif brightspace := _brightspace(entry):
        yield brightspace
    elif (match := _BLACKBOARD.fullmatch(name)) and (readings := _readings(match["head"])):
        when = _time_by(match["when"], "%Y-%m-%d-%H-%M-%S")
        title = readings[0][0] if len(readings) == 1 else ""
        yield Handed(entry, "Blackboard", _person(readings), match["file"] or name, when, title=title)
    elif ilias := _ilias(entry, certain=True):
        yield ilias
    elif match := next(filter(None, (pattern.fullmatch(name) for pattern in _CANVAS)), None):
        yield _canvas(entry, match)
    elif only_ilias and (ilias := _ilias(entry, certain=False)):
        yield ilias
    elif len(entry.path.parts) >= 3 and entry.path.parts[-2] == slug:
        yield Handed(entry, "nbgrader", Person(id=entry.path.parts[-3]), name, times.get(entry.path.parent))


def _readings(head: str, fewest: int = 1) -> list[tuple[str, str]]:
    """A title and an ID, joined by an underscore: all ways to split them. The title has `fewest` parts or more."""
    parts = head.split("_")
    ways = [("_".join(parts[:at]), "_".join(parts[at:])) for at in range(fewest, len(parts))]
    return [(title, name) for title, name in ways if title.strip("_") and name.strip("_")]


def _person(readings: list[tuple[str, str]], name: str = "", number: str = "") -> Person:
    if len(readings) == 1:
        return Person(name, number, id=readings[0][1])
    return Person(name, number, readings=tuple(readings))


def _time_by(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _moodle(entry: Entry) -> Handed | None:
    for part in entry.path.parts:
        match = _MOODLE.fullmatch(part)
        if match:
            file = match["file"] if part == entry.path.name else entry.path.name
            kept = file if match["plugin"] == "file" else f"{match['plugin']} {file}.txt"
            return Handed(entry, "Moodle", Person(match["name"], match["number"] or ""), kept)
    return None


def _canvas(entry: Entry, match: re.Match[str]) -> Handed:
    groups = match.groupdict()
    person = Person(groups["name"].strip("_-"), groups.get("number") or "")
    file = _CANVAS_COPY.sub("", groups["file"])
    return Handed(entry, "Canvas", person, file, None, int(groups.get("order") or 0), bool(groups.get("late")))


# -- Brightspace and ILIAS ----------------------------------------------------------------------------------


def _brightspace(entry: Entry) -> Handed | None:
    for part in entry.path.parts:
        match = _BRIGHTSPACE.fullmatch(part)
        if not match:
            continue
        pieces = match["rest"].split(" - ")
        dated = next((at for at in range(len(pieces) - 1, 0, -1) if _YEAR.search(pieces[at])), 0)
        if not dated:
            continue
        flat = part == entry.path.name
        file = " - ".join(pieces[dated + 1 :]) if flat else entry.path.name
        name = pieces[:dated]
        # Where the site shows it, the organisation's own ID stands before the name.
        own = name.pop(0) if len(name) > 1 and re.search(r"\d", name[0]) and " " not in name[0] else ""
        person = Person(" - ".join(name), match["number"], id=own)
        return Handed(entry, "Brightspace", person, file or part, _brightspace_time(pieces[dated]))
    return None


def _brightspace_time(text: str) -> datetime | None:
    """`Nov 20, 2026 1015 PM`, in file names without the colon; None in another language."""
    words = text.replace(",", " ").replace(":", "").replace(".", "").split()
    if len(words) > 3 and words[3].isdigit():
        words[3] = words[3].zfill(4)
    spaced = " ".join(words)
    forms = [
        f"{day} {clock}" for day in ("%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y") for clock in ("%I%M %p", "%H%M")
    ]
    return next((found for form in forms if (found := _time_by(spaced, form))), None)


def _ilias(entry: Entry, certain: bool) -> Handed | None:
    """A file in a folder called last name, first name, login and number; `certain` asks for ILIAS's folder above."""
    folders = entry.path.parts[:-1]
    for at, part in enumerate(folders):
        match = _ILIAS_FOLDER.fullmatch(part)
        if not match or (certain and not (at and _ILIAS_PARENT.fullmatch(folders[at - 1]))):
            continue
        readings = _readings(match["head"], fewest=2)
        last, _, first = readings[0][0].partition("_")
        late = _ILIAS_LATE.match(entry.path.name)
        file = entry.path.name[late.end() :] if late else entry.path.name
        person = _person(readings, f"{last}, {first}" if len(readings) == 1 else "", match["number"])
        return Handed(entry, "ILIAS", person, file, late=bool(late))
    return None


# -- Gradescope ------------------------------------------------------------------------------------------


def _gradescope(entry: Entry, metadata: Mapping[PurePosixPath, Any]) -> Iterator[Handed]:
    """A file below `submission_123/`, once for each student of a group."""
    for parent in entry.path.parents:
        if not re.fullmatch(r"submission_\d+", parent.name):
            continue
        about = metadata.get(parent.parent, {}).get(parent.name, {})
        when = _moment(about.get(":created_at"))
        persons = [_submitter(one) for one in about.get(":submitters", []) if isinstance(one, dict)]
        for person in persons or [Person(name=parent.name)]:
            yield Handed(entry, "Gradescope", person, entry.path.name, when)
        return


def _submitter(about: Mapping[str, Any]) -> Person:
    name, sid, email = (about.get(key) for key in (":name", ":sid", ":email"))
    return Person(plain(str(name or ""), 200), id=plain(str(sid or ""), 200), email=plain(str(email or ""), 200))


def _metadata(entry: Entry) -> dict[str, dict[str, Any]]:
    """Folder -> what Gradescope says of it; empty where that cannot be read."""
    import yaml

    class Plain(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Also reads Ruby's own kinds of values, as plain ones."""

    def untagged(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else loader.construct_sequence(node)

    Plain.add_multi_constructor("!", untagged)
    try:
        data = entry.read()
        content = yaml.load(data, Loader=Plain) if len(data) <= _MOST_METADATA else None
    except (Unreadable, yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError, KeyError, IndexError):
        return {}
    content = content if isinstance(content, dict) else {}
    return {
        str(key): {**value, ":submitters": submitters if isinstance(submitters, list) else []}
        for key, value in content.items()
        if isinstance(value, dict)
        for submitters in [value.get(":submitters")]
    }


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace(" UTC", "+00:00"))
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _nbgrader_time(entry: Entry) -> datetime | None:
    from nbgrader.utils import parse_utc

    try:
        return parse_utc(entry.read()[:200].decode().strip()).replace(tzinfo=UTC)
    except (Unreadable, ValueError, OverflowError, TypeError):
        return None
