"""Read the pictures of a folder: what is no picture is passed over, what cannot be read is listed and left out.

found = find_pictures(folder)
reading = read_pictures(found, at_most=100, prepare=lambda image: fit(image, 32))
reading.images, reading.notes     # "2 pictures left out: a.png is broken or cut off …"
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from netlens_core.images import ImageError, read_picture
from netlens_core.picture_files import SUFFIXES

_LISTED = 20  # names in a message; a class of photos may hold thousands
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db"}
_SYSTEM_FOLDERS = {"__MACOSX", "@eaDir", "lost+found"}


@dataclass
class Found:
    """The pictures of a folder by their names, in order; what cannot be read at all; how many other files there are."""

    paths: list[Path] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    others: int = 0


@dataclass
class Reading:
    """Pictures read: the images, their paths, why others are missing, what was done to some.

    others: how many files are no pictures by their names.
    """

    images: list[Tensor] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    others: int = 0

    @property
    def notes(self) -> list[str]:
        """In a line each: how many were left out, how many converted, how many files are no pictures."""
        notes = []
        if self.bad:
            notes.append(f"{_pictures(len(self.bad))} could not be read and left out: {listed(self.bad)}")
        if self.converted:
            notes.append(f"{_pictures(len(self.converted))} converted: {listed(self.converted, 5)}")
        if self.others:
            files = "1 file that is no picture" if self.others == 1 else f"{self.others} files that are no pictures"
            notes.append(f"{files} passed over")
        return notes


def find_pictures(folder: Path, subfolders: bool = True) -> Found:
    """The pictures of a folder and of those in it, told by the ending of their names; hidden files are none."""
    found = Found()

    def unreadable(error: OSError) -> None:
        found.bad.append(f"{error.filename} cannot be read: {error.strerror or error}")

    for place, folders, files in os.walk(folder, onerror=unreadable):
        own = [name for name in folders if not name.startswith(".") and name not in _SYSTEM_FOLDERS]
        folders[:] = own if subfolders else []
        for name in files:
            path = Path(place, name)
            if name.startswith(".") or name.lower() in _SYSTEM_FILES or path.suffix.lower() not in SUFFIXES:
                found.others += 1
            elif reason := _unreadable(path):
                found.bad.append(f"{path} {reason}")
            else:
                found.paths.append(path)
    found.paths.sort()
    found.bad.sort()
    return found


def _unreadable(path: Path) -> str:
    """Why a path is no file that could be read; opening a pipe to find out would wait for ever."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a link to nothing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return "" if stat.S_ISREG(mode) else "is no file"


def read_pictures(
    found: Found, at_most: int | None, prepare: Callable[[Tensor], Tensor], longest_side: int | None = None
) -> Reading:
    """Read pictures until there are `at_most`, each made ready by `prepare`; those that cannot be read are listed."""
    reading = Reading(bad=list(found.bad), others=found.others)
    for path in found.paths:
        if at_most is not None and len(reading.images) >= at_most:
            break
        try:
            read = read_picture(path, longest_side=longest_side)
        except ImageError as error:
            reading.bad.append(str(error))
            continue
        reading.images.append(prepare(read.image))
        reading.paths.append(path)
        done = [step for step in read.done if not step.startswith("shrunk")]  # they are made small anyway
        if done:
            reading.converted.append(f"{path}: {'; '.join(done)}")
    return reading


def listed(parts: Sequence[str], most: int = _LISTED) -> str:
    """Several messages in one line, the last of many only counted."""
    rest = f"; and {len(parts) - most} more" if len(parts) > most else ""
    return "; ".join(parts[:most]) + rest


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
