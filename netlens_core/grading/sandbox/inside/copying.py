"""Copying files where their metadata must not be changed: at the reduced level the system call filter refuses it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from typing import Any


def copy_without_metadata() -> None:
    """Let `shutil.copy`, `copy2`, `copytree` and `move` do their work without modes and times, instead of failing."""
    shutil.copymode = _forgiving(shutil.copymode)
    shutil.copystat = _forgiving(shutil.copystat)


def _forgiving(copy_metadata: Callable[..., None]) -> Callable[..., None]:
    def copied(*arguments: Any, **options: Any) -> None:
        with contextlib.suppress(PermissionError):
            copy_metadata(*arguments, **options)

    return copied
