"""What plain nbgrader needs to release netlens's notebooks and to give the points of their public checks.

`nbgrader_config.py` of a course calls `add_steps`; nobody else needs this module.
"""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions
from nbgrader.utils import is_solution
from traitlets.config import Config


def add_steps(c: Config) -> None:
    """Set in nbgrader's configuration what netlens's notebooks need."""
    c.GenerateAssignment.preprocessors = [
        KeepTemplates if step is ClearSolutions else step for step in GenerateAssignment.preprocessors.default()
    ]


class KeepTemplates(ClearSolutions):
    """Clears solutions, but not the cells of netlens's templates: they hold no solution, only what students start from.

    In other notebooks, and where a cell marks a region as solution, it does as nbgrader does.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        self._from_template = "netlens" in nb.metadata
        return super().preprocess(nb, resources)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if self._from_template and is_solution(cell) and self.begin_solution_delimeter not in cell.source:
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)
