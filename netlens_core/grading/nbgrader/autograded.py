"""The notebooks of `autograded/`, which formgrader shows and `nbgrader generate_feedback` makes pages of.

Cells stand as they were handed out wherever students must not change them; outputs are those that the sandbox captured,
text and PNG only; in each check's cell stand netlens's points, measurements and pictures.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from netlens_core.grading.files import write_atomically
from netlens_core.grading.grade import Check, Grade
from netlens_core.grading.nbgrader.handed_out import HandedOut, name_of
from netlens_core.grading.nbgrader.lateness import TIMESTAMP, timestamp_of, timestamp_text
from netlens_core.grading.nbgrader.panel import caption_html, heading, panel_html, panel_text, without_html

SECRET = "submission_secret.txt"
_SECRET = re.compile(r"[0-9a-f]{16,160}")  # as `nbgrader submit` makes them: 128 digits

Node = dict[str, Any]
Picture = Callable[[str], bytes]


def autograded_notebook(
    executed: bytes, grade: Grade, handed_out: HandedOut, picture: Picture, outdated: str = ""
) -> bytes:
    """The notebook (nbformat 4.5) of a submission. Equal arguments give equal bytes.

    Args:
        executed: the notebook as the sandbox ran it, from the store; empty where it never ran.
        grade: as netlens made it, unmarked.
        picture: a figure's name -> its PNG; may raise OSError where it is lost.
        outdated: why the grade is not the one that grading would give now; else empty.
    """
    cells = list(_merged(_executed_cells(executed), handed_out.notebook))
    checks = {check.name: check for check in grade.checks}
    shown: list[Node] = []
    if said := heading(grade, outdated):
        shown.append({"cell_type": "markdown", "metadata": {}, "source": said})
    for cell in cells:
        shown.append(cell)
        check = checks.get(cell["metadata"].get("nbgrader", {}).get("grade_id"))
        if check is not None:
            panel = [*_panel(check, grade, picture)]
            if cell["cell_type"] == "code":
                cell["outputs"] += panel
            else:
                shown.append({**_code(""), "outputs": panel})
    metadata = {"kernelspec": handed_out.notebook.metadata.get("kernelspec", {}), "language_info": {"name": "python"}}
    notebook = {"cells": list(_named(shown)), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True).encode("utf-8", "replace") + b"\n"


def _executed_cells(executed: bytes) -> list[Node]:
    if not executed:
        return []
    try:
        cells: list[Node] = nbformat.v4.reads(executed.decode()).cells
        return [cell for cell in cells if isinstance(cell, dict)]
    except (ValueError, TypeError, AttributeError, KeyError):  # a damaged file: scores and panels are still shown
        return []


def _merged(executed: list[Node], handed_out: NotebookNode) -> Iterator[Node]:
    """The student's cells in their order; named ones as handed out, those that give points put back where missing."""
    named = {name_of(cell): cell for cell in handed_out.cells if name_of(cell)}
    if not executed:
        yield from (_as_handed_out(cell) for cell in handed_out.cells)
        return
    texts = {cell.source for cell in handed_out.cells if cell.cell_type == "markdown"}
    there = [_grade_id(cell) for cell in executed]
    missing = _missing(named, set(there))
    left = dict(named)
    yield from (_as_handed_out(named[name]) for name in missing.get("", []))
    for cell, name in zip(executed, there, strict=True):
        original = left.pop(name, None)
        yield _as_handed_out(original, cell) if original is not None else _own(cell, texts)
        if original is not None:
            yield from (_as_handed_out(named[other]) for other in missing.get(name, []))
    if not set(there) & named.keys():
        yield from (_as_handed_out(named[name]) for name in missing.get(None, []))


def _missing(named: dict[str, NotebookNode], there: set[str]) -> dict[str | None, list[str]]:
    """Cells with points that a submission lacks, by the cell after which they come: "" is the top, None the end."""
    before: str | None = "" if there & named.keys() else None
    found: dict[str | None, list[str]] = {}
    for name, cell in named.items():
        if name in there:
            before = name
        elif cell.metadata.nbgrader.get("grade"):
            found.setdefault(before, []).append(name)
    return found


def _grade_id(cell: Node) -> str:
    about = cell.get("metadata", {}).get("nbgrader", {})
    return str(about.get("grade_id") or "")


