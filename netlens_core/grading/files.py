"""Files on a disk that others write too: read without waiting on what is no file, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

PRIVATE = 0o600  # the mode of files that only their owner may read
_TRIES = 50


def read_regular_file(path: Path) -> bytes:
    """The bytes of a file. Raises OSError, also for a folder, a device or a pipe, which a plain `open` may wait on."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file, but a folder, a device or a pipe", str(path))
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def json_bytes(content: Any) -> bytes:
    """JSON as a file: readable, and whole for names of files that are not UTF-8 (`\\udcff` stands for a lone byte)."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that readers, and a killed process, see either all of it or none.

    It has its final mode before it has any content. Raises OSError where the disk is full or the folder cannot be
    written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")  # 0600 until here
        with os.fdopen(handle, "wb") as file:
            with contextlib.suppress(OSError):  # file systems without modes
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None  # a full disk does not say where
        raise


def write_once(path: Path, data: bytes, mode: int) -> bytes:
    """Write a file where there is none with anything in it; of several who try at once, one does. What lies there then.

    An empty file, as a full disk leaves it, is replaced. Everybody gets the same bytes, by renaming alone: neither
    locks nor hard links are needed. Raises OSError as `write_atomically`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    claim = path.with_name(f".{path.name}.once")  # a folder; renaming one onto another that is not empty always fails
    for _ in range(_TRIES):
        if there := _content(path):
            return there
        _claim(claim, data, mode)
        # Whoever finds the file empty from here on writes what the claim holds, so it does not matter who is last.
        chosen = _content(claim / "content")
        if not _content(path) and chosen:
            write_atomically(path, chosen, mode)
        _give_up(claim)
        if chosen:
            return _content(path) or chosen
        time.sleep(0.001)
    raise OSError(errno.EAGAIN, "others keep writing it at the same time", str(path))


def _content(path: Path) -> bytes:
    """The bytes of a file; none where it is missing or blank."""
    try:
        data = read_regular_file(path)
    except FileNotFoundError:
        return b""
    return data if data.strip() else b""


def _claim(claim: Path, data: bytes, mode: int) -> None:
    """Make the folder with the content, all at once, unless somebody else has."""
    made = Path(tempfile.mkdtemp(dir=claim.parent, prefix=f"{claim.name}."))
    try:
        write_atomically(made / "content", data, mode)
        made.rename(claim)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _give_up(claim: Path) -> None:
    with contextlib.suppress(OSError):
        (claim / "content").unlink()
        claim.rmdir()


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter; one that is there and open to others is closed, where it is ours.

    Raises OSError where it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        if not folder.is_dir():
            reason = "this is no folder, or a link to one that is not there: move it away"
            raise NotADirectoryError(errno.ENOTDIR, reason, str(folder)) from None
    close_to_others(folder)
    refuse_foreign_folder(folder)


def close_to_others(folder: Path) -> None:
    """Let only the owner of a folder enter it, as far as that can be done."""
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & 0o077:
            folder.chmod(mode & ~0o077)


def refuse_foreign_folder(folder: Path) -> None:
    """Raises PermissionError for the folder of another account that this one may not use, saying whose it is."""
    owner = folder.stat().st_uid
    if owner == os.geteuid() or os.access(folder, os.R_OK | os.X_OK):
        return
    try:
        import pwd

        name = pwd.getpwuid(owner).pw_name
    except (ImportError, KeyError):
        name = str(owner)
    reason = f"it belongs to the account {name}, which alone has this course's secret and grades: work as that account"
    raise PermissionError(errno.EACCES, reason, str(folder))


def move_aside(path: Path) -> None:
    """Move away what is no file and lies where one belongs, such as a folder; nothing is lost. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            path.rename(path.with_name(f"{path.name}.moved-{secrets.token_hex(4)}"))
