"""The part of a course that students may have: what stands in `course.yaml`, templates, sheets, translations."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Self

import netlens_core
from netlens_core.grading.sheets import CourseError, CourseSheet, ExerciseSheet, read_yaml
from netlens_core.languages import ENGLISH, Catalog, known_language, own_catalog, read_catalog


def shipped_course() -> Path:
    """The course that comes with netlens: beside the package in a checkout, inside it when installed.

    Raises CourseError where neither is there.
    """
    package = Path(netlens_core.__file__).parent
    for folder in (package.parent, package / "_course"):
        if (folder / "course.yaml").is_file() and (folder / "assignments").is_dir():
            return folder
    raise CourseError(f"the exercises of netlens are missing beside {package}: install netlens again")


def catalog_path(assignments: Path, slug: str, language: str) -> Path:
    """Where an exercise's own translations stand."""
    return assignments / slug / f"{language}.po"


class PublicCourse:
    """A course folder, as far as students may know it. Raises CourseError where its files are missing or wrong."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise CourseError(f"{folder} is not a folder: give the folder that holds course.yaml")
        self.folder = folder
        self.sheet = read_yaml(folder / "course.yaml", CourseSheet)

    @classmethod
    def shipped(cls) -> Self:
        """The course that comes with netlens."""
        return cls(shipped_course())

    def in_language(self, language: str) -> Self:
        """The same course in another language. Raises LanguageError for one that netlens does not speak."""
        other = copy.copy(self)
        other.sheet = self.sheet.model_copy(update={"language": known_language(language)})
        return other

    def catalog(self, slug: str | None = None) -> Catalog:
        """What netlens says in the course's language, and what one exercise says. Raises LanguageError."""
        language = self.sheet.language
        own = own_catalog(language)
        if slug is None or language == ENGLISH.language:
            return own
        path = catalog_path(self.root(slug) / "assignments", slug, language)
        return own | read_catalog(path, language) if path.is_file() else own

    def root(self, slug: str) -> Path:
        """The folder whose `assignments`, `graders` and `reference_solutions` hold an exercise: own or shipped."""
        return self.folder if (self.folder / "assignments" / slug).is_dir() else shipped_course()

    def template(self, slug: str) -> Path:
        """The template that students' notebooks are made from."""
        return self.root(slug) / "assignments" / slug / "template.py"

    def refuse_unknown(self, slug: str) -> None:
        """Raises CourseError for an exercise that the course does not have."""
        if slug not in self.sheet.exercises:
            raise CourseError(
                f"{self.folder / 'course.yaml'} has no exercise {slug!r}; it has {', '.join(self.sheet.exercises)}"
            )

    def exercise_sheet(self, slug: str) -> ExerciseSheet:
        """What stands in an exercise's `exercise.yaml`; needs no networks. Raises CourseError."""
        self.refuse_unknown(slug)
        return read_yaml(self.root(slug) / "assignments" / slug / "exercise.yaml", ExerciseSheet)
