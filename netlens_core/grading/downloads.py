"""The files of a download from a learning platform: a folder, or a zip, or a folder of zips.

Names and contents may be hostile: nothing is unpacked to disk, links are passed over, and sizes are bounded.
"""

from __future__ import annotations

import os
import stat
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from netlens_core.grading.intake import MAX_FILE, read_submission_file
from netlens_core.grading.plain_text import plain
from netlens_core.grading.sheets import CourseError
from netlens_core.grading.unzip import BROKEN, MAX_RATIO
from netlens_core.grading.zip_names import entry_name, in_code_page

MOST_FILES = 50_000
_TOP = PurePosixPath()
_LARGEST_ZIP = 8 << 30  # bytes of a download as a whole
_LARGEST_INSIDE = 2 << 30  # bytes of a zip within it


class Unreadable(Exception):
    """A file that cannot be taken out of a download; the message says why."""


@dataclass(frozen=True)
class Entry:
    """A file in a download.

    Attributes:
        path: where it lies in the download; for telling and for its name, never for writing.
        modified: when it was last changed, in seconds since 1970, as the download has it.
        read: its bytes; raises Unreadable.
        opened: the file as a stream, for a zip within the download; raises Unreadable.
        raw: its path in its zip as bytes, where the zip does not tell their code page; else empty.
        below: the part of `path` that stands for the zip that it lies in.
    """

    path: PurePosixPath
    modified: float
    read: Callable[[], bytes]
    opened: Callable[[], IO[bytes]] | None = field(default=None, repr=False)
    raw: bytes = b""
    below: PurePosixPath = _TOP

    @property
    def shown(self) -> str:
        """Its path, safe to print."""
        return plain(str(self.path), 200)


@dataclass(frozen=True)
class Download:
    """What a download holds, and what of it was passed over, with the reason."""

    place: Path

    entries: list[Entry]
    refused: list[tuple[str, str]]


def open_download(place: Path, held: ExitStack) -> Download:
    """The files in a folder or zip, in order; zips stay open until `held` is closed.

    Zips that lie at the top of a folder beside nothing else are downloads too. Raises CourseError for what is neither
    folder nor zip, holds too many files, or is broken.
    """
    found = Download(place, [], [])
    if place.is_dir():
        _add_folder(place, found)
        if found.entries and all(_is_zip(entry) for entry in found.entries):
            zips, found.entries[:] = list(found.entries), []
            for entry in zips:
                _add_zip(place / entry.path, found, held, PurePosixPath(entry.path.stem))
    elif place.is_file():
        _add_zip(place, found, held, PurePosixPath())
    else:
        raise CourseError(f"{place} is neither a folder nor a zip: give what the platform let you download")
    return found


def open_zip_inside(zip_entry: Entry, held: ExitStack, place: Path) -> Download:
    """The files of a zip that lies in a download. Raises Unreadable for one that is too large, or no zip."""
    found = Download(place, [], [])
    if zip_entry.opened is None:
        raise Unreadable("it cannot be opened")
    copy = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 (closed with `held`)
    held.callback(copy.close)
    try:
        with zip_entry.opened() as stream:
            while part := stream.read(1 << 20):
                copy.write(part)
                if copy.tell() > _LARGEST_INSIDE:
                    raise Unreadable(f"it unpacks to more than {_LARGEST_INSIDE >> 30} GiB")
        archive = held.enter_context(zipfile.ZipFile(copy))
    except BROKEN as error:
        raise Unreadable(f"no zip that could be read ({type(error).__name__})") from None
    _add_entries(archive, found, zip_entry.path.with_suffix(""))
    return found


def _is_zip(entry: Entry) -> bool:
    return len(entry.path.parts) == 1 and entry.path.suffix.lower() == ".zip"


# -- folders ---------------------------------------------------------------------------------------------


def _add_folder(folder: Path, found: Download) -> None:
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(files):
            path = Path(root, name)
            inside = PurePosixPath(path.relative_to(folder).as_posix())
            if _hidden(name):
                continue
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                found.refused.append((plain(str(inside), 200), "a link or a device, which no student hands in"))
                continue
            found.entries.append(Entry(inside, status.st_mtime, _from_disk(path), _stream(path)))
            _refuse_too_many(folder, found)


