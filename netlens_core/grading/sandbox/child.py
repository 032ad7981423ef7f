"""One forked process that holds a submission: frames go in, frames come out, it dies at the first broken limit."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from pathlib import Path
from typing import Any

from netlens_core.grading.sandbox.counted_time import CountedTime
from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.limits import Limits, total_used
from netlens_core.grading.sandbox.outcomes import Ended
from netlens_core.grading.sandbox.warm_process import WarmProcess
from netlens_core.languages import translate

_CHUNK = 1 << 20
_LOOK = 0.25  # seconds between two looks at the time that counts
_GRACE = 60.0  # seconds that the warm process has for telling how a child ended
# The backstop, in wall time: what is allowed, this many times, and a minute.
_PATIENCE = 20.0
_MINUTE = 60.0
_FORK_SECONDS = 300.0  # wall time that the warm process has for forking a child


class Child:
    """A child of the warm process. `close` must follow whatever happens; nothing it does can raise but `Ended`.

    All seconds are those of the reference machine: `slowdown` says how many of this machine's are one of them.

    Attributes:
        used: seconds that count towards the limits so far (see `counted_time`), of all requests together.
        wall_left: wall time, of this machine, until the backstop ends all requests together.
    """

    def __init__(self, warm: WarmProcess, limits: Limits, slowdown: float = 1.0) -> None:
        import fcntl

        self.used = 0.0
        self._warm = warm
        self._limits = limits
        self._slowdown = slowdown
        self.wall_left = self._patience(limits.total_seconds)
        self._work = warm.new_work_folder()
        self._pidfd: int | None = None  # the child's handle
        self._report: dict[str, Any] | None = None  # how it ended, in the warm process's words
        self._printed = 0
        self._received = bytearray()
        request_end, self._requests = os.pipe()
        self._replies, reply_end = os.pipe()
        self._log, log_end = os.pipe()
        wish = {
            "work": self._work,
            "memory_bytes": limits.memory_mb << 20,
            "disk_bytes": limits.disk_mb << 20,
            "files": limits.files,
            "processes": limits.processes,
            "cpu_seconds": int(limits.total_seconds * slowdown) + 2,
        }
        if warm.group:
            warm.group.limit(limits.memory_mb << 20, limits.disk_mb << 20, limits.processes)
        with contextlib.suppress(OSError):  # a dead warm process shows at the first exchange
            warm.fork(wish, [request_end, reply_end, log_end])
        for descriptor in (request_end, reply_end, log_end):
            os.close(descriptor)
        for descriptor in (self._requests, self._replies, self._log):
            os.set_blocking(descriptor, False)
        for descriptor in (self._requests, self._replies):
            with contextlib.suppress(OSError):  # a user's pipes have a common limit; smaller ones are only slower
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CHUNK)

    def ask(self, content: Any, seconds: float, what: str) -> Any:
        """Send a request and wait for its reply, one frame.

        Raises Ended where a limit or the process's life ended first, and where it had spoken without being asked.
        """
        self._drain()
        if self._received:
            raise Ended("bad_reply", translate("{what} was answered before it was asked", what=what))
        return self.receive(seconds, what, bytearray(wire.pack(content)))

    def receive(self, seconds: float, what: str, outgoing: bytearray | None = None) -> Any:
        """The next frame from the child, after having written `outgoing`. Raises Ended.

        `seconds` bound what counts: the child's computing and sleeping from when it was forked, never its waiting.
        """
        began, used = time.monotonic(), self.used
        patience = min(self._patience(seconds), self.wall_left)
        counted = self._counted_time()
        outgoing = outgoing if outgoing is not None else bytearray()
        with selectors.DefaultSelector() as waiting:
            for descriptor in (self._replies, self._log, self._warm.control):
                waiting.register(descriptor, selectors.EVENT_READ)
            if outgoing:
                waiting.register(self._requests, selectors.EVENT_WRITE)
            try:
                while (frame := self._taken(what)) is None:
                    if self._report is not None:
                        raise self._end(what)
                    counted = counted or self._counted_time()
                    spent = counted.seconds() / self._slowdown if counted else 0.0
                    self.used = used + spent
                    if spent >= seconds:
                        raise Ended("timed_out", f"{what} used more than {seconds:.3g} s")
                    if time.monotonic() - began >= (patience if self._pidfd is not None else _FORK_SECONDS):
                        raise self._starved(what, spent)
                    for key, _ in waiting.select(min(max((seconds - spent) * self._slowdown, 0.01), _LOOK)):
                        self._serve(key.fd, outgoing, waiting)
                return frame[0]
            finally:
                self.wall_left -= time.monotonic() - began
                if counted:
                    self.used = used + counted.seconds() / self._slowdown

    def _patience(self, seconds: float) -> float:
        return seconds * self._slowdown * _PATIENCE + _MINUTE

    def _counted_time(self) -> CountedTime | None:
        """Starts to count; None where the child is not there yet, or no more."""
        if self._pidfd is None:
            return None
        with contextlib.suppress(OSError, ValueError):
            told = Path(f"/proc/self/fdinfo/{self._pidfd}").read_text()
            number = int(told.partition("Pid:")[2].split()[0])
            if number > 0:  # else it is gone already
                return CountedTime(number)
        return None

    def _starved(self, what: str, spent: float) -> Ended:
        """The backstop ended it, and no limit of its own: nobody loses points by that."""
        if self._pidfd is None:
            return Ended("fault", "the sandbox did not start the submission")
        told = f"this machine is too busy: after a long wait {what} had got no more than {spent:.0f} s of a processor"
        return Ended("fault", told, try_again=False)

    def _taken(self, what: str) -> tuple[Any] | None:
        try:
            return wire.take(self._received, self._limits.reply_mb << 20)
        except wire.WireError as error:
            told = translate("{what} gave something that cannot be read: {error}", what=what, error=error)
            raise Ended("bad_reply", told) from None

    def _serve(self, descriptor: int, outgoing: bytearray, waiting: selectors.BaseSelector) -> None:
        if descriptor == self._warm.control.fileno():
            self._hear()
            if self._report is not None:
                self._drain()
        elif descriptor == self._requests:
            try:
                del outgoing[: os.write(self._requests, outgoing[:_CHUNK])]
            except BlockingIOError:
                return
            except BrokenPipeError:  # it closed its end, or died, which the warm process will tell
                outgoing.clear()
            if not outgoing:
                waiting.unregister(self._requests)
        elif not self._read(descriptor):
            waiting.unregister(descriptor)

    def _read(self, descriptor: int) -> bool:
        """Take in what has come; False at the end of the pipe. Raises Ended for too much print."""
        data = os.read(descriptor, _CHUNK)
        if descriptor == self._replies:
            self._received += data
        else:
            self._printed += len(data)
            if self._printed > self._limits.output_mb << 20:
                told = translate("it printed more than {size} MiB", size=self._limits.output_mb)
                raise Ended("crashed", told, certain=True)
        return bool(data)

    def _drain(self) -> None:
        """Take in what lies in the pipes without waiting; at most a reply's worth."""
        for descriptor in (self._replies, self._log):
            with contextlib.suppress(BlockingIOError):
                while len(self._received) < _CHUNK and self._read(descriptor):
                    pass

    def _hear(self) -> None:
        """What the warm process says: the child's handle first, then how it ended. Only it can write there."""
        data = b""
        descriptors: list[int] = []
        with contextlib.suppress(OSError):
            data, descriptors, _, _ = socket.recv_fds(self._warm.control, 4096, 1)
        if descriptors:
            self._pidfd = descriptors[0]
        else:
            self._report = json.loads(data) if data else {"exit": None, "locked": False}

    def _end(self, what: str) -> Ended:
        """Why the child is gone, judged by what the warm process saw."""
        report = self._report or {}
        code = report.get("exit")
        if code is None or not report.get("locked"):
            return Ended("fault", "the sandbox itself failed")
        if report.get("cpu_seconds", 0) >= self._limits.total_seconds * self._slowdown:
            return Ended("timed_out", total_used(what, self._limits), limit_named=True)
        if code == -signal.SIGKILL and self._warm.group and self._warm.group.ran_out():
            size = self._limits.memory_mb
            told = translate("{what} ran out of memory: {size} MiB are allowed.", what=what, size=size)
            return Ended("out_of_memory", told.removesuffix("."))
        if code == -signal.SIGKILL and self._warm.level == "full":
            # No submission can bring this about there: it is process 1, which does not heed its own signals.
            return Ended("fault", "its process was killed from outside, or this machine ran out of memory")
        name = f" ({signal.Signals(-code).name})" if code < 0 else ""
        # Whatever fails ends with a signal or another status.
        return Ended("crashed", translate("{what} ended its own process", what=what) + name, certain=code == 0)

    def close(self) -> None:
        """Kill the child, with its whole process namespace, and wait until the warm process has seen it die."""
        deadline = time.monotonic() + _GRACE
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._warm.control, selectors.EVENT_READ)
            while self._report is None and time.monotonic() < deadline and self._warm.alive:
                if self._pidfd is not None:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                if waiting.select(1):
                    self._hear()
        if self._report is None or self._report.get("exit") is None:
            self._warm.close()  # silent or dead: the next session gets a fresh one
        for descriptor in (self._requests, self._replies, self._log, self._pidfd):
            if descriptor is not None:
                os.close(descriptor)
        self._warm.discard(self._work)
