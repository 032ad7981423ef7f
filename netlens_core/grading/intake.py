"""Intake: from an untrusted file to a `Submission`, or to a refusal in words that tell the student what to do.

Notebooks, Python files, and zips that hold one of them. Everything is bounded, nothing is written to disk, and nothing
that a file holds makes these functions raise.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from netlens_core.grading.conflicts import both_versions, conflict_at
from netlens_core.grading.decoding import decoded
from netlens_core.grading.notebooks import MAX_CELLS, Cell, no_notebook, notebook_cells, numbered, python_cells
from netlens_core.grading.plain_text import plain
from netlens_core.grading.unzip import Refused, unzipped
from netlens_core.languages import N_, translate

MAX_FILE = 64 << 20  # bytes of the file as handed in; outputs make notebooks large
MAX_SOURCE = 2 << 20  # characters of all cells together
ENDINGS = (".ipynb", ".py", ".zip")


@dataclass(frozen=True)
class Submission:
    """What a student handed in, read.

    Attributes:
        name: the file's name, safe to print.
        sha256: SHA-256 (hex) of the bytes as handed in.
        cells: the notebook's cells in order; empty where the file is refused.
        notes: what was repaired, in words for the student.
        refusal: why the file cannot be taken, and what to do; empty where it can.
    """

    name: str
    sha256: str
    cells: tuple[Cell, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str = ""
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def code_cells(self) -> list[Cell]:
        """The cells that are run."""
        return [cell for cell in self.cells if cell.kind == "code"]


def ending_of(name: str) -> str:
    """Which kind of file a name is of: one of `ENDINGS`, also with `.txt` or `.json` behind, as browsers save it."""
    known = (ending for ending in ENDINGS if name.lower().endswith((ending, f"{ending}.txt", f"{ending}.json")))
    return next(known, "")


class Unread(str):
    """A refusal that is none of the student's fault: the disk, or the rights to it, did not let the file be read."""


# -- from the disk ---------------------------------------------------------------------------------------


def find_submission_file(folder: Path, slug: str) -> Path | str:
    """The file that a student handed in for an exercise, or a refusal.

    `<slug>.ipynb`, else the folder's only notebook, Python file or zip, or of several the only one that names the
    exercise, in this order; other files are passed over.
    """
    try:
        files = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith((".", "__")))
    except OSError as error:
        return Unread(translate("The folder cannot be read: {reason}.", reason=error.strerror))
    for ending in ENDINGS:
        if f"{slug}{ending}" in files:
            return folder / f"{slug}{ending}"
        found = [name for name in files if ending_of(name) == ending]
        meant = [name for name in found if slug.casefold() in name.casefold()]
        if len(found) == 1 or len(meant) == 1:
            return folder / (meant or found)[0]
        if found:
            return translate(
                "Several files could be meant ({files}): hand in one, named {name}.",
                files=_listed(found),
                name=f"{slug}{ending}",
            )
    nothing = translate("Nothing was handed in: there is no notebook named {name}.", name=f"{slug}.ipynb")
    found_instead = translate("Found: {files}.", files=_listed(files))
    return f"{nothing} {found_instead}" if files else nothing


def read_submission_file(path: Path) -> bytes | str:
    """A file's bytes, or a refusal: links, devices and pipes are never opened, large files never read."""
    name = plain(path.name, 100)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return _no_plain_file(name)
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return _no_plain_file(name)
            if status.st_size > MAX_FILE:
                return _too_large(name, status.st_size)
            data = file.read(MAX_FILE + 1)
            return data if len(data) <= MAX_FILE else _too_large(name, len(data))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return Unread(translate("{name} cannot be read: {reason}.", name=name, reason=reason))


def _no_plain_file(name: str) -> str:
    return translate("{name} is no plain file (a link, a folder or a device): hand in the notebook itself.", name=name)


