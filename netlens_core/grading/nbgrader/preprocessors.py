"""netlens's steps in plain nbgrader's `generate_assignment` and `autograde`; `steps` says where they come in."""

from __future__ import annotations

import copy
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions, Execute, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Unicode

from netlens_core import NetlensError
from netlens_core.grading.intake import Cell, Submission
from netlens_core.grading.nbgrader.steps import seconds_for_a_cell
from netlens_core.grading.public_course import PublicCourse
from netlens_core.grading.restoring import as_released, template_cells
from netlens_core.grading.sample import DELETES_EVERYTHING
from netlens_core.grading.templates import about_network

Resources = dict[str, Any]


class KeepTemplates(ClearSolutions):
    """Clears solutions, but not the cells of netlens's templates: they hold no solution, only what students start from.

    In other notebooks, and where a cell marks a region as solution, it does as nbgrader does.
    """

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        self._from_template = "netlens" in nb.metadata
        return super().preprocess(nb, resources)

    def preprocess_cell(
        self, cell: NotebookNode, resources: Resources, cell_index: int
    ) -> tuple[NotebookNode, Resources]:
        if self._from_template and is_solution(cell) and self.begin_solution_delimeter not in cell.source:
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


class RestoreCells(NbGraderPreprocessor):
    """Puts a submission's locked cells back as they were handed out, as `netlens grade` and `netlens check` do.

    nbgrader alone gives no points where a check's cell is missing, and gives up on the whole class at a doubled one.
    """

    course = Unicode("", help="The course folder.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        about = resources["nbgrader"]
        template = _template(self.course, about["assignment"])
        if template is None:
            return nb, resources
        released = self._released(about["assignment"])
        submission = as_released(_read(nb, about["notebook"]), *template, whole=True)
        for note in submission.notes:
            self.log.warning("%s: %s", about["student"], note)
        known = {(cell.cell_type, cell.source): cell for cell in reversed(nb.cells)}
        nb.cells = [
            _node(cell, known.pop((cell.kind, cell.source), None), released.get(cell.grade_id or ""), number)
            for number, cell in enumerate(_whole(submission.cells, template[0]), 1)
        ]
        nb.nbformat_minor = 5
        return nb, resources

    def _released(self, slug: str) -> dict[str, NotebookNode]:
        """Name -> cell, of the notebook in `source/`."""
        path = Path(self.course, "source", slug, f"{slug}.ipynb")
        cells = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4).cells
        return {cell.metadata.nbgrader.grade_id: cell for cell in cells if "nbgrader" in cell.metadata}


class RunPublicChecks(Execute):
    """Runs a submission with the time that its exercise allows, and goes on where its kernel dies.

    The sample course's notebook that deletes every file is not run.
    """

    course = Unicode("", help="The course folder.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Resources, km: Any = None) -> tuple[NotebookNode, Resources]:
        about = resources["nbgrader"]
        if any(cell.source.strip() == DELETES_EVERYTHING for cell in nb.cells):
            self.log.warning("%s: not run, since it deletes every file that you may delete", about["student"])
            return _without_points(nb, "not run: it deletes files"), resources
        self.timeout_func = None
        self.timeout = seconds_for_a_cell(self.course, slug=about["assignment"])
        self._finished: set[int] = set()
        try:
            return super().preprocess(nb, resources, km)
        except DeadKernelError:
            self.log.warning("%s: the code ended its own Python", about["student"])
            return _without_points(nb, "not reached: the code ended its own Python", self._finished), resources

    def on_cell_executed(self, **about: Any) -> None:
        super().on_cell_executed(**about)
        self._finished.add(about["cell_index"])


def _template(folder: str, slug: str) -> tuple[bytes, set[str]] | None:
    """An exercise's template, and the names that its grader asks for; None for what is no exercise of netlens."""
    try:
        course = PublicCourse(Path(folder))
        if slug not in course.sheet.exercises:
            return None
        wanted = {*course.exercise_sheet(slug).functions, "answers"}
        return about_network(course.template(slug).read_bytes(), course.sheet.networks.target), wanted
    except (NetlensError, OSError):
        return None


def _read(nb: NotebookNode, name: str) -> Submission:
    cells = [Cell(cell.cell_type, cell.source, _name(cell)) for cell in nb.cells]
    return Submission(f"{name}.ipynb", "", tuple(cells))


def _name(cell: NotebookNode) -> str | None:
    about = cell.metadata.get("nbgrader")
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None


def _whole(cells: Sequence[Cell], template: bytes) -> list[Cell]:
    """With all locked cells, also where nothing of the template was handed in: what is built on first, checks last."""
    present = {cell.grade_id for cell in cells}
    lost = [cell for cell in template_cells(template) if cell.locked and cell.name not in present]
    first = [Cell("code", cell.source, cell.name) for cell in lost if not cell.graded]
    return [*first, *cells, *(Cell("code", cell.source, cell.name) for cell in lost if cell.graded)]


def _node(cell: Cell, known: NotebookNode | None, released: NotebookNode | None, number: int) -> NotebookNode:
    """A cell for nbgrader: the student's own with what lies in it, nbgrader's metadata as it was released."""
    make = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
    node = known or make(cell.source)
    node["id"] = f"cell-{number:03d}"
    if released is not None:
        node.metadata["nbgrader"] = copy.deepcopy(released.metadata.nbgrader)
    else:
        node.metadata.pop("nbgrader", None)
    return node


def _without_points(nb: NotebookNode, reason: str, but: Set[int] = frozenset()) -> NotebookNode:
    """With an error in every check's cell but those: a cell without an output earns its points."""
    for number, cell in enumerate(nb.cells):
        if is_grade(cell) and not is_solution(cell) and number not in but:
            cell.outputs = [nbformat.v4.new_output("error", ename="RuntimeError", evalue=reason, traceback=[])]
    return nb
