"""A submission in the sandbox: its notebook run once, then called as often as the grader asks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from netlens_core.grading.sandbox.claims import Room, cell_of, outcome_of
from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.inside.words import INSIDE
from netlens_core.grading.sandbox.limits import Limits, total_used
from netlens_core.grading.sandbox.outcomes import (
    CellRun,
    Ended,
    Outcome,
    Ref,
    SandboxUnavailableError,
    SessionStatus,
)
from netlens_core.languages import translate

_Result = TypeVar("_Result")
_OUT_OF_MEMORY = ("MemoryError", "allocate memory", "not enough memory")  # in Python's words, C's and torch's


class Process(Protocol):
    """What holds a submission: locked in (`Child`) or not (`UnlockedChild`). Seconds are of the reference machine."""

    used: float  # seconds that count towards the limits so far
    wall_left: float  # seconds of wall time until it is given up, whatever counts

    def ask(self, content: Any, seconds: float, what: str) -> Any:
        """Send a request and wait for its reply. Raises Ended."""

    def receive(self, seconds: float, what: str, outgoing: bytearray | None = None) -> Any:
        """The next frame, after having written `outgoing`. Raises Ended."""

    def close(self) -> None:
        """End it."""


class Session:
    """A submission's notebook, run; functions can be called until the session is closed. A context manager.

    Attributes:
        status: "ok", or how the run of the notebook ended: "timed_out", "crashed", "out_of_memory", "fault".
        message: the same in words for the student; empty where status is "ok".
        cells: what each cell showed, as far as cells ran.
        doubts: the messages of ends that the machine may have caused: memory, crashes, our own faults.
        wall_seconds: how long the submission's cells and calls took so far, waiting included.
    """

    def __init__(
        self,
        fork: Callable[[], Process],
        cells: Sequence[str],
        files: Mapping[str, bytes],
        limits: Limits,
        seed: int,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._fork = fork
        self._closed = closed
        # Sources travel as bytes: the header of a frame is small.
        sources = [cell.encode("utf-8", "surrogatepass") for cell in cells]
        self._start_request = {"cells": sources, "files": dict(files), "seed": seed, "words": translated()}
        self._cell_count = len(sources)
        self._limits = limits
        self._left = float(limits.total_seconds)
        self._wall_left = float("inf")  # the first child's, for all children together
        self._child: Process | None = None
        self._requests = 0
        self._history: list[tuple[dict[str, Any], str]] = []  # what the submission has answered since it was started
        self._room = Room(limits.output_mb << 20)
        self.status: SessionStatus = "ok"
        self.message = ""
        self.cells: tuple[CellRun, ...] = ()
        self.doubts: list[str] = []
        self.wall_seconds = 0.0

    def __enter__(self) -> Session:
        try:
            self._twice_at_fault(self._start)
        except Ended as end:
            # A notebook that talks gibberish to us has broken itself.
            self.status = "crashed" if end.status in ("bad_reply", "error", "missing") else end.status  # type: ignore[assignment]
            self.message = _sentence(end.message)
            self._doubt(end)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()
        self._closed()

    def call(
        self, function: str, arguments: Sequence[Any], options: Mapping[str, Any] | None = None, *, seed: int = 0
    ) -> Outcome:
        """Call one of the notebook's functions. Never raises for anything that the submission does.

        Args:
            arguments, options: numpy arrays (arrive as tensors), `Ref`s, text, numbers.
            seed: every random generator is set to it before the call.
        """
        content = {
            "kind": "call",
            "name": function,
            "arguments": [_carried(value) for value in arguments],
            "options": {key: _carried(value) for key, value in (options or {}).items()},
            "seed": seed,
        }
        return self._ask(content, f"`{function}`")

    @property
    def seconds(self) -> float:
        """What the submission's cells and calls took so far, as it counts towards its limits."""
        return float(self._limits.total_seconds) - self._left

    def defined(self, function: str) -> Outcome:
        """Whether the notebook has a function of this name, without calling it: "ok", or "missing"."""
        return self._ask({"kind": "defined", "name": function, "seed": 0}, f"`{function}`")

    def variable(self, name: str) -> Outcome:
        """One of the notebook's variables, as plain data."""
        return self._ask({"kind": "variable", "name": name, "seed": 0}, f"`{name}`")

    # -- one run of the notebook -------------------------------------------------------------------------

    def _start(self) -> None:
        """Run the notebook in a new child; the first run's outputs are the ones that are kept. Raises Ended."""
        cells: list[CellRun] = []
        room = replace(self._room)
        self._child = self._fork()
        self._child.wall_left = min(self._child.wall_left, self._wall_left)
        try:
            with self._counted(self._child):
                self._run_cells(self._child, cells)
        except Ended as end:
            if end.status == "fault":  # the next run starts with all the room, and its outputs count
                cells, self._room = [], room
            raise
        finally:
            if not self.cells:
                self.cells = tuple(cells)

    def _run_cells(self, child: Process, cells: list[CellRun]) -> None:
        seconds = min(float(self._limits.start_seconds), self._left)
        begun = child.used
        notebook = translate("the notebook")
        outgoing: bytearray | None = bytearray(wire.pack(self._start_request))
        while True:
            try:
                frame = child.receive(max(begun + seconds - child.used, 0.0), notebook, outgoing)
            except Ended as end:
                told = translate(
                    "the notebook used more than the {seconds} s that it may take",
                    seconds=f"{self._limits.start_seconds:g}",
                )
                whole = seconds < self._limits.start_seconds
                raise self._in_time(end, total_used(notebook, self._limits) if whole else told) from None
            outgoing = None
            if isinstance(frame, dict) and frame.get("ran") is True and len(cells) == self._cell_count:
                return
            if not isinstance(frame, dict) or len(cells) == self._cell_count or "outputs" not in frame:
                raise Ended("bad_reply", translate("the notebook sent something that no notebook sends"))
            cells.append(ran := cell_of(frame, len(cells) + 1, self._room))
            if ran.error and any(sign in ran.error for sign in _OUT_OF_MEMORY):
                self.doubts.append(f"Cell {len(cells)}: {ran.error}")

    # -- one request -------------------------------------------------------------------------------------

    def _ask(self, content: dict[str, Any], what: str) -> Outcome:
        if self.status != "ok":
            told = translate("The notebook did not run to its end: {reason}", reason=self.message)
            return Outcome(self.status, message=told)
        try:
            outcome = self._twice_at_fault(lambda: self._asked(content, what))
        except SandboxUnavailableError as error:  # it worked before
            outcome = Outcome("fault", message=str(error))
        except Ended as end:
            self._doubt(end)
            return Outcome(end.status, message=_sentence(end.message))
        self._doubt(outcome)
        return outcome

    def _asked(self, content: dict[str, Any], what: str) -> Outcome:
        if self._left <= 0:
            raise Ended("timed_out", total_used(translate("the submission"), self._limits))
        if self._child is None:
            self._start()
            # Where we failed, the submission goes on as if nothing had been: what it remembered, it has again.
            for earlier, name in self._history:
                self._requested(earlier, name)
        outcome = self._requested(content, what)
        if outcome.status == "bad_reply":
            self._drop()
            self._history.clear()
        else:
            self._history.append((content, what))
        return outcome

    def _requested(self, content: dict[str, Any], what: str) -> Outcome:
        assert self._child is not None
        self._requests += 1
        seconds = max(min(float(self._limits.call_seconds), self._left), 0.0)
        with self._counted(self._child):
            try:
                reply = self._child.ask({**content, "id": self._requests}, seconds, what)
            except Ended as end:
                told = translate(
                    "{what} used more than the {seconds} s that a call may take",
                    what=what,
                    seconds=f"{self._limits.call_seconds:g}",
                )
                whole = seconds < self._limits.call_seconds
                raise self._in_time(end, total_used(what, self._limits) if whole else told) from None
        return outcome_of(reply, what, self._requests, self._limits)

    def _in_time(self, end: Ended, told: str) -> Ended:
        """The same end, naming the limit that was hit: the call's own, or the submission's."""
        return Ended("timed_out", told) if end.status == "timed_out" and not end.limit_named else end

    def _doubt(self, end: Ended | Outcome) -> None:
        """Remember an end that the machine may have caused."""
        if end.doubtful:
            self.doubts.append(_sentence(end.message.partition("\n")[0].removesuffix(".")))

    def _twice_at_fault(self, work: Callable[[], _Result]) -> _Result:
        """Do something once more, in a fresh process, if it was ours to bear that it failed. Raises Ended."""
        for attempt in (1, 2):
            try:
                return work()
            except Ended as end:
                self._drop()
                if end.status != "fault":
                    self._history.clear()
                    raise
                if attempt == 2 or not end.try_again:
                    raise
        raise AssertionError("never reached")

    @contextlib.contextmanager
    def _counted(self, child: Process) -> Iterator[None]:
        """Take the time from what the submission has left, unless it was we who failed. Raises Ended."""
        began, used, at_fault = time.monotonic(), child.used, False
        try:
            yield
        except Ended as end:
            at_fault = end.status == "fault"
            raise
        finally:
            self.wall_seconds += time.monotonic() - began
            if not at_fault:
                self._left -= child.used - used

    def _drop(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            self._wall_left = child.wall_left
            child.close()


def translated() -> dict[str, str]:
    """What is said to students inside the sandbox, in the language that is spoken here."""
    said = {text: translate(text) for text in INSIDE}
    return {text: other for text, other in said.items() if other != text}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _carried(value: Any) -> Any:
    return {"$network": value.name} if isinstance(value, Ref) else value
