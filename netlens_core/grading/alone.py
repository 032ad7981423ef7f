"""One `netlens grade` a course at a time: the next one waits, and then finds done what the first one did."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from netlens_core.grading.course import Course
from netlens_core.grading.files import PRIVATE, make_private_folder
from netlens_core.progress import activity

_HALF_WRITTEN = re.compile(r"\..{1,40}\.[a-z0-9_]{8}")  # the names that `store.write_atomically` gives


@contextlib.contextmanager
def working_alone(course: Course, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the course's lock, and clear away what killed runs left half-written.

    `waiting` is called once where somebody else holds it. The lock ends with its process, however that ends; a file
    system without locks has none. Raises OSError where the course folder cannot be written.
    """
    make_private_folder(course.hidden_folder)
    with _opened(course.hidden_folder / "lock") as lock:
        _take(lock.fileno(), waiting)
        for folder in (
            *(
                course.hidden_folder / name
                for name in ("grades", "pictures", "notebooks", "marks", "history", "returned")
            ),
            course.folder / "grades",
            course.folder / "reports",
        ):
            _sweep(folder)
        yield


def _opened(path: Path) -> BinaryIO:
    """The lock's file. Raises OSError, also for a folder or a pipe, which would never open."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | os.O_CLOEXEC, PRIVATE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "here netlens keeps its lock, and this is no plain file: move it away", str(path))
    return os.fdopen(descriptor, "rb")


def _take(lock: int, waiting: Callable[[], None]) -> None:
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        with activity("waiting for the netlens that works on this course"):
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:  # every write is atomic and equal keys hold equal grades: without a lock, work is only done twice
        pass


def _sweep(folder: Path) -> None:
    for path in folder.rglob(".*"):
        if _HALF_WRITTEN.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)
