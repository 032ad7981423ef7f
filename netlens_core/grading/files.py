"""Files written so that readers, and a killed process, see either all of one or none."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers, and a killed process, see either all of it or none.

    Raises OSError where the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk does not say where
        raise


def write_once(path: Path, data: bytes, mode: int) -> None:
    """Write a file atomically where there is none with anything in it; of several who try at once, one does.

    Raises OSError as `write_atomically`.
    """
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_atomically(made, data)
    made.chmod(mode)
    try:
        if path.exists() and not path.read_bytes().strip():
            path.unlink()
        os.link(made, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
