"""What a submission returned, recorded, so that a changed grader can judge it again without running it.

A record holds, in one plain frame (no pickle), what the notebook's cells showed and how each of the grader's requests
was answered, in order. It is played back only as long as the same is asked in the same order: functions may remember
earlier calls. Anything else, and the submission runs for real. Ends that the machine may have caused are not recorded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from netlens_core.grading.files import PRIVATE, read_regular_file, write_atomically
from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.outcomes import CellRun, Outcome, Ref
from netlens_core.grading.sandbox.session import Session

MOST_KEPT = 16 << 20  # bytes of one submission's record, as it lies on disk
MOST_READ = 256 << 20  # bytes of one, unpacked
MOST_IN_ALL = 2 << 30  # bytes of a course's records; those that were not used for longest go first
_FORMAT = 1  # another one, and older records are passed over
_DEFINITE = ("ok", "missing", "error", "bad_reply")  # how calls end that end so on any machine
_CUT_OFF = ("timed_out", "crashed", "out_of_memory")


class Answering(Protocol):
    """What a grader asks: a submission in the sandbox, or the record of one."""

    def call(
        self, function: str, arguments: Sequence[Any], options: Mapping[str, Any] | None = None, *, seed: int = 0
    ) -> Outcome:
        """Call one of the notebook's functions."""

    def variable(self, name: str) -> Outcome:
        """One of the notebook's variables."""


class NotRecordedError(Exception):
    """A grader asked for something else than is recorded: the submission has to run."""


class Recorder:
    """Asks a session, and remembers how everything was answered.

    Args:
        keep: whether to remember it.
        explained: adds to an answer to the request for a name what is known of its cause.

    Attributes:
        ended: how calls ended that were cut off: "timed_out", "crashed", "out_of_memory".
    """

    def __init__(
        self, session: Session, keep: bool, explained: Callable[[str, Outcome], Outcome] = lambda _, outcome: outcome
    ) -> None:
        self._session, self._keep, self._explained = session, keep, explained
        self._answers: list[dict[str, Any]] = []
        self._size = 0
        self.ended: set[str] = {status for status in (session.status,) if status in _CUT_OFF}

    def call(
        self, function: str, arguments: Sequence[Any], options: Mapping[str, Any] | None = None, *, seed: int = 0
    ) -> Outcome:
        """As `Session.call`."""
        outcome = self._explained(function, self._session.call(function, arguments, options, seed=seed))
        return self._noted(["call", function, list(arguments), dict(options or {}), seed], outcome)

    def variable(self, name: str) -> Outcome:
        """As `Session.variable`."""
        return self._noted(["variable", name], self._explained(name, self._session.variable(name)))

    def _noted(self, request: list[Any], outcome: Outcome) -> Outcome:
        self.ended |= {status for status in (outcome.status,) if status in _CUT_OFF}
        if self._keep:
            try:
                value = wire.pack(outcome.value)
                asked = _digest(request)
            except wire.WireError:
                self._keep = False
                return outcome
            self._size += len(value)
            self._keep = outcome.status in _DEFINITE and self._size <= MOST_READ // 2
            answer = {"asked": asked, "status": outcome.status, "message": outcome.message.encode(), "value": value}
            self._answers.append(answer)
        if not self._keep:
            self._answers.clear()
        return outcome

    def record(self, submission_sha256: str) -> bytes:
        """Everything that was answered, to be kept; empty where it cannot be played back, or is too large."""
        session = self._session
        if not self._keep or session.status != "ok" or session.doubts:
            return b""
        content = {
            "format": _FORMAT,
            "submission": submission_sha256,
            "seconds": session.seconds,
            "cells": json.dumps([asdict(cell) for cell in session.cells]).encode(),
            "answers": self._answers,
        }
        try:
            packed = zlib.compress(wire.pack(content), 1)
        except wire.WireError:
            return b""
        return packed if len(packed) <= MOST_KEPT else b""


@dataclass(frozen=True)
class Recorded:
    """A record that was read.

    Attributes:
        submission: SHA-256 of the bytes that it is about.
        seconds: what the submission's cells and calls used of its limits.
        cells: what its cells showed.
        answers: what each request was answered, in order, and a digest of the request.
    """

    submission: str
    seconds: float
    cells: tuple[CellRun, ...]
    answers: tuple[tuple[str, Outcome], ...]


class Playback:
    """Answers a grader from a record. `missed` tells that it was asked for something else than is recorded."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._next = 0
        self.missed = False

    def call(
        self, function: str, arguments: Sequence[Any], options: Mapping[str, Any] | None = None, *, seed: int = 0
    ) -> Outcome:
        """As `Session.call`. Raises NotRecordedError."""
        return self._answered(["call", function, list(arguments), dict(options or {}), seed])

    def variable(self, name: str) -> Outcome:
        """As `Session.variable`. Raises NotRecordedError."""
        return self._answered(["variable", name])

    def _answered(self, request: list[Any]) -> Outcome:
        with contextlib.suppress(wire.WireError, IndexError):
            asked, outcome = self._recorded.answers[self._next]
            if not self.missed and asked == _digest(request):
                self._next += 1
                return outcome
        self.missed = True
        raise NotRecordedError("something else was asked before")


def _digest(request: list[Any]) -> str:
    """A digest of a request, arrays included. Raises WireError."""
    return hashlib.sha256(wire.pack(_plain(request))).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"network": value.name}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return {key: _plain(part) for key, part in value.items()} if isinstance(value, dict) else value


def read_record(data: bytes, submission_sha256: str) -> Recorded | None:
    """A record of a submission; None where it is damaged, in another format, or about other bytes."""
    try:
        unpacking = zlib.decompressobj()
        content = _taken(unpacking.decompress(data, MOST_READ))
        if content["format"] != _FORMAT or content["submission"] != submission_sha256 or not unpacking.eof:
            return None
        cells = tuple(CellRun(**cell) for cell in json.loads(content["cells"]))
        answers = tuple(
            (str(one["asked"]), Outcome(one["status"], _taken(one["value"]), one["message"].decode()))
            for one in content["answers"]
        )
        return Recorded(submission_sha256, float(content["seconds"]), cells, answers)
    except (zlib.error, wire.WireError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _taken(frame: bytes) -> Any:
    buffer = bytearray(frame)
    taken = wire.take(buffer, MOST_READ)
    if taken is None or buffer:
        raise ValueError("not one frame")
    return taken[0]


# -- on disk ----------------------------------------------------------------------------------------------


class Records:
    """The records of a course, by what determines what a submission returns (`grade_key.running_key`)."""

    def __init__(self, hidden_folder: Path) -> None:
        self.folder = hidden_folder / "returned"

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def read(self, key: str) -> bytes:
        """A record; empty where there is none, or only a damaged one."""
        path = self._path(key)
        try:
            data = read_regular_file(path) if path.stat().st_size <= MOST_KEPT + 32 else b""
        except OSError:
            return b""
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            return b""
        with contextlib.suppress(OSError):
            os.utime(path)
        return data[32:]

    def write(self, key: str, record: bytes) -> None:
        """Keep a record. Raises OSError."""
        write_atomically(self._path(key), hashlib.sha256(record).digest() + record, PRIVATE)

    def make_room(self, most: int = MOST_IN_ALL) -> None:
        """Remove records until the others have no more than `most` bytes: first what was not used for longest."""
        found = []
        for path in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        left = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if left <= most:
                break
            path.unlink(missing_ok=True)
            left -= size

    def clear(self) -> None:
        """Remove all of them."""
        self.make_room(-1)
