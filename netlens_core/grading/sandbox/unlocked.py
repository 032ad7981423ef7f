"""A submission in a process of its own without any lock, on every system: for a student's own check, nothing else.

It stops mistakes that hang, crash or print without end; what it runs can do whatever its user can.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from netlens_core.grading.sandbox.counted_time import CountedTime, WallTime
from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import Ended
from netlens_core.languages import translate

_CHUNK = 1 << 16
_LOOK = 0.25  # seconds between two looks at the time that counts


class UnlockedChild:
    """A fresh Python that runs a notebook; spoken to through its standard streams. `close` must follow.

    Attributes:
        used: seconds that count towards the limits so far; elsewhere than on Linux, all that passed.
    """

    def __init__(self, limits: Limits, slowdown: float = 1.0) -> None:
        self.used = 0.0
        self._limits = limits
        self._slowdown = slowdown
        self._work = tempfile.TemporaryDirectory(prefix="netlens-check-", ignore_cleanup_errors=True)
        root = str(Path(__file__).parents[3])
        own = {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
        own |= {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "NETLENS_CHECKING": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "netlens_core.grading.sandbox.inside.alone", self._work.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | own,
            cwd=self._work.name,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._arrived: queue.Queue[bytes] = queue.Queue(maxsize=64)
        self._received = bytearray()
        self._closed = False
        # The thread has a descriptor of its own: once another is closed, its number may be another file's.
        descriptor = os.dup(self._process.stdout.fileno())
        self._listener = threading.Thread(target=self._listen, args=(descriptor,), daemon=True)
        self._listener.start()

    def _listen(self, descriptor: int) -> None:
        """Take in what arrives, in a thread: waiting on a pipe with a time limit works on no other way everywhere."""
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            while not self._closed:
                data = stream.read(_CHUNK) or b""
                self._arrived.put(data)
                if not data:
                    return

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
            self._listener.join(0.05)
            if not self._listener.is_alive():
                break
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()
        self._work.cleanup()
