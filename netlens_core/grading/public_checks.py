"""What a template hands out to students beside text: the locked cells that they build on, and the public checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext

from netlens_core.grading.sheets import CourseError
from netlens_core.grading.templates import about_network
from netlens_core.languages import ENGLISH, spoken, translate


@dataclass(frozen=True)
class CheckCell:
    """One public check as it was handed out.

    Attributes:
        name: the cell's name, such as "test_network_is_fooled".
        title: the heading above it, in the language that was spoken.
        source: its Python.
        points: what the check of this name is worth.
    """

    name: str
    title: str
    source: str
    points: float


@dataclass(frozen=True)
class PublicCheck:
    """How one public check went.

    Attributes:
        name: the cell's name in the template.
        title: the heading above it.
        passed: whether its cell ran to its end.
        points: what it earns where nothing is hidden: `max_points` if it passed, else 0.
        message: what was wrong, in one line; empty where nothing was.
        printed: what the cell printed.
        pictures: the PNGs that it showed.
    """

    name: str
    title: str
    passed: bool
    points: float
    max_points: float
    message: str
    printed: str
    pictures: tuple[bytes, ...]


@dataclass(frozen=True)
class HandedOut:
    """The code of a template, in order.

    Attributes:
        given: name -> source of the locked cells that are no checks.
        checks: name -> the public check.
        cells: name -> source of all named code cells, those to be filled in included.
    """

    given: Mapping[str, str]
    checks: Mapping[str, CheckCell]
    cells: Mapping[str, str]


def handed_out(template: Path, target: str) -> HandedOut:
    """What a template hands out in a course about the network `target`. Raises CourseError where it cannot be read.

    Headings are in the language that is spoken, where the template is written in it.
    """
    try:
        text = about_network(template.read_bytes(), target).decode()
    except OSError as error:
        raise CourseError(f"{template} cannot be read: {error.strerror}") from None
    cells = jupytext.reads(text, fmt="py:percent").cells
    language = spoken() if spoken() in {cell.metadata.get("lang") for cell in cells} else ENGLISH.language
    heading = ""
    given, checks, sources = dict[str, str](), dict[str, CheckCell](), dict[str, str]()
    for cell in cells:
        if cell.metadata.get("lang", language) != language:
            continue
        if cell.cell_type == "markdown":
            heading = next((line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")), heading)
        about: dict[str, Any] = cell.metadata.get("nbgrader", {})
        name = about.get("grade_id", "")
        if cell.cell_type != "code" or not name:
            continue
        sources[name] = cell.source
        if about.get("locked") and about.get("grade"):
            checks[name] = CheckCell(name, _title(heading), cell.source, float(about.get("points", 0)))
        elif about.get("locked"):
            given[name] = cell.source
    return HandedOut(given, checks, sources)


def _title(heading: str) -> str:
    return heading.removeprefix("Check:").removeprefix(translate("Check:")).strip()
