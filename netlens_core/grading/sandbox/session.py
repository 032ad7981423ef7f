"""A submission in the sandbox: its notebook run once, then called as often as the grader asks."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import CallStatus, CellRun, Outcome, Ref

if TYPE_CHECKING:
    from netlens_core.grading.sandbox.warm_process import WarmProcess

_CHUNK = 1 << 20
_GRACE = 30.0  # seconds that the warm process has for telling how a child ended
_PNG = b"\x89PNG\r\n\x1a\n"


class Ended(Exception):
    """The child is gone; `status` and `message` tell why."""

    def __init__(self, status: CallStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Child:
    """One forked process: frames go in, frames come out, and it dies at the first broken limit."""

    def __init__(self, warm: WarmProcess, limits: Limits) -> None:
        self._warm = warm
        self._limits = limits
        self._work = warm.new_work_folder()
        self._pidfd: int | None = None
        self._report: dict[str, Any] | None = None
        self._logged = 0
        self._received = bytearray()
        request_end, self._requests = os.pipe()
        self._replies, reply_end = os.pipe()
        self._log, log_end = os.pipe()
        note = {
            "work": self._work,
            "memory_bytes": limits.memory_mb << 20,
            "disk_bytes": limits.disk_mb << 20,
            "processes": limits.processes,
            "cpu_seconds": int(limits.total_seconds) + 2,
        }
        with contextlib.suppress(OSError):  # a dead warm process shows at the first exchange
            warm.fork(note, [request_end, reply_end, log_end])
        for descriptor in (request_end, reply_end, log_end):
            os.close(descriptor)
        for descriptor in (self._requests, self._replies, self._log):
            os.set_blocking(descriptor, False)

    def send(self, content: Any, seconds: float, what: str) -> Any:
        """Send a request and return the next frame. Raises Ended where a limit or the process's life ended first."""
        return self.receive(seconds, what, bytearray(wire.pack(content)))

    def receive(self, seconds: float, what: str, outgoing: bytearray | None = None) -> Any:
        """The next frame from the child, after having written `outgoing`. Raises Ended."""
        deadline = time.monotonic() + seconds
        outgoing = outgoing if outgoing is not None else bytearray()
        with selectors.DefaultSelector() as waiting:
            for descriptor in (self._replies, self._log, self._warm.control):
                waiting.register(descriptor, selectors.EVENT_READ)
            if outgoing:
                waiting.register(self._requests, selectors.EVENT_WRITE)
            while True:
                if (frame := self._taken()) is not None:
                    return frame[0]
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Ended("timed_out", f"{what} used its {seconds:.3g} s")
                for key, _ in waiting.select(left):
                    self._serve(key.fd, outgoing, waiting)
                if self._report is not None:
                    self._drain()
                    if (frame := self._taken()) is not None:
                        return frame[0]
                    raise self._end(what)

    def _taken(self) -> tuple[Any] | None:
        try:
            return wire.take(self._received, self._limits.reply_mb << 20)
        except wire.WireError as error:
            raise Ended("bad_reply", f"what came back cannot be read: {error}") from None

    def _serve(self, descriptor: int, outgoing: bytearray, waiting: selectors.BaseSelector) -> None:
        if descriptor == self._warm.control.fileno():
            self._hear()
        elif descriptor == self._requests:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                del outgoing[: os.write(self._requests, outgoing[:_CHUNK])]
            if not outgoing:
                waiting.unregister(self._requests)
        elif data := os.read(descriptor, _CHUNK):
            self._feed(descriptor, data)
        else:
            waiting.unregister(descriptor)

    def _feed(self, descriptor: int, data: bytes) -> None:
        if descriptor == self._replies:
            self._received += data
            return
        self._logged += len(data)
        if self._logged > self._limits.output_mb << 20:
            raise Ended("crashed", f"it printed more than {self._limits.output_mb} MiB")

    def _hear(self) -> None:
        """What the warm process says: the child's handle first, then how it ended. Only it can write there."""
        data, descriptors = b"", []
        with contextlib.suppress(OSError):
            data, descriptors, _, _ = socket.recv_fds(self._warm.control, 4096, 1)
        if descriptors:
            self._pidfd = descriptors[0]
        else:
            self._report = json.loads(data) if data else {"exit": None, "locked": False}

    def _drain(self) -> None:
        """What a dead child left in its pipes."""
        for descriptor in (self._replies, self._log):
            with contextlib.suppress(BlockingIOError):
                while data := os.read(descriptor, _CHUNK):
                    self._feed(descriptor, data)

    def _end(self, what: str) -> Ended:
        report = self._report or {}
        code = report.get("exit")
        if code is None or not report.get("locked"):
            return Ended("fault", "the sandbox itself failed")
        if report.get("cpu_seconds", 0) >= self._limits.total_seconds:
            return Ended("timed_out", f"{what} used all its processor time")
        name = f" by {signal.Signals(-code).name}" if code < 0 else ""
        return Ended("crashed", f"{what} ended its own process{name}")

    def close(self) -> None:
        """Kill the child, with its whole process namespace, and wait until the warm process has seen it die."""
        deadline = time.monotonic() + _GRACE
        self._warm.control.settimeout(1)
        while self._report is None and time.monotonic() < deadline and self._warm.alive:
            if self._pidfd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            with selectors.DefaultSelector() as waiting:
                waiting.register(self._warm.control, selectors.EVENT_READ)
                if waiting.select(1):
                    self._hear()
        if self._report is None or self._report.get("exit") is None:
            self._warm.close()
        for descriptor in (self._requests, self._replies, self._log, self._pidfd):
            if descriptor is not None:
                os.close(descriptor)
        self._warm.discard(self._work)


