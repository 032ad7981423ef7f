"""The store of grades: one file a grade, named by a hash of everything that determines it, written atomically.

    grades/3f/3fa0….json      the grade          grades/3f/3fa0….seconds   how long it took (not part of the grade)
    pictures/9c1e….png        its figures        notebooks/3fa0….ipynb     the notebook as it ran

A grade's file holds its own digest, and size and digest of its pictures and its notebook: what was cut short or changed
since is told, and the submission is graded again.

Gradebook and reports are views of this folder and can be rebuilt from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import TypeAlias

from pydantic import Field

from netlens_core.grading.files import PRIVATE, move_aside, read_regular_file, write_atomically
from netlens_core.grading.grade import Grade


class DamagedError(OSError):
    """A file of the store that is cut short, changed or away; the message names it and says which."""

    def __init__(self, reason: str, shown: str = "") -> None:
        super().__init__(f"{shown} {reason}".strip())
        self.reason = reason


_Facts: TypeAlias = tuple[int, str]  # what a file that belongs to a grade must be: its size and its SHA-256 (hex)


class _KeptGrade(Grade):
    """A grade as its file holds it: with what its pictures and its notebook must be."""

    files: dict[str, _Facts] = Field(default_factory=dict)  # by their paths in the store
    sha256: str = ""  # of everything before it


class Store:
    """Grades on disk. Any number of processes may read and write at once: equal keys hold equal grades.

    `damaged` collects, by path, what was found cut short, changed or away.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: dict[str, str] = {}
        self._files: dict[str, dict[str, _Facts]] = {}  # of the grades read so far, by key
        self._facts: dict[str, _Facts] = {}  # the same, by path: names of pictures tell their content

    def _path(self, key: str, ending: str = "json") -> Path:
        return self.folder / "grades" / key[:2] / f"{key}.{ending}"

    def read(self, key: str, whole: bool = True) -> Grade | None:
        """The grade under a key, without its pictures; None where there is none, or only a damaged one.

        With `whole` off, a grade is read whose pictures, notebook or times are damaged, as long as it is not itself.
        """
        kept = self._kept(key)
        if kept is None or (whole and self.damage(key)):
            return None
        return Grade.model_construct(**{name: getattr(kept, name) for name in Grade.model_fields})

    def _kept(self, key: str) -> _KeptGrade | None:
        path = self._path(key)
        if not path.exists():
            return None
        try:
            kept = _kept_grade(self._bytes(path))
        except (OSError, ValueError) as error:
            self._note(path, _reason(error))
            return None
        self._know(key, kept)
        return kept

    def _know(self, key: str, kept: _KeptGrade) -> None:
        self._files[key] = kept.files
        self._facts |= kept.files

    def damage(self, key: str) -> str:
        """What is wrong with the files of a grade, in words; empty where nothing is, and where there is no grade.

        Pictures and notebook are read only where they may have changed since the grade was written.
        """
        path = self._path(key)
        if key not in self._files and self._kept(key) is None:
            return self._found(path)
        try:
            written = path.stat().st_ctime_ns
        except OSError:
            return ""
        for name, (size, _) in self._files[key].items():
            with contextlib.suppress(DamagedError):
                status = self._status(self.folder / name)
                # A change sets this time, whatever else is put back. Of equal ones (a clock ticks), nothing is known.
                if status.st_size != size or status.st_ctime_ns >= written:
                    self._checked(name)
        with contextlib.suppress(DamagedError):
            self._times(key)
        found = [self._found(self.folder / name) for name in self._files[key]]
        return "; ".join(filter(None, [*found, self._found(self._path(key, "seconds"))]))

    def write(self, key: str, grade: Grade) -> None:
        """Keep a grade and its pictures; the grade comes last, so that what it names is always there.

        Whatever lies in the place of its files is replaced where it is not what belongs there. Raises OSError.
        """
        contents = {f"pictures/{name}": data for name, data in grade.pictures.items()}
        if grade.notebook:
            contents[self._notebook(key)] = grade.notebook
        facts = {name: (len(data), _sha256(data)) for name, data in contents.items()}
        for name in grade.figure_notes.keys() - grade.pictures.keys():
            facts[f"pictures/{name}"] = self._written_before(f"pictures/{name}")
        kept = _KeptGrade(**dict(grade), files=dict(sorted(facts.items())))
        self._know(key, kept)
        for name, data in contents.items():
            try:
                self._checked(name)
            except DamagedError:
                self._put(self.folder / name, data)
        beside = grade.times | ({"tries": list(grade.tries)} if grade.tries else {})
        self._put(self._path(key, "seconds"), _sealed(json.dumps(beside, indent=1)))
        self._put(self._path(key), _sealed(kept.model_dump_json(indent=1, exclude={"sha256"})))

    def _written_before(self, name: str) -> _Facts:
        try:
            data = read_regular_file(self.folder / name)
        except OSError:
            return 1, ""  # nothing is ever that
        return len(data), _sha256(data)

    def _put(self, path: Path, data: bytes) -> None:
        move_aside(path)
        write_atomically(path, data, PRIVATE)
        self.damaged.pop(self._shown(path), None)

    # -- what belongs to a grade -----------------------------------------------------------------------------

    def seconds(self, key: str) -> float:
        """How long grading took, in seconds; 0 where that is not known."""
        return self.times(key).get("seconds", 0.0)

    def times(self, key: str) -> dict[str, float]:
        """As `Grade.times`; empty where that is not known."""
        try:
            return self._times(key)[0]
        except DamagedError:
            return {}

    def tries(self, key: str) -> tuple[str, ...]:
        """As `Grade.tries`; empty where that is not known."""
        try:
            return self._times(key)[1]
        except DamagedError:
            return ()

    def _times(self, key: str) -> tuple[dict[str, float], tuple[str, ...]]:
        path = self._path(key, "seconds")
        try:
            known = json.loads(_unsealed(self._bytes(path)))
            known.pop("sha256", None)
            tries = tuple(str(ended) for ended in known.pop("tries", ()))
            return {str(name): float(value) for name, value in known.items()}, tries
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise self._note(path, _reason(error)) from None

    def picture(self, name: str) -> bytes:
        """A figure of a grade that was read. Raises DamagedError where it is not what the grade was written with."""
        return self._checked(f"pictures/{name}")

    def notebook(self, key: str) -> bytes:
        """The notebook as it ran; empty where none is kept, or only a damaged one."""
        if key not in self._files:
            self._kept(key)
        name = self._notebook(key)
        if name not in self._facts and not self.notebook_path(key).exists():
            return b""
        try:
            return self._checked(name)
        except DamagedError:
            return b""

    def picture_path(self, name: str) -> Path:
        """Where a figure's PNG lies."""
        return self.folder / "pictures" / name

    def notebook_path(self, key: str) -> Path:
        """Where the executed notebook lies."""
        return self.folder / "notebooks" / f"{key}.ipynb"

    # -- damage ----------------------------------------------------------------------------------------------

    def _notebook(self, key: str) -> str:
        return self.notebook_path(key).relative_to(self.folder).as_posix()

    def _status(self, path: Path) -> os.stat_result:
        try:
            status = path.lstat()
        except OSError as error:
            raise self._note(path, _reason(error)) from None
        if not stat.S_ISREG(status.st_mode):
            raise self._note(path, "is no plain file")
        return status

    def _bytes(self, path: Path) -> bytes:
        self._status(path)
        try:
            return read_regular_file(path)
        except OSError as error:
            raise self._note(path, _reason(error)) from None

    def _checked(self, name: str) -> bytes:
        """The bytes of a file of a grade. Raises DamagedError where they are not what they must be."""
        path = self.folder / name
        data = self._bytes(path)
        size, sha256 = self._facts.get(name, (len(data), _sha256(data)))
        if len(data) < size:
            raise self._note(path, "is cut short")
        if _sha256(data) != sha256:
            with contextlib.suppress(OSError):  # a change that left no trace: `damage` looks at it from now on
                os.utime(path)
            raise self._note(path, "was changed")
        self.damaged.pop(self._shown(path), None)
        return data

    def _note(self, path: Path, reason: str) -> DamagedError:
        self.damaged[self._shown(path)] = reason
        return DamagedError(reason, self._shown(path))

    def _found(self, path: Path) -> str:
        shown = self._shown(path)
        return f"{shown} {self.damaged[shown]}" if shown in self.damaged else ""

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def _kept_grade(data: bytes) -> _KeptGrade:
    """A grade from its file. Raises ValueError or OSError where it is damaged."""
    try:
        return _KeptGrade.model_validate_json(_unsealed(data))
    except DamagedError:
        # Versions before this one sealed nothing; what has a seal is no plain grade.
        with contextlib.suppress(ValueError):
            return _KeptGrade(**dict(Grade.model_validate_json(data)))
        raise


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_SEAL = re.compile(rb'(.*),\n "sha256": "([0-9a-f]{64})"\n\}\n', re.DOTALL)


def _sealed(text: str) -> bytes:
    """A JSON object with the digest of everything before as its last member."""
    body = text.encode("utf-8", "backslashreplace").removesuffix(b"\n}")
    return body + b',\n "sha256": "%s"\n}\n' % _sha256(body).encode()


def _unsealed(data: bytes) -> bytes:
    """The object, as it is, where nothing in it was changed. Raises DamagedError."""
    match = _SEAL.fullmatch(data)
    if match is None:
        raise DamagedError("is cut short" if not data.rstrip().endswith(b"}") else "was changed")
    if _sha256(match[1]).encode() != match[2]:
        raise DamagedError("was changed")
    return data


def _reason(error: Exception) -> str:
    if isinstance(error, DamagedError):
        return error.reason
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read ({error.strerror})" if isinstance(error, OSError) else "holds something else"
