"""Which grades a student's work for an exercise has had: a line each in `history/<student>/<exercise>.jsonl`.

The last line names the last grade; views show it whatever determines grades today. Beside each grade in the store lies
what it was made from, so that it can be told why it is outdated, and why its points changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from netlens_core.grading.files import PRIVATE, move_aside, read_regular_file, write_atomically
from netlens_core.grading.grade import Grade
from netlens_core.grading.grade_key import Parts
from netlens_core.grading.source_code import Code
from netlens_core.grading.store import Store

Place: TypeAlias = tuple[str, str]  # student, exercise


@dataclass(frozen=True)
class Graded:
    """One grade that a student's work for an exercise has had.

    Attributes:
        when: in UTC, ISO.
        checks: check -> points.
        why: why it was graded then, in words.
        internal_error: whether a fault of netlens's or the grader's left it unfinished.
        ended: how calls of the submission ended that came to no end: "timed_out", "crashed", "out_of_memory".
    """

    when: str
    key: str
    submission: str
    points: float
    max_points: float
    status: str
    checks: dict[str, float]
    why: list[str] = field(default_factory=list)
    internal_error: bool = False
    ended: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, key: str, grade: Grade, why: Iterable[str], when: float | None = None) -> Graded:
        """The line about a grade; `when` is in seconds since 1970, now by default."""
        moment = datetime.now(UTC) if when is None else datetime.fromtimestamp(when, UTC)
        return cls(
            when=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            key=key,
            submission=grade.submission_sha256,
            points=grade.points,
            max_points=grade.max_points,
            status=grade.status,
            checks={check.name: check.points for check in grade.checks},
            why=list(why),
            internal_error=any(check.fault for check in grade.checks),
            ended=list(grade.ended),
        )


class History:
    """The history of all grades of a course, read once."""

    def __init__(self, hidden_folder: Path) -> None:
        self.folder = hidden_folder / "history"
        self._hidden = hidden_folder
        self._read: dict[Place, list[Graded]] | None = None

    @property
    def exists(self) -> bool:
        """Whether any was ever written: stores of older versions have none."""
        return self.folder.is_dir()

    def all(self) -> dict[Place, list[Graded]]:
        """Student and exercise -> their grades, the last one last."""
        if self._read is None:
            files = sorted(self.folder.glob("*/*.jsonl"))
            self._read = {(path.parent.name, path.stem): _lines(path) for path in files}
        return self._read

    def of(self, place: Place) -> list[Graded]:
        """The grades of one student's work for an exercise."""
        return self.all().get(place, [])

    def append(self, place: Place, graded: Graded) -> None:
        """Add a line. Raises OSError."""
        known = self.all().setdefault(place, [])
        path = self._path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = True
        move_aside(path)
        with contextlib.suppress(FileNotFoundError):
            whole = read_regular_file(path)[-1:] in (b"", b"\n")  # else a killed run left half a line
        try:
            with path.open("ab") as file:
                file.write((b"" if whole else b"\n") + _line(graded))
        except OSError as error:
            error.filename = str(path)  # a full disk does not say where
            raise
        known.append(graded)

    def _path(self, place: Place) -> Path:
        student, slug = place
        return self.folder / student / f"{slug}.jsonl"

    def adopt(self, found: Mapping[Place, list[Graded]], write: bool) -> None:
        """Begin with grades that an older version left. Where nothing can be written, they are known all the same."""
        self._read = {place: list(lines) for place, lines in found.items()}
        if not write:
            return
        begun = self._hidden / f"history-{os.getpid()}"
        with contextlib.suppress(OSError):
            begun.mkdir(parents=True)
            for (student, slug), lines in found.items():
                write_atomically(begun / student / f"{slug}.jsonl", b"".join(map(_line, lines)), PRIVATE)
            begun.rename(self.folder)  # all of it or, where another process was faster, none
        shutil.rmtree(begun, ignore_errors=True)


def _line(graded: Graded) -> bytes:
    return json.dumps(asdict(graded)).encode() + b"\n"


def _lines(path: Path) -> list[Graded]:
    """What is readable of a history: half a line that a killed run left is passed over."""
    found = []
    with contextlib.suppress(OSError):
        for line in read_regular_file(path).splitlines():
            with contextlib.suppress(ValueError, TypeError, AttributeError):
                known = {name: value for name, value in json.loads(line).items() if name in Graded.__annotations__}
                graded = Graded(**known)
                if isinstance(graded.key, str) and isinstance(graded.checks, dict):
                    found.append(graded)
    return found


# -- what grades were made from ---------------------------------------------------------------------------


class Origins:
    """What each grade in a store was made from, in files beside it; digests of modules lie once for all grades."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.folder / "code"

    def write(self, key: str, parts: Parts, code: Code) -> None:
        """Keep what a grade is made from. Raises OSError."""
        modules = self._folder / f"{code.digest}.json"
        if not modules.is_file():
            write_atomically(modules, _json(code.modules), PRIVATE)
        path = self._path(key)
        if not path.is_file():
            write_atomically(path, _json(parts), PRIVATE)

    def read(self, key: str, grade: Grade) -> Parts:
        """What a grade was made from; of grades of older versions, what they tell themselves."""
        return _mapping(self._path(key)) or {
            "submission": grade.submission_sha256,
            "seed": str(grade.seed),
            "sandbox": grade.sandbox,
            "netlens": grade.netlens_version,
            **{f"network {name}": fingerprint[:16] for name, fingerprint in grade.networks.items()},
        }

    def modules(self, digest: str) -> Mapping[str, str]:
        """File name -> digest, of the code that a grade was made with; empty where that is not known."""
        return _mapping(self._folder / f"{digest}.json")

    def _path(self, key: str) -> Path:
        return self._store.folder / "grades" / key[:2] / f"{key}.made_from"


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(content), indent=1).encode() + b"\n"


def _mapping(path: Path) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(read_regular_file(path)).items()}
    except (OSError, ValueError, AttributeError):
        return {}


# -- stores of older versions -----------------------------------------------------------------------------


def grades_without_history(store: Store, whose: Mapping[tuple[str, int], str]) -> dict[Place, list[Graded]]:
    """The grades in a store that has no history yet, oldest first.

    Args:
        whose: exercise and seed -> student. Grades tell no student, but everybody's seed is another one.
    """
    found: dict[Place, list[tuple[float, str, Grade]]] = {}
    for path in sorted((store.folder / "grades").glob("??/*.json")):
        grade = store.read(path.stem, whole=False)
        student = whose.get((grade.exercise, grade.seed)) if grade is not None else None
        if grade is not None and student is not None:
            found.setdefault((student, grade.exercise), []).append((_changed(path), path.stem, grade))
    return {
        place: [Graded.of(key, grade, [], when) for when, key, grade in sorted(lines, key=lambda line: line[:2])]
        for place, lines in found.items()
    }


def _changed(path: Path) -> float:
    try:
        return max(path.stat().st_mtime, 0.0)
    except OSError:
        return 0.0
