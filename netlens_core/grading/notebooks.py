"""The cells of a notebook or a Python file, read from its text; what a notebook lacks or has wrong is put right.

Every version of the notebook format is read, 1 to 4.5 and later ones. Nothing in a text makes these functions raise
anything but `Refused` (and RecursionError or MemoryError, for what is nested without end).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from netlens_core.grading.conflicts import both_versions, conflict_at
from netlens_core.grading.plain_text import plain
from netlens_core.grading.unzip import Refused
from netlens_core.languages import N_, translate

MAX_CELLS = 2000
_LARGE = 20 << 20  # characters of a notebook; of cells alone, none gets near it
_SCHEMA = 3  # of nbgrader's metadata
_PERCENT = re.compile(r"^#[ \t]*%%(.*)$")
_EXPORT = N_("In Jupyter: File, Save Notebook, then hand in the saved .ipynb.")


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook: "code" or "markdown"; `grade_id` is nbgrader's name for it, where it has one.

    `number` is its place among the code cells of the file as it was handed in, as Jupyter numbers them when all are
    run; 0 for others.
    """

    kind: str
    source: str
    grade_id: str | None = None
    number: int = field(default=0, compare=False)


def numbered(cells: Iterable[Cell]) -> list[Cell]:
    """The same cells with their numbers. Jupyter passes over empty ones."""
    count, found = 0, []
    for cell in cells:
        runs = cell.kind == "code" and bool(cell.source.strip())
        count += runs
        found.append(replace(cell, number=count) if runs else cell)
    return found


def no_notebook(reason: str, name: str) -> str:
    """A reason why a file is no notebook, and what to do."""
    return f"{translate(reason, name=name)} {translate(_EXPORT)}"


# -- Python files ----------------------------------------------------------------------------------------


def python_cells(text: str) -> list[Cell]:
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


# -- notebooks -------------------------------------------------------------------------------------------


def notebook_cells(text: str, name: str, notes: list[str]) -> list[Cell]:
    """A notebook's cells; `notes` gets what was put right. Raises Refused."""
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
            raise Refused(no_notebook(N_("{name} is no notebook: it has no cells."), name))
        notes.append(
            translate(
                "{name} is in an old notebook format; it was read, but save it with a current Jupyter.", name=name
            )
        )
    entries = [entry for entry in found[: MAX_CELLS + 1] if isinstance(entry, dict)]
    _refuse_other_languages(content.get("metadata"), entries, name, notes)
    notes += _put_right(text, entries, name)
    return _without_conflicts([cell for entry in entries if (cell := _cell(entry)) is not None], notes)


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
        raise Refused(no_notebook(N_("{name} is no valid notebook."), name)) from None
    if not isinstance(content, dict):
        raise Refused(no_notebook(N_("{name} is no notebook."), name))
    return content


def _refuse_other_languages(metadata: Any, entries: list[dict[str, Any]], name: str, notes: list[str]) -> None:
    """Raises Refused for a notebook in another language; where only the kernel was changed, a note says so."""
    language = _language(metadata)
    if language in ("", "python", "ipython"):
        return
    shown = plain(language, 40)
    if not any(_about(entry) for entry in entries):
        raise Refused(
            translate(
                "{name} is a notebook for {language}: netlens runs Python. Choose a Python kernel.",
                name=name,
                language=shown,
            )
        )
    notes.append(
        translate(
            "{name} says that it is for {language}; it was run as Python. Choose a Python kernel.",
            name=name,
            language=shown,
        )
    )


def _language(metadata: Any) -> str:
    metadata = metadata if isinstance(metadata, dict) else {}
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        entry = metadata.get(part)
        if isinstance(entry, dict) and isinstance(entry.get(key), str):
            return str(entry[key]).lower()
    return ""


def _put_right(text: str, entries: list[dict[str, Any]], name: str) -> Iterable[str]:
    """What does no harm here, but does to other readers."""
    if len(text) > _LARGE:
        yield translate(
            "{name} has {size} MiB, nearly all of it outputs; they were left out. Clear them before you hand in.",
            name=name,
            size=len(text) >> 20,
        )
    ids = Counter(entry["id"] for entry in entries if isinstance(entry.get("id"), str))
    if any(count > 1 for count in ids.values()):
        yield translate("Cells of {name} share an id; each got one of its own.", name=name)
    code = [entry for entry in entries if entry.get("cell_type") == "code" and "source" in entry]
    if any(not isinstance(entry.get("outputs"), list) or "execution_count" not in entry for entry in code):
        yield translate("Cells of {name} lack outputs or execution counts; they were put in.", name=name)
    if any(about and about.get("schema_version") != _SCHEMA for about in map(_about, entries)):
        yield translate(
            "Cells of {name} have nbgrader's metadata in another version than {version}; their names were read all the "
            "same.",
            name=name,
            version=_SCHEMA,
        )


def _about(entry: dict[str, Any]) -> dict[str, Any]:
    """nbgrader's metadata of a cell that it names; empty for others."""
    metadata = entry.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return about if isinstance(about, dict) and isinstance(about.get("grade_id"), str) else {}


def _cell(entry: dict[str, Any]) -> Cell | None:
    source = entry.get("source", entry.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        return None
    grade_id = _about(entry).get("grade_id")
    kind = "code" if entry.get("cell_type") == "code" else "markdown"
    # Half of a surrogate pair is valid JSON, but no text that could be written down again.
    source = source.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    return Cell(kind, source, plain(grade_id, 100) if grade_id is not None else None)


def _without_conflicts(cells: list[Cell], notes: list[str]) -> list[Cell]:
    """Cells in which a merge left both versions (nbdime does so), with the upper one."""
    kept = []
    for number, cell in enumerate(cells, 1):
        versions = both_versions(cell.source) if conflict_at(cell.source) else None
        if versions:
            cell = replace(cell, source=versions[0])
            notes.append(
                translate(
                    "Cell {number} holds a merge conflict that was not resolved; its upper version was run.",
                    number=number,
                )
            )
        kept.append(cell)
    return kept


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
