"""What lateness costs: nbgrader's due date and timestamps, and the course's plugin for late penalties."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from netlens_core.grading.nbgrader.config import load_config
from netlens_core.grading.sheets import CourseError

if TYPE_CHECKING:
    from nbgrader.plugins import BasePlugin

TIMESTAMP = "timestamp.txt"
_LONGEST = 200  # bytes of a timestamp


def timestamp_of(folder: Path) -> datetime | None:
    """When a folder's work was handed in (UTC, without a zone), as nbgrader wrote it down; None where nobody did.

    The file may come from a student: what is no date counts as none.
    """
    from nbgrader.utils import parse_utc

    text = timestamp_text(folder)
    if not text:
        return None
    try:
        found: datetime = parse_utc(text)
        return found.replace(tzinfo=None)
    except (ValueError, OverflowError, TypeError, AttributeError, RecursionError):
        return None


def timestamp_text(folder: Path) -> str:
    """What stands in `timestamp.txt`; empty where there is none, or something that is no short text."""
    path = folder / TIMESTAMP
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LONGEST:
            return ""
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


class Penalties:
    """The course's plugin (`c.AssignLatePenalties.plugin_class`), loaded when the first late work comes.

    It may lie beside `nbgrader_config.py`, as nbgrader has it. Raises CourseError for settings that cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._plugin: BasePlugin | None = None

    def of(self, student: str, score: float, seconds_late: float) -> float | None:
        """Points that lateness costs, within [0, score]; None where the plugin gives no penalty. Raises CourseError.

        They have at most two decimals, as pages, terminals and platforms show them: the same number everywhere.
        """
        if seconds_late <= 0:
            return None
        plugin = self._loaded()
        try:
            penalty = plugin.late_submission_penalty(student, score, seconds_late)
            return None if penalty is None else min(max(round(float(penalty), 2), 0.0), max(score, 0.0))
        except Exception as error:  # a teacher's own code
            told = " ".join(str(error).split())
            raise CourseError(f"{type(plugin).__name__}, the plugin for late work, failed: {told}") from None

    def _loaded(self) -> BasePlugin:
        from nbgrader.preprocessors import AssignLatePenalties
        from traitlets import TraitError

        if self._plugin is None:
            _forget_modules_of_other_courses(self._folder)
            sys.path.insert(0, str(self._folder))
            try:
                step = AssignLatePenalties(config=load_config(self._folder))
                step.log.setLevel(logging.WARNING)
                step.init_plugin()
            except (TraitError, ImportError, SyntaxError) as error:
                told = " ".join(str(error).split())
                raise CourseError(
                    f"c.AssignLatePenalties.plugin_class of {self._folder} cannot be loaded: {told}"
                ) from None
            finally:
                sys.path.remove(str(self._folder))
            self._plugin = step.plugin_inst
        return self._plugin


def _forget_modules_of_other_courses(folder: Path) -> None:
    """Python would take another course's plugin for this one's where their files have the same name."""
    for path in folder.glob("*.py"):
        module = sys.modules.get(path.stem)
        if module is not None and Path(getattr(module, "__file__", None) or folder).parent != folder:
            del sys.modules[path.stem]
