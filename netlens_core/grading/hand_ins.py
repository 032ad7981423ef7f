"""What lies in a hand-in's folder: its bytes, read in one go, and their digest, remembered while the file stays.

Files change while netlens looks: an editor saves, a sync client or `netlens collect` puts a newer version there. Bytes
that were read while their file changed are read again, and a file that is away for a moment is waited for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from netlens_core import NetlensError
from netlens_core.grading.files import PRIVATE, read_regular_file, write_atomically
from netlens_core.grading.intake import Unread, find_submission_file, read_submission_file

_PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)  # seconds to wait for a file that changes or is away
_SETTLED = 2.0  # seconds; a file changed later than that before it was read might change again unseen
_SEPARATOR = "\x1f"
_KEPT = 64 << 20  # bytes of all hand-ins that are held until they are graded; the others are read once more
_Result = TypeVar("_Result")


class HandInError(NetlensError, RuntimeError):
    """A hand-in that cannot be read just now, through no fault of its student's."""


@dataclass(frozen=True)
class HandIn:
    """What a student handed in.

    Attributes:
        sha256: of the bytes; of the refusal where there are none.
        refusal: why there is no file that could be graded, in words for the student; else empty.
        empty: whether nothing at all lies in the folder.
    """

    sha256: str
    refusal: str = ""
    empty: bool = False


class HandIns:
    """The hand-ins of a course, each read only when it changed; `save` keeps what is known of them for later.

    Without that memory (a file below the course's hidden folder), nothing is lost but time.
    """

    def __init__(self, hidden_folder: Path) -> None:
        self._path = hidden_folder / "hand_ins.json"
        self._known = _read(self._path)
        self._changed = False
        self._kept: dict[str, tuple[list[Any], bytes]] = {}
        self._room = _KEPT

    def look(self, folder: Path, slug: str) -> HandIn:
        """What lies in a folder. Raises HandInError where its file keeps changing, or cannot be read."""
        found = _found(folder, slug)
        if isinstance(found, str):
            return HandIn(_sha256(found.encode()), found, _is_empty(folder))
        *state, sha256 = self._known.get(_place(folder)) or [""]
        if state and state == _state(found):
            return HandIn(str(sha256))
        data, handed_in, state = self._read(folder, slug)
        if not handed_in.refusal and len(data) <= self._room:
            self._kept[_place(folder)] = state, data
            self._room -= len(data)
        return handed_in

    def load(self, folder: Path, slug: str) -> tuple[bytes, str]:
        """The file's content and name, for grading. Raises HandInError where there is none any more."""
        state, data = self._kept.pop(_place(folder), ([], b""))
        self._room += len(data)
        if state and state == _state(folder / state[0]):
            return data, str(state[0])

        def there() -> tuple[bytes, str]:
            data, found, state = self._read(folder, slug)
            if found.refusal:
                raise HandInError(f"{folder}: the file was there a moment ago and cannot be read now ({found.refusal})")
            return data, str(state[0])

        return _patiently(there)

    def _read(self, folder: Path, slug: str) -> tuple[bytes, HandIn, list[Any]]:
        """Content, what is to be known of it, and the state of the file that it was read from."""

        def once() -> tuple[bytes, HandIn, list[Any]]:
            found = _found(folder, slug)
            if isinstance(found, str):
                return b"", HandIn(_sha256(found.encode()), found, _is_empty(folder)), []
            before = _state(found)
            read = read_submission_file(found)
            if before is None or before != _state(found):
                raise HandInError(f"{found} changes while it is read: wait until it is whole, and grade again")
            if isinstance(read, Unread):
                raise HandInError(f"{folder}: {read} Mend that, and grade again")
            if isinstance(read, str):
                return b"", HandIn(_sha256(read.encode()), read), before
            handed_in = HandIn(_sha256(read))
            self._remember(folder, before, handed_in.sha256)
            return read, handed_in, before

        return _patiently(once)

    def _remember(self, folder: Path, state: list[Any], sha256: str) -> None:
        place = _place(folder)
        changed = max(state[2], state[3]) / 1e9
        if not 0 <= time.time() - changed < _SETTLED and self._known.get(place) != [*state, sha256]:
            self._known[place], self._changed = [*state, sha256], True

    def save(self) -> None:
        """Keep what is known for the next command; a folder that cannot be written is left as it is."""
        if self._changed:
            with contextlib.suppress(OSError):
                write_atomically(self._path, json.dumps(self._known).encode() + b"\n", PRIVATE)
            self._changed = False


def _found(folder: Path, slug: str) -> Path | str:
    """As `find_submission_file`. Raises HandInError for a folder that cannot be read."""
    found = find_submission_file(folder, slug)
    if isinstance(found, Unread):
        raise HandInError(f"{folder}: {found} Mend that, and grade again")
    return found


def _place(folder: Path) -> str:
    return f"{folder.parent.name}{_SEPARATOR}{folder.name}"


def _patiently(work: Callable[[], _Result]) -> _Result:
    """Try again while a file changes or is away. Raises HandInError as the last try did."""
    for pause in _PAUSES:
        try:
            return work()
        except HandInError:
            time.sleep(pause)
    return work()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _state(path: Path) -> list[Any] | None:
    """What changes with a file's content; None where there is no file. No program can set the time of a file's last
    change (`ctime`) as it likes."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return [path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _is_empty(folder: Path) -> bool:
    try:
        return all(entry.name.startswith((".", "__")) for entry in folder.iterdir())
    except OSError:
        return True


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(read_regular_file(path))
        return {str(place): list(known) for place, known in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
