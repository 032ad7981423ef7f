"""What netlens left in nbgrader's gradebook the last time: so it knows what people entered since."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netlens_core.grading.files import PRIVATE, read_regular_file, write_atomically
from netlens_core.grading.marks import Place

_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Left:
    """What stood at a check of a submission when netlens had done with it.

    Attributes:
        row: nbgrader's ID of the grade; another one, and somebody made the database anew.
        asked: whether it waits for a person.
        marked: what a mark would have been about, as `marks.marked_sha256` tells it.
    """

    row: str
    score: float | None = None
    extra_credit: float | None = None
    comment: str | None = None
    asked: bool = False
    marked: str = ""


@dataclass
class Memory:
    """Kept in the course's hidden folder; without it, nothing is lost but the order in which marks were entered.

    Attributes:
        left: what netlens left, by student, exercise and check.
        written: a digest of all that was written, and of what it was written from.
        database: the states of a SQLite database's file and of nbgrader's settings then; empty for a server.
        notebooks: student and exercise -> a digest of what their notebook in `autograded/` was made from, and the state
            of its file, which nbgrader writes too.
        late: student and exercise -> seconds after the due date, where there are any.
    """

    path: Path
    left: dict[Place, Left] = field(default_factory=dict)
    written: str = ""
    database: list[Any] = field(default_factory=list)
    notebooks: dict[str, list[Any]] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, hidden_folder: Path) -> Memory:
        """What is remembered; nothing where the file is missing or damaged."""
        memory = cls(hidden_folder / "gradebook.json")
        try:
            content = json.loads(read_regular_file(memory.path))
            memory.left = {_place(name): Left(*values) for name, values in content["left"].items()}
            memory.written, memory.database = str(content["written"]), list(content["database"])
            memory.notebooks = {str(name): list(value) for name, value in content["notebooks"].items()}
            memory.late = {str(name): float(value) for name, value in content["late"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(memory.path)
        return memory

    def write(self) -> None:
        """Keep it. Raises OSError."""
        content = {
            "written": self.written,
            "database": self.database,
            "left": {_SEPARATOR.join(place): list(vars(left).values()) for place, left in self.left.items()},
            "notebooks": self.notebooks,
            "late": self.late,
        }
        write_atomically(self.path, json.dumps(content).encode() + b"\n", PRIVATE)


def _place(name: str) -> Place:
    student, slug, check = name.rsplit(_SEPARATOR, 2)  # the name of a folder may hold one as well
    return student, slug, check


def work_name(student: str, slug: str) -> str:
    """One student's work for one exercise, as a name."""
    return f"{student}{_SEPARATOR}{slug}"


def file_state(path: Path | None) -> list[Any]:
    """Path, size, time and inode of a file, by which a change is noticed; empty where there is none."""
    try:
        status = path.stat() if path else None
    except OSError:
        return []
    return [str(path), status.st_size, status.st_mtime_ns, status.st_ino] if status else []
