"""Intake: from an untrusted file to a `Submission`, or to a refusal in words that tell the student what to do.

Notebooks, Python files, and zips that hold one of them. Everything is bounded, nothing is written to disk, and nothing
that a file holds makes these functions raise.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netlens_core.grading.plain_text import plain
from netlens_core.grading.unzip import Refused, unzipped
from netlens_core.languages import N_, translate

MAX_FILE = 64 << 20  # bytes of the file as handed in; outputs make notebooks large
MAX_SOURCE = 2 << 20  # characters of all cells together
MAX_CELLS = 2000
ENDINGS = (".ipynb", ".py", ".zip")
_CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)
_PERCENT = re.compile(r"^#[ \t]*%%(.*)$")
_EXPORT = N_("In Jupyter: File, Save Notebook, then hand in the saved .ipynb.")


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook: "code" or "markdown"; `grade_id` is nbgrader's name for it, where it has one."""

    kind: str
    source: str
    grade_id: str | None = None


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


# -- from the disk ---------------------------------------------------------------------------------------


def find_submission_file(folder: Path, slug: str) -> Path | str:
    """The file that a student handed in for an exercise, or a refusal.

    `<slug>.ipynb`, else the folder's only notebook, Python file or zip, in this order; other files are passed over.
    """
    try:
        files = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith((".", "__")))
    except OSError as error:
        return translate("The folder cannot be read: {reason}.", reason=error.strerror)
    for ending in ENDINGS:
        if f"{slug}{ending}" in files:
            return folder / f"{slug}{ending}"
        found = [name for name in files if name.lower().endswith(ending)]
        if len(found) == 1:
            return folder / found[0]
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
        return translate(
            "{name} cannot be read: {reason}.", name=name, reason=getattr(error, "strerror", None) or error
        )


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
            shown, digest, refusal=_no_notebook(N_("{name} is nested too deeply to be a notebook."), shown)
        )
    return Submission(shown, digest, tuple(cells), tuple(notes))


def _no_notebook(reason: str, name: str) -> str:
    return f"{translate(reason, name=name)} {translate(_EXPORT)}"


def _cells(data: bytes, name: str, expected: str | None, notes: list[str]) -> list[Cell]:
    if len(data) > MAX_FILE:
        raise Refused(_too_large(name, len(data)))
    if not data.strip():
        raise Refused(_no_notebook(N_("{name} is empty."), name))
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        inner, data = unzipped(data, name, expected)
        notes.append(translate("Read {inner} out of {name}.", inner=inner, name=name))
        name = inner
    text = _text(data, name, notes)
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        raise Refused(
            translate(
                "{name} holds a merge conflict that was not resolved (line {line}): keep one version, save, hand in "
                "again.",
                name=name,
                line=line,
            )
        )
    is_notebook = text.lstrip().startswith("{") or name.lower().endswith(".ipynb")
    cells = _notebook_cells(text, name, notes) if is_notebook else _python_cells(text, name)
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
    for encoding, told in (("utf-8-sig", ""), ("utf-16", "UTF-16"), ("cp1252", N_("an old Windows encoding"))):
        if encoding == "utf-16" and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        if told:
            saved_in = translate(told)
            notes.append(
                translate(
                    "{name} was saved in {encoding}; it was read, but save it as UTF-8.", name=name, encoding=saved_in
                )
            )
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise Refused(_no_notebook(N_("{name} is no text: it is neither a notebook nor a Python file."), name))


def _python_cells(text: str, name: str) -> list[Cell]:
    """A Python file as cells: split at `# %%` lines, one cell without any."""
    cells: list[Cell] = []
    kind, lines = "code", []
    for line in [*text.split("\n"), "# %%"]:
        marker = _PERCENT.match(line)
        if marker is None:
            lines.append(line)
            continue
        source = "\n".join(lines).strip("\n")
        if source.strip():
            cells.append(Cell(kind, _uncommented(source) if kind == "markdown" else source))
        kind, lines = ("markdown" if "[markdown]" in marker[1] else "code"), []
    return cells


def _uncommented(source: str) -> str:
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in source.split("\n"))


def _notebook_cells(text: str, name: str, notes: list[str]) -> list[Cell]:
    content = _parsed(text, name)
    found = content.get("cells")
    if not isinstance(found, list):  # nbformat 3 kept cells in worksheets
        sheets = content.get("worksheets")
        found = (
            [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
            if isinstance(sheets, list)
            else None
        )
        if found is None:
            raise Refused(_no_notebook(N_("{name} is no notebook: it has no cells."), name))
        notes.append(
            translate(
                "{name} is in an old notebook format; it was read, but save it with a current Jupyter.", name=name
            )
        )
    language = _language(content.get("metadata"))
    if language not in ("", "python", "ipython"):
        raise Refused(
            translate(
                "{name} is a notebook for {language}: netlens runs Python. Choose a Python kernel.",
                name=name,
                language=plain(language, 40),
            )
        )
    return [cell for entry in found[: MAX_CELLS + 1] if (cell := _cell(entry)) is not None]


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        broken = translate(
            "{name} is no valid notebook (line {line}: {error}); it may have been cut off while saving or uploading.",
            name=name,
            line=error.lineno,
            error=error.msg,
        )
        raise Refused(f"{broken} {translate(_EXPORT)}") from None
    except ValueError:  # numbers of thousands of digits
        raise Refused(_no_notebook(N_("{name} is no valid notebook."), name)) from None
    if not isinstance(content, dict):
        raise Refused(_no_notebook(N_("{name} is no notebook."), name))
    return content


def _language(metadata: Any) -> str:
    metadata = metadata if isinstance(metadata, dict) else {}
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        entry = metadata.get(part)
        if isinstance(entry, dict) and isinstance(entry.get(key), str):
            return entry[key].lower()
    return ""


def _cell(entry: Any) -> Cell | None:
    if not isinstance(entry, dict):
        return None
    source = entry.get("source", entry.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        return None
    metadata = entry.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    kind = "code" if entry.get("cell_type") == "code" else "markdown"
    # Half of a surrogate pair is valid JSON, but no text that could be written down again.
    source = source.encode("utf-8", "replace").decode()
    return Cell(kind, source, plain(grade_id, 100) if isinstance(grade_id, str) else None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
