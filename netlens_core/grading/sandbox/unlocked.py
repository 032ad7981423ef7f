"""A submission in a process of its own without any lock, on every system: for a student's own check, nothing else.

Grading's limits hold as far as Python itself can hold them (`inside.refusals`): they stop mistakes and honest code;
what is hostile can do whatever its user can.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox.counted_time import CountedTime, WallTime
from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import Ended
from netlens_core.grading.sandbox.warm_process import ENVIRONMENT
from netlens_core.languages import translate

_CHUNK = 1 << 16
_LOOK = 0.25  # seconds between two looks at the time that counts
_START = 900.0  # seconds for importing everything; of CPU time on Linux
# Of the environment, what Python, torch and the system need: a notebook must not build on the rest.
_KEPT = {
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TMP", "TEMP", "TORCH_HOME", "XDG_CACHE_HOME"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "PYTHONHOME", "PYTHONUSERBASE"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
    *("PROGRAMDATA", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "NETLENS_OFFLINE"),
}


class UnlockedChild:
    """A fresh Python that runs a notebook; spoken to through its standard streams. `close` must follow.

    Raises Ended where it does not start.

    Args:
        networks: what is loaded before the time counts, as it is in grading.
        folder: where the student works: what lies there is not to be had in grading.

    Attributes:
        used: seconds that count towards the limits so far; elsewhere than on Linux, all that passed.
        wall_left: without end: the student is there to stop it.
    """

    def __init__(self, limits: Limits, slowdown: float = 1.0, networks: Sequence[str] = (), folder: str = "") -> None:
        self.used = 0.0
        self.wall_left = float("inf")
        self._limits = limits
        self._slowdown = slowdown
        self._work = tempfile.TemporaryDirectory(prefix="netlens-check-", ignore_cleanup_errors=True)
        root = str(Path(__file__).parents[3])
        own = {name: value for name, value in ENVIRONMENT.items() if name not in _KEPT}
        own |= {"PYTHONPATH": root, "PYTHONIOENCODING": "utf-8"}
        config = {
            "work": self._work.name,
            "networks": list(networks),
            "folder": folder,
            "memory_bytes": limits.memory_mb << 20,
            "disk_bytes": limits.disk_mb << 20,
            "processes": limits.processes,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "netlens_core.grading.sandbox.inside.alone", json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name.upper() in _KEPT} | own,
            cwd=self._work.name,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._arrived: queue.Queue[bytes] = queue.Queue(maxsize=64)
        self._received = bytearray()
        self._printed = 0  # bytes, past Python's own streams
        self._last_words = b""
        self._closed = False
        self._listeners = [self._listening(self._process.stdout, self._arrived.put)]
        self._listeners.append(self._listening(self._process.stderr, self._count))
        try:
            self._await_readiness()
        except BaseException:
            self.close()
            raise

    def _await_readiness(self) -> None:
        limits, self._limits = self._limits, Limits()
        try:
            self.receive(_START, "Python")
        except Ended as end:
            self._listeners[1].join(5)
            lines = plain(self._last_words.decode(errors="replace"), 2000).strip().splitlines()
            told = translate("the notebook cannot be run here: {reason}", reason=lines[-1] if lines else end.message)
            raise Ended("fault", told, try_again=False) from None
        self.used, self._limits, self._printed = (
            0.0,
            limits,
            0,
        )  # what libraries say when imported is not the notebook's

    def _listening(self, pipe: IO[bytes], take: Callable[[bytes], None]) -> threading.Thread:
        """Take in what arrives, in a thread: waiting on a pipe with a time limit works on no other way everywhere."""

        # The thread has a descriptor of its own: once another is closed, its number may be another file's.
        def listen(descriptor: int) -> None:
            with os.fdopen(descriptor, "rb", buffering=0) as stream:
                while not self._closed:
                    data = stream.read(_CHUNK) or b""
                    take(data)
                    if not data:
                        return

        thread = threading.Thread(target=listen, args=(os.dup(pipe.fileno()),), daemon=True)
        thread.start()
        return thread

    def _count(self, data: bytes) -> None:
        self._printed += len(data)
        self._last_words = (self._last_words + data)[-4000:]

    def ask(self, content: Any, seconds: float, what: str) -> Any:
        """Send a request and wait for its reply. Raises Ended."""
        return self.receive(seconds, what, bytearray(wire.pack(content)))

    def receive(self, seconds: float, what: str, outgoing: bytearray | None = None) -> Any:
        """The next frame, after having written `outgoing`. Raises Ended."""
        used, counted = self.used, self._counted_time()
        if outgoing:
            threading.Thread(target=self._write, args=(bytes(outgoing),), daemon=True).start()
        while True:
            try:
                frame = wire.take(self._received, self._limits.reply_mb << 20)
            except wire.WireError as error:
                told = translate("{what} gave something that cannot be read: {error}", what=what, error=error)
                raise Ended("bad_reply", told) from None
            spent = counted.seconds() / self._slowdown
            self.used = used + spent
            if frame is not None:
                return frame[0]
            if self._printed > self._limits.output_mb << 20:
                told = translate("it printed more than {size} MiB", size=self._limits.output_mb)
                raise Ended("crashed", told, limit_named=True)
            if spent >= seconds:
                raise Ended("timed_out", f"{what} used more than {seconds:.3g} s")
            with contextlib.suppress(queue.Empty):
                data = self._arrived.get(timeout=min(max((seconds - spent) * self._slowdown, 0.01), _LOOK))
                if not data:
                    raise Ended("crashed", translate("{what} ended its own process", what=what))
                self._received += data

    def _counted_time(self) -> CountedTime | WallTime:
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # no /proc
                return CountedTime(self._process.pid)
        return WallTime()

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it died, which shows at its other end
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def close(self) -> None:
        """End the process and remove its folder."""
        self._closed = True
        self._process.kill()
        self._process.wait()
        # What the notebook started may hold the other end open; then the thread lives on until that ends as well.
        for _ in range(20):
            with contextlib.suppress(queue.Empty):  # the thread may wait for room
                while True:
                    self._arrived.get_nowait()
            for listener in self._listeners:
                listener.join(0.05)
            if not any(listener.is_alive() for listener in self._listeners):
                break
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()
        self._work.cleanup()
