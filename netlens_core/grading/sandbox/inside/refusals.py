"""What grading's locks refuse, refused by Python itself where there are no such locks: in a student's own check.

It stops honest code only, which is what a check is about: nothing here holds a hostile submission.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STARTING = {
    *("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen"),
    *("os.startfile", "pty.spawn", "_winapi.CreateProcess"),
}
_RESOLVING = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_HERE = ("127.0.0.1", "::1", "localhost")  # event loops wake themselves through it on Windows


def refuse(folder: str, memory_bytes: int, disk_bytes: int, threads: int) -> None:
    """Refuse processes, the network, the files of `folder`, too many threads, and too much memory where that works."""
    sys.addaudithook(_hook(_as_prefix(folder) if folder else ""))
    _refuse_other_ways()
    _bound_threads(threads)
    if sys.platform == "linux":
        _limit_memory(memory_bytes, disk_bytes)


def _hook(closed: str) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook; `closed` is the folder whose files are not to be had: grading does not have them either."""
    needed = {_as_prefix(path) for path in (str(Path.cwd()), sys.prefix, sys.base_prefix, *filter(None, sys.path))}
    opened = tuple(path for path in needed if not closed.startswith(path))

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTING:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        if event in _RESOLVING and arguments[0] not in _HERE:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in _HERE:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        if event == "open" and closed and isinstance(arguments[0], str):
            path = os.path.realpath(arguments[0])
            # Folders like ~/.cache belong to libraries.
            if path.startswith(closed) and not path.startswith((*opened, f"{closed}.")):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), arguments[0])

    return look


def _as_prefix(path: str) -> str:
    return os.path.realpath(path).rstrip(os.sep) + os.sep


def _refuse_other_ways() -> None:
    """multiprocessing and joblib start Python by a function that is never audited."""
    if sys.platform == "win32":
        return
    import _posixsubprocess

    def refused(*_: Any) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    _posixsubprocess.fork_exec = refused


def _bound_threads(most: int) -> None:
    start = threading.Thread.start

    def started(self: threading.Thread) -> None:
        if threading.active_count() >= most:
            raise RuntimeError("can't start new thread")
        start(self)

    threading.Thread.start = started  # type: ignore[method-assign]


def _limit_memory(memory_bytes: int, disk_bytes: int) -> None:
    import resource

    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for kind, value in ((resource.RLIMIT_AS, mapped + memory_bytes), (resource.RLIMIT_FSIZE, disk_bytes)):
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
