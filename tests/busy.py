"""A machine that is busy with other work, on purpose."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from netlens_core.grading.pool import usable_cores


@contextlib.contextmanager
def busy_processes() -> Iterator[None]:
    """Other processes that compute all the time, while the block runs: eight on two cores."""
    count = 4 * usable_cores()
    others = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
        assert all(other.poll() is None for other in others), "the machine was not busy all the time"
    finally:
        for other in others:
            other.kill()
            other.wait()
