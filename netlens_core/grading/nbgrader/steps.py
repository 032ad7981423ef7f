"""What plain nbgrader does with netlens's notebooks: which of its steps netlens replaces, and how long cells may take.

`nbgrader_config.py` of a course calls `add_steps`. Steps stand here by name, so that a command that only wants to know
where the gradebook is need not import nbgrader.
"""

from __future__ import annotations

import json
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from traitlets.config import Config

IMPORTING = 60  # seconds that a notebook may need for its imports, beyond what its exercise allows
_OTHERS = 300  # seconds for a cell of an exercise that netlens does not know

UNSANDBOXED = (
    "These points come from the checks in the notebook alone, run without netlens's sandbox: students' code can do "
    "here whatever you can. `netlens grade` runs it in a sandbox, and checks what the notebook does not show."
)

_NBGRADERS = "nbgrader.preprocessors."
_OURS = "netlens_core.grading.nbgrader.preprocessors."
_GENERATE = (
    *(f"{_NBGRADERS}{name}" for name in ("IncludeHeaderFooter", "InstantiateTests", "LockCells")),
    f"{_OURS}KeepTemplates",
    *(f"{_NBGRADERS}{name}" for name in ("ClearOutput", "CheckCellMetadata", "ComputeChecksums", "SaveCells")),
    *(f"{_NBGRADERS}{name}" for name in ("ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums")),
    f"{_NBGRADERS}CheckCellMetadata",
)
_SANITIZE = (
    f"{_OURS}RestoreCells",
    *(f"{_NBGRADERS}{name}" for name in ("ClearOutput", "DeduplicateIds", "OverwriteKernelspec", "OverwriteCells")),
    f"{_NBGRADERS}CheckCellMetadata",
)
_AUTOGRADE = (
    f"{_OURS}RunPublicChecks",
    f"{_NBGRADERS}IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    *(f"{_NBGRADERS}{name}" for name in ("LimitOutput", "SaveAutoGrades", "AssignLatePenalties", "CheckCellMetadata")),
)

# What code writes to stderr, such as a warning, is shown like what it prints: at stderr, nbgrader gives no points.
# ipykernel's stream also carries what libraries in C write there, so it is renamed and not replaced.
_NO_STDERR = "__import__('sys').stderr.name = 'stdout'"


def add_steps(c: Config) -> None:
    """Set in nbgrader's configuration what netlens's notebooks need; other assignments go through as they always do."""
    root = str(c.CourseDirectory.get("root") or Path.cwd())
    c.GenerateAssignment.preprocessors = list(_GENERATE)
    c.Autograde.sanitize_preprocessors = list(_SANITIZE)
    c.Autograde.autograde_preprocessors = list(_AUTOGRADE)
    c.RestoreCells.course = c.RunPublicChecks.course = root
    c.Execute.timeout_func = partial(seconds_for_a_cell, root)
    c.Execute.extra_arguments = [f"--IPKernelApp.exec_lines={json.dumps([_NO_STDERR])}"]
    c.Execute.on_cell_start = tell
    c.CourseDirectory.ignore.append("students")  # everybody's own pictures are for each of them, not for the exchange


def seconds_for_a_cell(root: str, cell: Any = None, slug: str | None = None) -> int:
    """How long a cell of an exercise may run: what all of the exercise may take. Without `slug`, of any exercise."""
    return _seconds(root).get(slug, _OTHERS) if slug else max(_seconds(root).values(), default=_OTHERS)


@lru_cache(maxsize=4)
def _seconds(root: str) -> dict[str, int]:
    from netlens_core import NetlensError
    from netlens_core.grading.public_course import PublicCourse

    try:
        course = PublicCourse(Path(root))
        return {
            slug: int(course.exercise_sheet(slug).limits.total_seconds) + IMPORTING for slug in course.sheet.exercises
        }
    except NetlensError as error:
        _log().warning("netlens: %s", error)
        return {}


def tell(cell: Any = None, cell_index: int = 0) -> None:
    """Say at a notebook's first cell where its points come from."""
    if cell_index == 0:
        _log().warning(UNSANDBOXED)


def _log() -> Any:
    from traitlets.log import get_logger

    return get_logger()