def _raise(error: OSError) -> None:
    raise CourseError(f"{error.filename} cannot be read: {error.strerror}")


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _from_disk(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        data = read_submission_file(path)
        if isinstance(data, str):
            raise Unreadable(data)
        return data

    return read


def _stream(path: Path) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        try:
            return path.open("rb")
        except OSError as error:
            raise Unreadable(f"it cannot be read: {error.strerror}") from None

    return opened


def _refuse_too_many(place: Path, found: Download) -> None:
    if len(found.entries) + len(found.refused) > MOST_FILES:
        raise CourseError(f"{place} holds more than {MOST_FILES:,} files: no download of one exercise is that large")


# -- zips ------------------------------------------------------------------------------------------------


def _add_zip(path: Path, found: Download, held: ExitStack, below: PurePosixPath) -> None:
    try:
        if path.stat().st_size > _LARGEST_ZIP:
            raise CourseError(
                f"{path} has more than {_LARGEST_ZIP >> 30} GiB: no download of one exercise is that large"
            )
        archive = held.enter_context(zipfile.ZipFile(path))
    except BROKEN as error:
        raise CourseError(f"{path} is no zip that could be read ({type(error).__name__}): download it again") from None
    _add_entries(archive, found, below)


def _add_entries(archive: zipfile.ZipFile, found: Download, below: PurePosixPath) -> None:
    for info in archive.infolist():
        name, raw = entry_name(info)
        name = name.replace("\\", "/")
        inside = PurePosixPath(name)
        if name.endswith("/") or any(_hidden(part) and part != ".." for part in inside.parts):
            continue
        if reason := _hostile(info, inside):
            found.refused.append((plain(info.filename, 200), reason))
        else:
            read, opened = _from_zip(archive, info), _stream_from_zip(archive, info)
            found.entries.append(Entry(below / inside, _time_of(info), read, opened, raw, below))
        _refuse_too_many(found.place, found)


def named_in(entry: Entry, page: str) -> Entry | None:
    """An entry with its path read in a code page; None where that cannot be, or the path would lead outside."""
    text = in_code_page(entry.raw, page)
    path = PurePosixPath((text or "").replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return None
    return replace(entry, path=entry.below / path)


def _stream_from_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        if info.file_size > MAX_RATIO * max(info.compress_size, 1024):
            raise Unreadable(f"it unpacks to {info.file_size >> 20} MiB, as only a bomb does")
        try:
            return archive.open(info)
        except BROKEN as error:
            raise Unreadable(f"it is broken in the zip ({type(error).__name__}): download it again") from None

    return opened


def _hostile(info: zipfile.ZipInfo, inside: PurePosixPath) -> str:
    """Why an entry is not taken; empty where it can be."""
    if inside.is_absolute() or ".." in inside.parts or not inside.parts or ":" in inside.parts[0]:
        return "its path leads outside the zip"
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "a link or a device, which no student hands in"
    if info.flag_bits & 0x1:
        return "protected by a password"
    return ""


def _time_of(info: zipfile.ZipInfo) -> float:
    try:
        return datetime(*info.date_time).timestamp()
    except (ValueError, OverflowError, OSError):  # the thirteenth month is valid in a zip
        return 0.0


def _from_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        if info.file_size > MAX_FILE:
            raise Unreadable(f"it has {info.file_size >> 20} MiB, more than {MAX_FILE >> 20}")
        if info.file_size > MAX_RATIO * max(info.compress_size, 1024):
            raise Unreadable(f"it unpacks to {info.file_size >> 20} MiB, as only a bomb does")
        try:
            with archive.open(info) as file:
                data = file.read(MAX_FILE + 1)
        except BROKEN as error:
            raise Unreadable(f"it is broken in the zip ({type(error).__name__}): download it again") from None
        if len(data) > MAX_FILE:
            raise Unreadable(f"it has more than {MAX_FILE >> 20} MiB")
        return data

    return read
