"""Templates: the notebooks that students start from, in their languages, and with the reference solution filled in.

A template is a jupytext percent file with nbgrader's cell metadata. A markdown cell for one language says so:
`# %% [markdown] lang="cs"`. Code, and cells without `lang`, belong to all. A reference solution holds the template's
solution cells, filled in, under the same `grade_id`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlens_core.grading.sheets import CourseError

if TYPE_CHECKING:  # grading reads a template's code, and most often nothing else of it
    from nbformat import NotebookNode

DEFAULT_LANGUAGE = "en"
DEFAULT_NETWORK = "efficientnet_lite0"  # that of netlens_core.networks, which needs torch


def read_percent(path: Path) -> NotebookNode:
    """A percent file as a notebook. Raises CourseError where it cannot be read."""
    import jupytext

    try:
        notebook: NotebookNode = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CourseError(f"{path} is not UTF-8 text") from None
    return notebook


def languages(path: Path) -> set[str]:
    """The languages that a template's text is written in; only English where no cell names one."""
    named = {cell.metadata.get("lang") for cell in read_percent(path).cells} - {None}
    return named or {DEFAULT_LANGUAGE}


def template_notebook(path: Path, language: str = DEFAULT_LANGUAGE) -> bytes:
    """A template as notebook bytes in one language. Raises CourseError where it is not written in that language.

    Cells have names that do not change from one release to the next.
    """
    known = languages(path)
    if language not in known:
        raise CourseError(f"{path} is not written in {language!r}: it has {', '.join(sorted(known))}")
    notebook = read_percent(path)
    notebook.cells = [cell for cell in notebook.cells if cell.metadata.pop("lang", language) == language]
    return _as_bytes(notebook, language)


def about_network(source: bytes, target: str) -> bytes:
    """A notebook or Python file that loads the course's target where it was written for the default network."""
    written = rb'load_network\((\\?")' + DEFAULT_NETWORK.encode() + rb"\1\)"  # in a notebook's JSON: \"
    return re.sub(written, rb"load_network(\g<1>" + target.encode() + rb"\g<1>)", source)


def solved_notebook(template: Path, solution: Path) -> bytes:
    """A template in English with its solution cells taken from a reference solution, as notebook bytes.

    Cells of the solution without a `grade_id` (imports that the template has already) are for readers only. Raises
    CourseError where the solution has a cell that the template does not leave to the student.
    """
    import nbformat

    language = DEFAULT_LANGUAGE if DEFAULT_LANGUAGE in languages(template) else min(languages(template))
    notebook = nbformat.reads(template_notebook(template, language).decode(), as_version=4)
    solved = {_grade_id(cell): cell.source for cell in read_percent(solution).cells}
    solved.pop(None, None)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = solved.pop(_grade_id(cell), cell.source)
    if solved:
        raise CourseError(f"{solution}: {template} has no solution cell {', '.join(map(repr, solved))}")
    return _as_bytes(notebook, language)


def _grade_id(cell: NotebookNode) -> Any:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _as_bytes(notebook: NotebookNode, language: str) -> bytes:
    import nbformat

    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = _grade_id(cell) or f"cell-{number:03d}"
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "netlens": {"language": language},  # in which `netlens check` speaks
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return nbformat.writes(notebook).encode()
