"""Temporary folders that outlive no owner for long: the next one removes what a killed owner left behind."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO


def owned_folder(prefix: str) -> tuple[Path, BinaryIO]:
    """A new temporary folder, and the lock that shows others that it is in use: keep it open as long as the folder.

    Folders of the same prefix whose owners are gone are removed.
    """
    import fcntl

    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError), (left / "lock").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    lock = (folder / "unlocked").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "unlocked").rename(folder / "lock")  # nobody ever finds it before it is locked
    return folder, lock
