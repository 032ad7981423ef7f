"""The cells of an exercise in nbgrader's gradebook, also where students' work is in it already.

nbgrader itself refuses to release an exercise anew whose cells changed once somebody's work is there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nbformat

from netlens_core.grading.nbgrader.database import begin_snapshot
from netlens_core.grading.sheets import CourseError

if TYPE_CHECKING:
    from nbgrader.api import BaseCell, Gradebook, Notebook

Wanted = dict[str, dict[str, dict[str, Any]]]  # kind -> name of the cell -> its columns


def record_cells(gradebook: Gradebook, slug: str, source: bytes) -> None:
    """Make the gradebook's cells of an exercise those of its notebook, as `source.source_notebook` gives it.

    Scores and comments of cells that stay are kept; students whose work is there get a place for those of new cells.
    All cells change in one transaction, and doing it again changes nothing. Raises CourseError, and changes nothing,
    where a cell is gone that a person has marked.
    """
    notebook = nbformat.reads(source.decode(), as_version=4)
    gradebook.update_or_create_assignment(slug)
    gradebook.update_or_create_notebook(slug, slug, kernelspec=json.dumps(notebook.metadata.kernelspec))
    begin_snapshot(gradebook, writing=True)  # a mark that a person gives from here on is not deleted with its cell
    recorded = gradebook.find_notebook(slug, slug)
    wanted = _wanted(notebook)
    _remove_others(gradebook, recorded, wanted, slug)
    _add(gradebook, recorded, wanted)
    gradebook.db.flush()  # new cells have their ids from here on
    _complete_submissions(gradebook, recorded)
    gradebook.db.commit()


def _wanted(notebook: nbformat.NotebookNode) -> Wanted:
    from nbgrader.utils import compute_checksum, is_grade, is_locked, is_solution

    wanted: Wanted = {"grade": {}, "solution": {}, "source": {}}
    for cell in notebook.cells:
        if not (is_grade(cell) or is_solution(cell) or is_locked(cell)):
            continue
        name, kind = cell.metadata.nbgrader.grade_id, cell.cell_type
        if is_grade(cell):
            wanted["grade"][name] = {"max_score": float(cell.metadata.nbgrader.points), "cell_type": kind}
        if is_solution(cell):
            wanted["solution"][name] = {}
        wanted["source"][name] = {
            "cell_type": kind,
            "locked": is_locked(cell),
            "source": cell.source,
            "checksum": compute_checksum(cell),
        }
    return wanted


def _remove_others(gradebook: Gradebook, recorded: Notebook, wanted: Wanted, slug: str) -> None:
    found = [
        *((cell, "grade") for cell in recorded.grade_cells),
        *((cell, "solution") for cell in recorded.solution_cells),
        *((cell, "task") for cell in recorded.task_cells),
    ]
    others = [cell for cell, kind in found if cell.name not in wanted.get(kind, {})]
    if marked := sorted({cell.name for cell in others if _marked_by_a_person(cell)}):
        raise CourseError(
            f"{slug} has no cell {', '.join(map(repr, marked))} any more, and the gradebook holds marks or comments "
            "there that a person gave: put the cell back, or give the changed exercise another name"
        )
    for cell in others:
        for row in [*(cell.grades or ()), *(cell.comments or ())]:
            gradebook.db.delete(row)
        gradebook.db.delete(cell)
    for cell in recorded.source_cells:
        if cell.name not in wanted["source"]:
            gradebook.db.delete(cell)


def _add(gradebook: Gradebook, recorded: Notebook, wanted: Wanted) -> None:
    from nbgrader.api import GradeCell, SolutionCell, SourceCell

    there = {
        GradeCell: (recorded.grade_cells, wanted["grade"]),
        SolutionCell: (recorded.solution_cells, wanted["solution"]),
        SourceCell: (recorded.source_cells, wanted["source"]),
    }
    for kind, (cells, columns_of) in there.items():
        known = {cell.name: cell for cell in cells}
        for name, columns in columns_of.items():
            if name not in known:
                gradebook.db.add(kind(name=name, notebook_id=recorded.id, **columns))
            else:
                for column, value in columns.items():
                    setattr(known[name], column, value)


def _marked_by_a_person(cell: BaseCell) -> bool:
    marks = (grade.manual_score is not None or grade.extra_credit is not None for grade in cell.grades or ())
    return any(marks) or any(comment.manual_comment for comment in cell.comments or ())


def _complete_submissions(gradebook: Gradebook, recorded: Notebook) -> None:
    """A grade and a comment for every cell of everybody's work."""
    from nbgrader.api import Comment, Grade

    gradebook.db.expire(recorded)
    for work in recorded.submissions:
        graded = {grade.cell_id for grade in work.grades}
        commented = {comment.cell_id for comment in work.comments}
        for cell in recorded.grade_cells:
            if cell.id not in graded:
                gradebook.db.add(Grade(cell_id=cell.id, notebook=work))
        for cell in recorded.solution_cells:
            if cell.id not in commented:
                gradebook.db.add(Comment(cell_id=cell.id, notebook=work))
