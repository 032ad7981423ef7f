"""Code that would start processes works without them where it can, and else fails in words, in check and grading alike.

A courtesy to students. What holds in grading is the system call filter.
"""

from __future__ import annotations

import errno
import functools
import inspect
import os
import sys
from typing import Any

from . import words

# What DataLoader takes for its workers only, and refuses or heeds not without any.
_FOR_WORKERS = ("prefetch_factor", "persistent_workers", "multiprocessing_context", "timeout", "worker_init_fn")


def work_in_one_process() -> None:
    """Let torch's DataLoader and joblib work in this process, and `os.system` raise instead of returning a number."""
    from torch.utils.data import DataLoader

    begin = DataLoader.__init__
    parameters = inspect.signature(begin)

    @functools.wraps(begin)
    def without_workers(*arguments: Any, **options: Any) -> None:
        try:
            given = parameters.bind(*arguments, **options).arguments
        except TypeError:  # the loader itself tells what is wrong
            given = {}
        workers = given.get("num_workers")
        if not isinstance(workers, int) or workers <= 0:
            begin(*arguments, **options)
            return
        _tell_once()
        begin(**{name: value for name, value in given.items() if name not in _FOR_WORKERS} | {"num_workers": 0})

    DataLoader.__init__ = without_workers  # type: ignore[method-assign]
    os.environ["JOBLIB_MULTIPROCESSING"] = "0"  # joblib, which scikit-learn uses, takes its jobs one by one
    os.system = system


@functools.cache
def _tell_once() -> None:
    print(f"({words.said(words.NO_WORKERS)})", file=sys.stderr)


def system(command: Any) -> int:
    """`os.system` where no processes are started. Raises PermissionError."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
