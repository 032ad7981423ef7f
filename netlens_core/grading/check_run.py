"""Where a student's own check runs: in grading's sandbox where the system allows one, else in a plain process."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import CellRun, Outcome, SandboxUnavailableError
from netlens_core.grading.sandbox.session import Session
from netlens_core.grading.sandbox.unlocked import UnlockedChild
from netlens_core.languages import translate

# How many times slower than the reference machine a student's may be where other systems tell nothing but the time.
_SLOWER = 4.0


@dataclass(frozen=True)
class NotebookRun:
    """A notebook's cells, run once.

    Attributes:
        cells: what each cell showed, as far as cells ran.
        message: how the run ended, where that was early.
        level: the sandbox: "full", "reduced" or "none".
        not_applied: which of grading's limits did not hold; empty where all did.
        missing: function -> what is said of it, for those that are not there when all cells have run.
    """

    cells: tuple[CellRun, ...]
    message: str
    level: str
    not_applied: str
    missing: Mapping[str, Outcome]


def run_notebook(
    sources: Sequence[str],
    files: Mapping[str, bytes],
    limits: Limits,
    target: str,
    folder: Path,
    functions: Iterable[str],
) -> NotebookRun:
    """Run a notebook's code cells as grading runs them, with files in the working folder; `folder` is the student's.

    `functions` are those that grading will call.
    """
    level, _ = Sandbox.best_level()
    slower = _slower()
    if level != "none":
        try:
            with Sandbox((target,), level) as sandbox:
                sandbox.slowdown = slower
                with sandbox.session(sources, files, limits) as session:
                    if session.status != "fault":
                        return _run(session, level, functions)
        except SandboxUnavailableError:  # what was tried works, but not all of it: the plain process is left
            pass

    def fork() -> UnlockedChild:
        return UnlockedChild(limits, slower, (target,), str(folder.resolve()))

    with Session(fork, sources, files, limits, seed=0) as session:
        return _run(session, "none", functions)


def _run(session: Session, level: str, functions: Iterable[str]) -> NotebookRun:
    asked = {name: session.defined(name) for name in functions} if session.status == "ok" else {}
    missing = {name: outcome for name, outcome in asked.items() if outcome.status == "missing"}
    return NotebookRun(session.cells, session.message, level, _not_applied(level), missing)


def _slower() -> float:
    if sys.platform != "linux":
        return _SLOWER
    from netlens_core.grading.reference_speed import slowdown  # needs torch, as the sandbox does

    return slowdown()


def _not_applied(level: str) -> str:
    if level == "full":
        return ""
    if level == "reduced":
        what = translate("the size of the working folder")
    elif sys.platform == "linux":
        what = translate("the size of the working folder, files elsewhere on this computer, programs beside Python")
    else:
        what = translate(
            "memory, the size of the working folder, files elsewhere on this computer, programs beside Python"
        )
    return translate("Limits of grading that this check could not apply here: {what}.", what=what)
