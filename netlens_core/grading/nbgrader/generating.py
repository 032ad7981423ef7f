"""nbgrader's own `generate_assignment`, run on what netlens puts into `source/`."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from netlens_core.grading.course import Course
from netlens_core.grading.nbgrader.cells import record_cells
from netlens_core.grading.nbgrader.config import nbgrader_api
from netlens_core.grading.nbgrader.database import Database
from netlens_core.grading.sheets import CourseError

if TYPE_CHECKING:
    from nbgrader.apps.api import NbGraderAPI

_TOLD = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit)): (.+)$", re.MULTILINE)


class Generator:
    """Releases a course's exercises with nbgrader. Raises CourseError for settings that cannot be loaded."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._api: NbGraderAPI = nbgrader_api(course)

    def folder(self, step: str, slug: str) -> Path:
        """Where an exercise's `source` or `release` lies by nbgrader's settings; begins as the course was named."""
        directory = self._api.coursedir
        name = {"source": directory.source_directory, "release": directory.release_directory}[step]
        place, root = Path(directory.format_path(name, ".", slug)), self._course.folder.resolve()
        return self._course.folder / place.relative_to(root) if place.is_relative_to(root) else place

    def record(self, notebooks: dict[str, bytes]) -> None:
        """Write the exercises' cells into the gradebook: slug -> notebook.

        Raises CourseError as `record_cells`, DatabaseError where the database cannot be written.
        """
        database = Database(self._course)
        with database.opened() as gradebook:
            for slug, notebook in notebooks.items():
                database.tried(partial(record_cells, gradebook, slug, notebook), gradebook.db.rollback)

    def generate(self, slug: str) -> None:
        """Make the release of what lies in the exercise's source. Raises CourseError with what nbgrader says."""
        self._api.coursedir.notebook_id = slug  # replaces the notebook, and leaves what else lies beside it
        result = self._api.generate_assignment(slug)
        if not result["success"]:
            told = _TOLD.findall(result.get("log", "") + result.get("error", ""))
            reasons = [text for kind, text in told if kind != "NbGraderException"] or [text for _, text in told]
            raise CourseError(f"nbgrader cannot release {slug}: {reasons[-1] if reasons else 'it does not say why'}")