class Session:
    """A submission's notebook, run; functions can be called until the session is closed.

    Attributes:
        status: "ok", or how the run of the notebook ended: "timed_out", "crashed", "out_of_memory", "fault".
        message: the same in words for the student.
        cells: what each cell showed, as far as cells ran.
    """

    def __init__(self, fork: Any, cells: Sequence[str], files: Mapping[str, bytes], limits: Limits, seed: int) -> None:
        self._fork = fork  # () -> Child
        self._start_request = {"cells": list(cells), "files": dict(files), "seed": seed}
        self._limits = limits
        self._left = float(limits.total_seconds)
        self._child: Child | None = None
        self._calls = 0
        self.status: CallStatus = "ok"
        self.message = ""
        self.cells: tuple[CellRun, ...] = ()

    def __enter__(self) -> Session:
        try:
            self._start()
        except Ended as end:
            self.status, self.message = end.status, end.message
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            child.close()

    def _start(self) -> None:
        """Run the notebook in a new child; the first run's outputs are the ones that are kept."""
        for attempt in (1, 2):
            self._child = self._fork()
            cells: list[CellRun] = []
            try:
                self._run_cells(cells)
                return
            except Ended as end:
                self._drop()
                if end.status == "fault" and attempt == 1:
                    continue  # ours to bear: once more, in a fresh warm process
                raise
            finally:
                if not self.cells:
                    self.cells = tuple(cells)

    def _run_cells(self, cells: list[CellRun]) -> None:
        assert self._child is not None
        what, outgoing = "the notebook", bytearray(wire.pack(self._start_request))
        deadline = time.monotonic() + min(self._limits.start_seconds, self._left)
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            with self._counted():
                frame = self._timely(left, what, outgoing)
            outgoing = bytearray()
            if not isinstance(frame, dict) or (frame.get("ran") is not True and len(cells) >= self._count):
                raise Ended("bad_reply", "the notebook sent something that no notebook sends")
            if frame.get("ran") is True:
                return
            cells.append(_cell_run(frame))

    @property
    def _count(self) -> int:
        return len(self._start_request["cells"])

    def _timely(self, left: float, what: str, outgoing: bytearray) -> Any:
        assert self._child is not None
        try:
            return self._child.receive(left, what, outgoing)
        except Ended as end:
            if end.status == "timed_out" and "processor" not in end.message:
                raise Ended("timed_out", f"{what} used its {self._limits.start_seconds:g} s") from None
            raise

    @contextlib.contextmanager
    def _counted(self) -> Any:
        started = time.monotonic()
        try:
            yield
        finally:
            self._left -= time.monotonic() - started

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
        }
        return self._ask(content, f"`{function}`", seed)

    def variable(self, name: str) -> Outcome:
        """One of the notebook's variables, as plain data."""
        return self._ask({"kind": "variable", "name": name}, f"`{name}`", 0)

    def _ask(self, content: dict[str, Any], what: str, seed: int) -> Outcome:
        if self.status != "ok":
            return Outcome(self.status, message=f"The notebook did not run to its end: {self.message}.")
        if self._left <= 0:
            return Outcome("timed_out", message=f"The submission used its {self._limits.total_seconds:g} s in all.")
        self._calls += 1
        try:
            if self._child is None:
                self._start()
            assert self._child is not None
            with self._counted():
                seconds = min(self._limits.call_seconds, max(self._left, 0.0))
                reply = self._child.send({**content, "id": self._calls, "seed": seed}, seconds, what)
        except Ended as end:
            self._drop()
            return Outcome(end.status, message=f"{end.message[:1].upper()}{end.message[1:]}.")
        outcome = _outcome(reply, what, self._calls)
        if outcome.status == "bad_reply":
            self._drop()
        return outcome


def _carried(value: Any) -> Any:
    return {"$network": value.name} if isinstance(value, Ref) else value


def _outcome(reply: Any, what: str, number: int) -> Outcome:
    """A reply in our words; every field of it is a claim, and may be of any kind."""
    if not isinstance(reply, dict) or reply.get("id") != number or not isinstance(reply.get("ok"), bool):
        return Outcome("bad_reply", message=f"{what} sent something that is no reply.")
    if reply["ok"]:
        return Outcome("ok", reply.get("value"))
    if reply.get("missing"):
        return Outcome("missing", message=f"{what} is missing: define it at the top level of the notebook.")
    if "problem" in reply:
        return Outcome("bad_reply", message=f"{what} returned {plain(str(reply['problem']), 500)}.")
    error, trace = plain(str(reply.get("error", "")), 600), plain(str(reply.get("trace", "")), 4000)
    if reply.get("memory") is True:
        return Outcome("out_of_memory", message=f"{what} used up its memory: {error}")
    return Outcome("error", message=f"{what} raised {error}" + (f"\n{trace}" if trace else ""))


def _cell_run(frame: dict[str, Any]) -> CellRun:
    error = frame.get("error")
    outputs = frame.get("outputs")
    return CellRun(
        error=None if error is None else plain(str(error), 600),
        traceback=plain(str(frame.get("trace", "")), 4000),
        outputs=[_output(entry) for entry in (outputs if isinstance(outputs, list) else [])[:64]],
    )


def _output(entry: Any) -> dict[str, Any]:
    entry = entry if isinstance(entry, dict) else {}
    kind = entry.get("kind")
    output: dict[str, Any] = {
        "kind": kind if kind in ("stdout", "stderr", "result", "display") else "stdout",
        "text": plain(str(entry.get("text", "")), 65_000),
    }
    picture = entry.get("png")
    if isinstance(picture, bytes) and picture.startswith(_PNG) and len(picture) <= 1 << 20:
        output["png"] = picture
    return output
