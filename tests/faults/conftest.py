"""Faults need the full sandbox: there, what ends a submission from outside is told from what it does itself."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netlens_core.grading.sandbox.box import Sandbox
from tests.faults.small_class import FEW, build, descendants, graded

PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="session", autouse=True)
def full_sandbox() -> None:
    level, reason = Sandbox.best_level()
    if level != "full":
        pytest.skip(f"the full sandbox does not work here: {reason}")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`undisturbed(honest)`: the small class graded with nothing going wrong, once for all processes of a test run.

    Not to be changed: copy it.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared

    def made(honest: int = FEW) -> Path:
        folder, begun = shared / f"undisturbed-{honest}", shared / f"undisturbed-{honest}-begun"
        with (shared / "undisturbed.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(begun, ignore_errors=True)
                graded(build(begun, honest), workers=2)
                begun.rename(folder)
        return folder

    return made


@pytest.fixture
def nothing_is_left() -> Iterator[Callable[[], list[int]]]:
    """Processes that lose their parent come to this one, so that none can be left over unseen; some minutes after
    the test all of them have to be gone."""
    libc, before = ctypes.CDLL(None), set(descendants(os.getpid()))
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def new() -> list[int]:
        return [pid for pid in descendants(os.getpid()) if pid not in before]

    yield new
    deadline = time.monotonic() + 300
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
