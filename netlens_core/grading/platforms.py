"""How learning platforms name what they let teachers download: who handed in which file.

Moodle      Full Name_1234567_assignsubmission_file/noise.ipynb, or flat: …_assignsubmission_file_noise.ipynb
Canvas      lastnamefirstname_LATE_12345_67890_noise-2.ipynb; without LATE; anon_…; of a quiz: …_question_7_67890_…
Gradescope  submission_123/noise.ipynb beside submission_metadata.yml
Blackboard  Exercise_ada_attempt_2026-11-20-22-15-00_noise.ipynb, as nbgrader's zip_collect expects it
nbgrader    ada/noise/noise.ipynb, as in submitted/; timestamp.txt beside it
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

_MOODLE = re.compile(r"(?P<name>[^_]+?)(?:_(?P<number>\d+))?_assignsubmission_(?P<plugin>[a-z]+)_?(?P<file>.*)")
_CANVAS_FILE = re.compile(r"(?P<name>\w+?)(?P<late>_LATE)?_(?P<number>\d+)_(?P<order>\d+)_(?P<file>.+)")
_CANVAS_ANONYMOUS = re.compile(r"(?P<late>LATE_)?(?P<name>anon_[^\W_]+)_(?P<order>\d+)_(?P<file>.+)")
_CANVAS_QUIZ = re.compile(r"(?P<name>[-\w]+?)(?P<number>\d+)_question_\d+_(?P<order>\d+)_(?P<file>.+)")
_CANVAS_TEXT = re.compile(r"(?P<name>\w+?)(?P<late>_LATE)?_(?P<number>\d+)_(?P<file>(?:text|link)\.html)")
_CANVAS = (_CANVAS_QUIZ, _CANVAS_FILE, _CANVAS_ANONYMOUS, _CANVAS_TEXT)
_BLACKBOARD = re.compile(
    r".*_(?P<name>[^_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<file>.+)|\.txt)",
)
_CANVAS_COPY = re.compile(r"-\d+(?=\.[^.]+$)")  # what Canvas adds to the name of a file handed in again


@dataclass(frozen=True)
class Person:
    """Whom a platform means: by a name, a number of its own, or an ID that is the student's."""

    name: str = ""
    number: str = ""
    id: str = ""
    email: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells persons apart."""
        return self.id, self.number, "" if self.id or self.number else self.name


@dataclass(frozen=True)
class Handed:
    """A file that somebody handed in.

    Attributes:
        platform: whose naming it is.
        file: its name as the student gave it.
        when: when it was handed in (UTC), where the download tells.
        order: the platform's own counting: of two files, the one with the larger number came later.
        late: whether the platform calls it late.
    """

    entry: Entry
    platform: str
    person: Person
    file: str
    when: datetime | None = None
    order: int = 0
    late: bool = False

    @property
    def newness(self) -> tuple[float, int, float, str]:
        """Sorts what one person handed in from old to new; equal downloads sort equally."""
        when = self.when.timestamp() if self.when else 0.0
        return when, self.order, self.entry.modified, str(self.entry.path)


def who_handed_in(entries: Iterable[Entry], slug: str) -> tuple[list[Handed], list[Entry]]:
    """What is somebody's, and the files that no platform's naming explains."""
    everything = list(entries)
    metadata = {e.path.parent: _metadata(e) for e in everything if e.path.name == METADATA}
    times = {e.path.parent: _nbgrader_time(e) for e in everything if e.path.name == TIMESTAMP}
    handed, others = [], []
    for entry in everything:
        if entry.path.name in (METADATA, TIMESTAMP):
            continue
        short = len(str(entry.path)) <= _LONGEST_PATH
        found = list(_recognised(entry, slug, metadata, times)) if short else []
        handed += found
        others += [] if found else [entry]
    return handed, others


def _recognised(
    entry: Entry, slug: str, metadata: Mapping[PurePosixPath, Any], times: Mapping[PurePosixPath, datetime | None]
) -> Iterator[Handed]:
    name = entry.path.name
    if group := list(_gradescope(entry, metadata)):
        yield from group
    elif moodle := _moodle(entry):
        yield moodle
    elif match := _BLACKBOARD.fullmatch(name):
        try:
            when = datetime.strptime(match["when"], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)
        except ValueError:
            when = None
        yield Handed(entry, "Blackboard", Person(id=match["name"]), match["file"] or name, when)
    elif match := next(filter(None, (pattern.fullmatch(name) for pattern in _CANVAS)), None):
        yield _canvas(entry, match)
    elif len(entry.path.parts) >= 3 and entry.path.parts[-2] == slug:
        yield Handed(entry, "nbgrader", Person(id=entry.path.parts[-3]), name, times.get(entry.path.parent))


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
