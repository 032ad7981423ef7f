"""A course of one exercise, `noise`, with daisies in the place of noise, which takes long to forge."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

from netlens_core.grading import gradebook, pool
from netlens_core.grading.course import Course
from netlens_core.grading.grade import Grade
from netlens_core.grading.gradebook import Gradebook
from netlens_core.grading.templates import solved_notebook
from tests.quick_python import quick_kernels, quick_python

ROOT = Path(__file__).parents[2]
SLUG = "noise"
TEMPLATE = ROOT / "assignments" / SLUG / "template.py"
REFERENCE = ROOT / "reference_solutions" / SLUG / "reference.py"
MANUAL = "test_resembles"
POINTS = {"test_what_is_it": 3.0, "test_number_of_categories": 2.0, "test_other_images": 3.0, MANUAL: 2.0}
SHEET = """
title: Looking inside, for a test
id: looking_inside
seed: 11
networks: {target: efficientnet_lite0, jury: [efficientnet_lite1]}
exercises: [noise]
"""


def noise_course(folder: Path) -> Path:
    """Write the course, nobody having handed in anything yet; returns its folder."""
    with_daisies(folder)
    (folder / "course.yaml").write_text(SHEET)
    (folder / "submitted").mkdir()
    return folder


def with_daisies(folder: Path) -> None:
    """Give a course folder `noise` as an exercise of its own, with daisies to classify."""
    shutil.copytree(ROOT / "assignments" / SLUG, folder / "assignments" / SLUG)
    (folder / "graders").mkdir(exist_ok=True)
    for name in ("conftest.py", f"test_{SLUG}.py"):
        shutil.copy(ROOT / "graders" / name, folder / "graders" / name)
    sheet = folder / "assignments" / SLUG / "exercise.yaml"
    content = yaml.safe_load(sheet.read_text())
    for spec in content["inputs"].values():
        spec.pop("category", None)
        spec["draw"] = "daisy"
    sheet.write_text(yaml.safe_dump(content))


def solved(**cells: str) -> nbformat.NotebookNode:
    """The released notebook as a student hands it in: the reference, cells of these names with other sources."""
    notebook = nbformat.reads(solved_notebook(TEMPLATE, REFERENCE).decode(), as_version=4)
    for name, source in cells.items():
        named(notebook, name).source = source
    return notebook


def with_cell(notebook: nbformat.NotebookNode, source: str) -> nbformat.NotebookNode:
    """A notebook with one cell more, before all others."""
    notebook.cells.insert(0, nbformat.v4.new_code_cell(source, id="added"))
    return notebook


def wrong(name: str) -> dict[str, str]:
    """The solution cells of a wrong solution, by name."""
    path = ROOT / "reference_solutions" / SLUG / "wrong" / f"{name}.py"
    _, *cells = [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    return dict(zip(("classify", MANUAL), cells, strict=True))


def named(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """The cell that nbgrader knows by a name."""
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


def hand_in(folder: Path, student: str, notebook: nbformat.NotebookNode | str) -> Path:
    """Lay a notebook where a student's submission belongs, its picture beside it, as a student's folder has it."""
    place = folder / "submitted" / student / SLUG
    place.mkdir(parents=True, exist_ok=True)
    for picture in (folder / "release" / SLUG).glob("*.png"):
        shutil.copy(picture, place)
    file = place / f"{SLUG}.ipynb"
    file.write_text(notebook if isinstance(notebook, str) else nbformat.writes(notebook), encoding="utf-8")
    return file


def grade(folder: Path) -> Gradebook:
    """What `netlens grade` does, in this process, whose warm sandbox is there for all classes."""
    book = Gradebook(Course(folder), "full")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gradebook, "grade_all", one_by_one)
        for _ in book.grade(book.pending(), workers=1):
            pass
    book.write_views()
    return book


def one_by_one(works: Iterable[pool.Work], workers: int) -> Iterator[tuple[pool.Work, Grade]]:
    """As a pool's worker grades."""
    for work in works:
        yield work, pool._guarded(None, False, *pool._arguments(work))


def nbgrader(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run a command of nbgrader in the course folder; what it said."""
    command = [*quick_python(), "-m", "nbgrader", *arguments]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "JUPYTER_PATH": quick_kernels()}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, env=environment)
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    return said
