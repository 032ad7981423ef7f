"""Faults need the full sandbox: there, what ends a submission from outside is told from what it does itself."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netlens_core.grading.sandbox.box import Sandbox
from tests.faults.small_class import build, descendants, everywhere, graded

PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="session", autouse=True)
def full_sandbox() -> None:
    level, reason = Sandbox.best_level()
    if level != "full":
        pytest.skip(f"the full sandbox does not work here: {reason}")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the small class earns when nothing goes wrong."""
    folder = build(tmp_path_factory.mktemp("undisturbed") / "course")
    graded(folder)
    return everywhere(folder)


@pytest.fixture
def nothing_is_left() -> Iterator[Callable[[], list[int]]]:
    """Processes that lose their parent come to this one, so that none can be left over unseen; some seconds after
    the test all of them have to be gone."""
    libc, before = ctypes.CDLL(None), set(descendants(os.getpid()))
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def new() -> list[int]:
        return [pid for pid in descendants(os.getpid()) if pid not in before]

    yield new
    deadline = time.monotonic() + 60
    while (left := new()) and time.monotonic() < deadline:
        time.sleep(0.1)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    for pid in [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]:
        if pid not in before:
            _reap(pid)
    assert not left


def _reap(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)
