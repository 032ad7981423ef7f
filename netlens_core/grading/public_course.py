"""The part of a course that students may have: what stands in `course.yaml`, templates, sheets, translations."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Self

import netlens_core
from netlens_core.grading.course_folder import COURSE, folders, refuse_no_course
from netlens_core.grading.sheets import CourseError, CourseSheet, ExerciseSheet, read_bytes, read_yaml
from netlens_core.grading.suggestions import did_you_mean
from netlens_core.grading.yaml_reading import read_document
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
        refuse_no_course(folder)
        self.folder = folder
        self.sheet = read_yaml(folder / COURSE, CourseSheet)
        self._refuse_unknown_exercises()

    def _refuse_unknown_exercises(self) -> None:
        for number, slug in enumerate(self.sheet.exercises):
            if (self.root(slug) / "assignments" / slug).is_dir():
                continue
            path, known = self.folder / COURSE, self.known_exercises()
            line = read_document(read_bytes(path)).line(["exercises", number])
            raise CourseError(
                f"{path}, line {line}: there is no exercise {slug!r}{did_you_mean(slug, known)}. There are "
                f"{', '.join(known)}; one of your own lies in {self.folder / 'assignments' / slug}, and "
                "`netlens new-exercise` starts one"
            )

    def known_exercises(self) -> list[str]:
        """Every exercise that lies in this course or comes with netlens, whether or not the course has it."""
        roots = (self.folder, shipped_course())
        return sorted({entry.name for root in roots for entry in folders(root / "assignments")})

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
                f"{self.folder / COURSE} has no exercise {slug!r}; it has {', '.join(self.sheet.exercises)}"
                f"{did_you_mean(slug, self.sheet.exercises)}"
            )

    def exercise_sheet(self, slug: str) -> ExerciseSheet:
        """What stands in an exercise's `exercise.yaml`; needs no networks. Raises CourseError."""
        self.refuse_unknown(slug)
        return read_yaml(self.root(slug) / "assignments" / slug / "exercise.yaml", ExerciseSheet)