def _too_large(name: str, size: int) -> str:
    return translate(
        "{name} has {size} MiB, more than {most}: clear its outputs (Edit, Clear Outputs of All Cells), save it and "
        "hand it in again.",
        name=name,
        size=size >> 20,
        most=MAX_FILE >> 20,
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(plain(name, 60) for name in names[:5])
    return shown + (", …" if len(names) > 5 else "")


# -- from bytes ------------------------------------------------------------------------------------------


def read_submission(data: bytes, name: str, expected: str | None = None) -> Submission:
    """Read a notebook, a Python file or a zip of one. Never raises for anything in the data.

    Args:
        data: the file as handed in.
        name: its name; with the content it tells the kind.
        expected: the exercise's slug: of several notebooks in a zip, the one of this name is meant.
    """
    shown, digest = plain(Path(name).name or translate("the file"), 100), hashlib.sha256(data).hexdigest()
    notes: list[str] = []
    try:
        cells = _cells(data, shown, expected, notes)
    except Refused as refusal:
        return Submission(shown, digest, refusal=str(refusal))
    except (RecursionError, MemoryError):
        return Submission(
            shown, digest, refusal=no_notebook(N_("{name} is nested too deeply to be a notebook."), shown)
        )
    return Submission(shown, digest, tuple(numbered(cells)), tuple(notes))


def _cells(data: bytes, name: str, expected: str | None, notes: list[str]) -> list[Cell]:
    if len(data) > MAX_FILE:
        raise Refused(_too_large(name, len(data)))
    if not data.strip():
        raise Refused(no_notebook(N_("{name} is empty."), name))
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        inner, data = unzipped(data, name, expected)
        notes.append(translate("Read {inner} out of {name}.", inner=inner, name=name))
        name = inner
    if expected and Path(name).stem != expected:
        notes.append(translate("Asked for was {asked}; {name} was taken for it.", asked=f"{expected}.ipynb", name=name))
    text = _text(data, name, notes)
    line = conflict_at(text)
    cells = _merged(text, name, line, notes) if line else _read(text, name, notes)
    if len(cells) > MAX_CELLS or sum(len(cell.source) for cell in cells) > MAX_SOURCE:
        raise Refused(
            translate(
                "{name} holds more than {cells} cells or {size} MiB of code: remove what is not needed.",
                name=name,
                cells=MAX_CELLS,
                size=MAX_SOURCE >> 20,
            )
        )
    return cells


def _text(data: bytes, name: str, notes: list[str]) -> str:
    found = decoded(data)
    if found is None:
        raise Refused(no_notebook(N_("{name} is no text: it is neither a notebook nor a Python file."), name))
    text, encoding = found
    if encoding:
        saved_in = translate(encoding)
        notes.append(
            translate(
                "{name} was saved in {encoding}; it was read, but save it as UTF-8.", name=name, encoding=saved_in
            )
        )
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if _is_notebook(text, name):  # of a Python file on Windows, nothing else is to be expected
            notes.append(translate("{name} has Windows line endings; they were made ordinary ones.", name=name))
    return text


def _is_notebook(text: str, name: str) -> bool:
    return text.lstrip().startswith("{") or name.lower().endswith(".ipynb")


def _read(text: str, name: str, notes: list[str]) -> list[Cell]:
    return notebook_cells(text, name, notes) if _is_notebook(text, name) else python_cells(text)


def _merged(text: str, name: str, line: int, notes: list[str]) -> list[Cell]:
    """The cells of a file with a merge conflict: those of the upper version, the student's own, where it is whole."""
    mine, theirs = (_version(version, name) for version in both_versions(text) or ("", ""))
    if not mine:
        raise Refused(
            translate(
                "{name} holds a merge conflict that was not resolved (line {line}): keep one version, save, hand in "
                "again.",
                name=name,
                line=line,
            )
        )
    if theirs and [cell.source for cell in theirs[0]] == [cell.source for cell in mine[0]]:
        said = N_("{name} holds a merge conflict that was not resolved (line {line}); it does not touch the code.")
    else:
        said = N_(
            "{name} holds a merge conflict that was not resolved (line {line}); the upper version was run. If the "
            "other one is meant, resolve it and hand in again."
        )
    notes += [translate(said, name=name, line=line), *mine[1]]
    return mine[0]


def _version(text: str, name: str) -> tuple[list[Cell], list[str]] | None:
    """One version of a file with its notes; None where it holds no code that could be run."""
    notes: list[str] = []
    try:
        cells = _read(text, name, notes)
    except Refused:
        return None
    return (cells, notes) if any(cell.kind == "code" for cell in cells) else None
