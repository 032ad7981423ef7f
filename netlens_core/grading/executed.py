"""The notebook as it ran: a submission's cells with the outputs that the sandbox captured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import nbformat

from netlens_core.grading.intake import Cell, Submission
from netlens_core.grading.sandbox.outcomes import CellRun


def executed_notebook(submission: Submission, runs: Sequence[CellRun]) -> bytes:
    """The notebook (nbformat 4.5) of a submission, its code cells with what they showed; equal runs give equal bytes.

    Cells that were never reached have no outputs.
    """
    runs_left = iter(enumerate(runs, 1))
    cells = [_ran(cell, f"{place} {cell.source}", runs_left) for place, cell in enumerate(submission.cells)]
    notebook = nbformat.from_dict(
        {
            "cells": cells,
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )
    return nbformat.writes(notebook).encode()  # validates the whole, once


def _ran(cell: Cell, place: str, runs_left: Iterator[tuple[int, CellRun]]) -> dict[str, Any]:
    metadata = {"nbgrader": {"grade_id": cell.grade_id}} if cell.grade_id else {}
    node: dict[str, Any] = {"id": hashlib.sha256(place.encode()).hexdigest()[:8], "source": cell.source}
    if cell.kind != "code":
        return {**node, "cell_type": "markdown", "metadata": {}}
    number, run = next(runs_left, (None, CellRun()))
    outputs = list(run.outputs)
    if run.error is not None:
        kind, _, text = run.error.partition(": ")
        trace = run.traceback.splitlines()
        outputs.append({"output_type": "error", "ename": kind, "evalue": text, "traceback": trace})
    return {**node, "cell_type": "code", "metadata": metadata, "execution_count": number, "outputs": outputs}
