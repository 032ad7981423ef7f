"""Temporary folders in TMPDIR: those of killed processes are removed, a disk that is full is told in one line.

In `/tmp`, anybody may have made anything under the names that are used here: nothing of it is waited for, followed
or removed unless it is this user's own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_OF_THE_FOLDER = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EIO),
)
_LONG_PATH = 2000  # bytes; half of what the kernel takes
_ROOM = 1 << 20  # bytes that have to be free at the start; grading needs a few MB


class TemporaryFolderError(OSError):
    """The folder for temporary files is full or cannot be written; the message names it and says what to do."""


def owned_folder(prefix: str) -> tuple[Path, BinaryIO]:
    """A new temporary folder, and the lock that shows others that it is in use: keep it open as long as the folder.

    Folders of the same prefix whose owners are gone are removed; where the file system has no locks, they stay.
    Raises TemporaryFolderError.
    """
    import fcntl

    with temporary_files():
        for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            _remove_if_left(left)
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        lock = (folder / "unlocked").open("wb")
        with contextlib.suppress(OSError):  # without locks, nobody can take this one either, so nobody removes it
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / "unlocked").rename(folder / "lock")  # nobody ever finds it before it is locked
        return folder, lock


def _remove_if_left(folder: Path) -> None:
    """Remove a folder of ours whose owner is gone, which its lock shows."""
    import fcntl

    with contextlib.ExitStack() as held, contextlib.suppress(OSError):
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        held.callback(os.close, inside)
        # Opening a pipe would wait for a writer, so it is opened without waiting, and nothing is done with it.
        lock = os.open("lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=inside)
        held.callback(os.close, lock)
        about = os.fstat(lock)
        if os.fstat(inside).st_uid == about.st_uid == os.geteuid() and stat.S_ISREG(about.st_mode):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(folder.lstat(), os.fstat(inside)):
                remove_folder(folder)


# -- what is wrong with the folder ------------------------------------------------------------------------


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """Around the writing of temporary files: what the folder is to blame for is raised as TemporaryFolderError."""
    try:
        yield
    except TemporaryFolderError:
        raise
    except OSError as error:
        if error.errno not in _OF_THE_FOLDER:
            raise
        raise _told(error, Path(tempfile.gettempdir())) from None


def check_temporary_folder() -> None:
    """Raises TemporaryFolderError where there is no room for temporary files, or TMPDIR names no folder to write to.

    Python itself goes on with another folder then, which may well be the one that was to be avoided.
    """
    chosen = os.environ.get("TMPDIR")
    try:
        folder = Path(chosen or tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            for _ in range(_ROOM >> 16):
                file.write(bytes(1 << 16))
    except OSError as error:
        raise _told(error, Path(chosen or "/tmp")) from None


def _told(error: OSError, folder: Path) -> TemporaryFolderError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    do = "make room there" if full else "make it a folder that can be written"
    reason = f"{error.strerror}; here temporary files belong: {do}, or set TMPDIR to another folder. Nothing is lost"
    return TemporaryFolderError(error.errno, reason, str(folder))


def remove_folder(folder: Path | str) -> None:
    """Remove a folder, whatever a submission left there: closed folders, folders nested thousands deep. Never fails.

    `shutil.rmtree` leaves what is closed to its own user, and raises RecursionError for deep nesting.
    """
    top = Path(folder)
    unused = secrets.token_hex(8)  # no name that a submission can have taken
    folders = [] if top.is_symlink() else [top]
    for place in folders:  # grows meanwhile: parents come before what they hold
        with contextlib.suppress(OSError):
            place.chmod(0o700)
            for entry in list(place.iterdir()):
                with contextlib.suppress(OSError):
                    if entry.is_symlink() or not entry.is_dir():
                        entry.unlink()
                        continue
                    if len(os.fsencode(entry)) > _LONG_PATH:
                        entry.chmod(0o700)  # a folder that cannot be written to cannot be moved
                        entry = entry.rename(top / f"{unused}-{len(folders)}")
                    folders.append(entry)
    for place in reversed(folders):
        with contextlib.suppress(OSError):
            place.rmdir()
