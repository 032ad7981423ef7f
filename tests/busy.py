"""A machine that is busy with other work, on purpose."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def busy_processes(count: int = 8) -> Iterator[None]:
    """Other processes that compute all the time, while the block runs."""
    others = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
        assert all(other.poll() is None for other in others), "the machine was not busy all the time"
    finally:
        for other in others:
            other.kill()
            other.wait()