def _as_handed_out(original: NotebookNode, student: Node | None = None) -> Node:
    """A named cell with nbgrader's metadata; source and outputs are the student's where they may be."""
    kind, metadata = original.cell_type, copy.deepcopy(dict(original.metadata))
    free = metadata.get("nbgrader", {}).get("solution") and student is not None
    source = str(student["source"]) if free and student is not None else original.source
    if kind != "code":
        return {"cell_type": "markdown", "metadata": metadata, "source": without_html(source) if free else source}
    node = {**_code(source), "metadata": metadata}
    if student is not None and student.get("cell_type") == "code":
        node |= {"execution_count": student.get("execution_count"), "outputs": list(_outputs(student))}
    return node


def _own(cell: Node, texts: set[str]) -> Node:
    """A cell of the student's own."""
    source = str(cell.get("source", ""))
    if cell.get("cell_type") != "code":
        return {"cell_type": "markdown", "metadata": {}, "source": source if source in texts else without_html(source)}
    ran = {"execution_count": cell.get("execution_count"), "outputs": list(_outputs(cell))}
    return {**_code(source), **ran}


def _code(source: str) -> Node:
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": source}


def _outputs(cell: Node) -> Iterator[Node]:
    """What the sandbox captured of a cell, and nothing that a browser would run."""
    for output in cell.get("outputs", []):
        kind = output.get("output_type")
        if kind == "stream":
            yield {"output_type": kind, "name": output["name"], "text": output["text"]}
        elif kind == "error":
            yield {"output_type": kind, **{key: output[key] for key in ("ename", "evalue", "traceback")}}
        else:
            data = {key: value for key, value in output.get("data", {}).items() if key in ("text/plain", "image/png")}
            yield {"output_type": "display_data", "data": data, "metadata": {}}


def _panel(check: Check, grade: Grade, picture: Picture) -> Iterator[Node]:
    yield _display({"text/html": panel_html(check), "text/plain": panel_text(check)})
    for name in check.figures:
        note = grade.figure_notes.get(name)
        try:
            data = picture(name)
        except (OSError, KeyError, ValueError):
            continue
        if note is not None:
            yield _display({"text/html": caption_html(note), "text/plain": note.caption})
        yield _display({"image/png": base64.b64encode(data).decode(), "text/plain": note.caption if note else ""})


def _display(data: dict[str, str]) -> Node:
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _named(cells: Iterable[Node]) -> Iterator[Node]:
    """Cells with IDs, each another one."""
    for place, cell in enumerate(cells):
        known = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        text = f"{place} {cell['cell_type']} {known} {cell['source']}"
        yield {**cell, "id": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]}


# -- in the course folder ----------------------------------------------------------------------------------


def write_autograded(
    folder: Path, notebook: bytes, handed_in: Path, released: Path, student: str, course_secret: str
) -> None:
    """Write one student's `autograded/<student>/<slug>/`: the notebook, when it was handed in, and what lies beside.

    Args:
        released: the exercise's release, whose pictures are copied. Students' own files are not: formgrader would show
            a page among them as its own.

    Raises OSError.
    """
    slug = folder.name
    beside = {path.name: path for place in (released, released / "students" / student) for path in _files(place)}
    for name, path in beside.items():
        _write_new(folder / name, path.read_bytes())
    # Without these two, `nbgrader release_feedback` stops at work that did not come through the exchange.
    when = timestamp_text(handed_in) if timestamp_of(handed_in) else ""
    _write_new(folder / TIMESTAMP, when.encode())
    _write_new(folder / SECRET, submission_secret(handed_in, course_secret).encode())
    _write_new(folder / f"{slug}.ipynb", notebook)


def submission_secret(handed_in: Path, course_secret: str) -> str:
    """What names a student's page of feedback in the exchange: theirs, as `nbgrader submit` made it, or one of ours."""
    path = handed_in / SECRET
    try:
        if not path.is_symlink() and path.is_file() and path.stat().st_size <= 200:
            text = path.read_text(encoding="ascii").strip()
            if _SECRET.fullmatch(text):
                return text
    except (OSError, ValueError):
        pass
    about = "\x1f".join(("feedback", handed_in.parent.name, handed_in.name)).encode("utf-8", "surrogatepass")
    return hmac.new(course_secret.encode(), about, hashlib.sha256).hexdigest()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in (".png", ".json")]


def _write_new(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data)
