"""The notebook as it ran: a submission's cells with the outputs that the sandbox captured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import nbformat
from nbformat import v4

from netlens_core.grading.intake import Submission
from netlens_core.grading.sandbox import CellRun


def executed_notebook(submission: Submission, runs: Sequence[CellRun]) -> bytes:
    """The notebook (nbformat 4.5) of a submission, its code cells with what they showed; equal runs give equal bytes.

    Cells that were never reached have no outputs.
    """
    notebook = v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    remaining = iter(enumerate(runs, 1))
    for position, cell in enumerate(submission.cells):
        name = hashlib.sha256(f"{position} {cell.source}".encode()).hexdigest()[:8]
        metadata = {"nbgrader": {"grade_id": cell.grade_id}} if cell.grade_id else {}
        if cell.kind != "code":
            notebook.cells.append(v4.new_markdown_cell(cell.source, id=name))
            continue
        number, run = next(remaining, (None, CellRun()))
        outputs = [nbformat.from_dict(entry) for entry in run.outputs]
        if run.error is not None:
            kind, _, text = run.error.partition(": ")
            outputs.append(v4.new_output("error", ename=kind, evalue=text, traceback=run.traceback.splitlines()))
        notebook.cells.append(
            v4.new_code_cell(cell.source, id=name, execution_count=number, outputs=outputs, metadata=metadata)
        )
    notebook.nbformat_minor = 5
    return nbformat.writes(notebook).encode()
