"""The one notebook in a zip as an LMS hands it out; bounded, and never written to disk."""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zipfile
import zlib
from pathlib import PurePosixPath

from netlens_core.grading.plain_text import plain
from netlens_core.languages import ngettext, translate

MAX_ENTRIES = 1000
MAX_CONTENT = 64 << 20
MAX_RATIO = 200  # deflate reaches 1000; notebooks with pictures stay below 20
BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, ValueError, EOFError,
    NotImplementedError, RuntimeError, KeyError, IndexError, OverflowError, MemoryError,
)  # fmt: skip


class Refused(Exception):
    """A file that cannot be taken; the message tells the student why, and what to do."""


def unzipped(data: bytes, name: str, expected: str | None) -> tuple[str, bytes]:
    """Name and bytes of the one notebook (or else Python file) in a zip.

    Of several, the one called `expected` is meant. Raises Refused for none, too many, encrypted or nested zips, links,
    paths that lead outside, bombs and broken archives.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise Refused(
                    ngettext(
                        "{name} holds {count} file: put only the notebook into the zip.",
                        "{name} holds {count} files: put only the notebook into the zip.",
                        len(entries),
                        name=name,
                    )
                )
            chosen = _chosen([entry for entry in entries if _is_candidate(entry, name)], name, expected)
            return plain(PurePosixPath(chosen.filename).name, 100), _content(archive, chosen, name)
    except BROKEN as error:
        said = translate(
            "{name} is a broken zip ({error}): make it again, or hand in the notebook.",
            name=name,
            error=type(error).__name__,
        )
        raise Refused(said) from None


def _is_candidate(entry: zipfile.ZipInfo, name: str) -> bool:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if entry.is_dir() or any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts):
        return False
    if path.suffix.lower() == ".zip":
        raise Refused(
            translate(
                "{name} holds another zip: put the notebook itself into it, or hand in the notebook alone.", name=name
            )
        )
    if path.suffix.lower() not in (".ipynb", ".py"):
        return False
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise Refused(translate("{name} holds a file whose path leads outside it: make the zip again.", name=name))
    mode = entry.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Refused(
            translate(
                "{name} holds a link or a device instead of a notebook: put the notebook itself into it.", name=name
            )
        )
    return True


def _chosen(candidates: list[zipfile.ZipInfo], name: str, expected: str | None) -> zipfile.ZipInfo:
    for ending in (".ipynb", ".py"):
        found = [entry for entry in candidates if entry.filename.lower().endswith(ending)]
        meant = [entry for entry in found if PurePosixPath(entry.filename).stem == expected]
        if len(meant) == 1:
            return meant[0]
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(plain(PurePosixPath(entry.filename).name, 60) for entry in found[:5])
            wanted = f"{expected}{ending}" if expected else f"*{ending}"
            raise Refused(
                translate(
                    "{name} holds several notebooks or Python files ({files}): hand in one, named {wanted}.",
                    name=name,
                    files=listed,
                    wanted=wanted,
                )
            )
    raise Refused(translate("{name} holds no notebook: put your .ipynb into it, or hand it in as it is.", name=name))


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    if entry.flag_bits & 0x1:
        raise Refused(translate("{name} is protected by a password: make it again without one.", name=name))
    if entry.file_size > MAX_CONTENT or entry.file_size > MAX_RATIO * max(entry.compress_size, 1024):
        raise Refused(_too_much(name, entry.file_size))
    with archive.open(entry) as file:
        data = file.read(MAX_CONTENT + 1)  # what the entry announces is a claim; this is the bound
    if len(data) > MAX_CONTENT:
        raise Refused(_too_much(name, len(data)))
    return data


def _too_much(name: str, size: int) -> str:
    return translate(
        "{name} unpacks to {size} MiB or more: clear the notebook's outputs and make it again.",
        name=name,
        size=size >> 20,
    )
