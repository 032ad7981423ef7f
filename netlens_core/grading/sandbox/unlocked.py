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
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import Ended
from netlens_core.languages import translate

_CHUNK = 1 << 16


class UnlockedChild:
    """A fresh Python that runs a notebook; spoken to through its standard streams. `close` must follow."""

    def __init__(self, limits: Limits, networks: Sequence[str] = ()) -> None:
        self._limits = limits
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
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def _listen(self, stream: BinaryIO) -> None:
        """Take in what arrives, in a thread: waiting on a pipe with a time limit works on no other way everywhere."""
        while not self._closed:
            data = os.read(stream.fileno(), _CHUNK)
            self._arrived.put(data)
            if not data:
                return

    def ask(self, content: Any, seconds: float, what: str) -> Any:
        """Send a request and wait for its reply. Raises Ended."""
        return self.receive(seconds, what, bytearray(wire.pack(content)))

    def receive(self, seconds: float, what: str, outgoing: bytearray | None = None) -> Any:
        """The next frame, after having written `outgoing`. Raises Ended."""
        deadline = time.monotonic() + seconds
        if outgoing:
            threading.Thread(target=self._write, args=(bytes(outgoing),), daemon=True).start()
        while True:
            try:
                frame = wire.take(self._received, self._limits.reply_mb << 20)
            except wire.WireError as error:
                told = translate("{what} gave something that cannot be read: {error}", what=what, error=error)
                raise Ended("bad_reply", told) from None
            if frame is not None:
                return frame[0]
            try:
                data = self._arrived.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                raise Ended("timed_out", f"{what} used its {seconds:.3g} s") from None
            if not data:
                raise Ended("crashed", translate("{what} ended its own process", what=what))
            self._received += data

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it died, which shows at its other end
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def close(self) -> None:
        """End the process and remove its folder."""
        self._closed = True
        self._process.kill()
        with contextlib.suppress(queue.Empty):
            while True:
                self._arrived.get_nowait()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()
        self._work.cleanup()
