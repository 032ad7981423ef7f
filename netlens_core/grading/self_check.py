"""A student's own check: the notebook run with the exercise's public checks, those that stand in its template.

It runs in grading's own sandbox where the system allows one, else in a process of its own under as many of grading's
limits as hold there; which do not is told. It needs no networks but the course's target, and works on every system.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from netlens_core.grading.check_run import run_notebook
from netlens_core.grading.decoding import decoded
from netlens_core.grading.executed import executed_notebook
from netlens_core.grading.intake import MAX_FILE, Cell, read_submission, read_submission_file
from netlens_core.grading.missing_names import RanNotebook
from netlens_core.grading.other_packages import other_packages
from netlens_core.grading.public_checks import CheckCell, PublicCheck, handed_out
from netlens_core.grading.public_course import PublicCourse
from netlens_core.grading.restoring import as_released
from netlens_core.grading.sandbox.outcomes import CellRun
from netlens_core.grading.sheets import CourseError, ExerciseSheet
from netlens_core.grading.suggestions import did_you_mean
from netlens_core.grading.templates import about_network
from netlens_core.languages import known_languages, speaking, spoken, translate

# In the notebook's metadata, also where a merge conflict makes the whole no JSON. In a cell, quotes are escaped.
_LANGUAGE = re.compile(r'"netlens"\s*:\s*\{\s*"language"\s*:\s*"(\w{1,20})"')


@dataclass(frozen=True)
class SelfCheck:
    """What a student's own check came to.

    Attributes:
        checks: the exercise's public checks, in order.
        errors: (number of the cell, error) for the notebook's other cells.
        message: how the run as a whole ended, where that was early.
        notes: what was repaired in the file.
        notebook: the notebook as it ran, with all outputs.
        level: the sandbox that it ran in: "full", "reduced" or "none".
        not_applied: which of grading's limits did not hold here, in a sentence; empty where all did.
        language: in which all this is said.
    """

    exercise: str
    title: str
    checks: tuple[PublicCheck, ...]
    errors: tuple[tuple[int, str], ...]
    message: str
    notes: tuple[str, ...]
    notebook: bytes
    language: str
    level: str = "none"
    not_applied: str = ""

    @property
    def passed(self) -> bool:
        """Whether every public check passed."""
        return not self.message and all(check.passed for check in self.checks)

    @property
    def points(self) -> float:
        """What the public checks earn together."""
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> float:
        """What the public checks are worth; written answers, which a person marks, are not among them."""
        return sum(check.max_points for check in self.checks)


def self_check(course: PublicCourse, file: Path, slug: str | None = None, language: str | None = None) -> SelfCheck:
    """Run a notebook (or Python file) with the public checks of its exercise.

    `slug` is by default told by the file's name or its cells, `language` that of the notebook, or else of the course.
    Raises CourseError for a file that cannot be taken, an unknown exercise, or a picture that is missing beside the
    notebook; LanguageError for a language that netlens does not speak.
    """
    slug = slug or _meant(course, file)
    course = course.in_language(language or written_in(file) or course.sheet.language)
    with speaking(course.catalog()):
        if slug not in course.sheet.exercises:
            known = ", ".join(course.sheet.exercises)
            told = translate(
                "{name} is no exercise: name one with --exercise; there are {known}", name=repr(slug), known=known
            )
            raise CourseError(told + did_you_mean(slug, course.sheet.exercises))
    with speaking(course.catalog(slug)):
        return _checked(course, file, slug)


def _meant(course: PublicCourse, file: Path) -> str:
    """The exercise of a file: its name, else the only one in its name (`noise (1).ipynb`), else told by its cells."""
    slugs, stem = course.sheet.exercises, file.stem.casefold()
    if file.stem in slugs:
        return file.stem
    named = [slug for slug in slugs if re.search(rf"(?<![a-z]){re.escape(slug)}(?![a-z])", stem)]
    if len(named) == 1:
        return named[0]
    data = read_submission_file(file)
    cells = () if isinstance(data, str) else read_submission(data, file.name).cells
    names = {cell.grade_id for cell in cells}
    known = {slug: handed_out(course.template(slug), course.sheet.networks.target) for slug in slugs if len(names) > 1}
    alike = {slug: len(names & template.cells.keys()) for slug, template in known.items()}
    most = [slug for slug, count in alike.items() if count == max(alike.values()) > 1]
    return most[0] if len(most) == 1 else file.stem


def written_in(file: Path) -> str | None:
    """The language that a notebook was released in; None where it does not say so, or that is none of ours."""
    data = read_submission_file(file)
    found = None if isinstance(data, str) or file.suffix != ".ipynb" else decoded(data)
    said = _LANGUAGE.findall(found[0]) if found else []
    return said[-1] if said and said[-1] in known_languages() else None  # metadata stands below the cells


def _checked(course: PublicCourse, file: Path, slug: str) -> SelfCheck:
    data = read_submission_file(file)
    if isinstance(data, str):
        raise CourseError(data)
    submission = read_submission(data, file.name, expected=slug)
    if submission.refusal:
        raise CourseError(submission.refusal)
    sheet = course.exercise_sheet(slug)
    path, target = course.template(slug), course.sheet.networks.target
    template = _Template(path, target)
    wanted = (*sheet.functions, *(("answers",) if sheet.answers else ()))
    code = about_network(path.read_bytes(), target)
    whole = as_released(submission, code, wanted, whole=True)
    sources = [cell.source for cell in whole.code_cells]
    run = run_notebook(sources, _pictures(sheet, file.parent), sheet.limits, target, file.parent, sheet.functions)
    runs, message = run.cells, run.message
    ran = list(zip(whole.code_cells, [*runs, *[None] * len(sources)], strict=False))
    as_it_ran = RanNotebook(whole.cells, runs, code)
    checks = tuple(template.judged(ran, message, as_it_ran))
    if run.missing and all(check.passed for check in checks):  # lost after its checks; grading calls it in the end
        message = " ".join(as_it_ran.explained(name, outcome).message for name, outcome in run.missing.items())
    return SelfCheck(
        exercise=slug,
        title=translate(sheet.title),
        checks=checks,
        errors=tuple(_errors(ran, message, template.checks)),
        message=message,
        notes=(*whole.notes, *_others(sources)),
        notebook=executed_notebook(whole, runs),
        language=spoken(),
        level=run.level,
        not_applied=run.not_applied,
    )


def _errors(
    ran: list[tuple[Cell, CellRun | None]], ended: str, checks: Container[str | None]
) -> Iterator[tuple[int, str]]:
    """Number and error of each cell that failed and is no check, and of the one in which the run ended early."""
    for place, (cell, run) in enumerate(ran, 1):
        if run is None:
            if ended:
                yield cell.number or place, translate("the run ended in this cell")
            return
        if run.error and cell.grade_id not in checks:
            yield cell.number or place, run.error


def _others(sources: list[str]) -> Iterator[str]:
    if names := other_packages(sources):
        yield translate(
            "This imports {names}, which the course does not bring: grading may not have it.", names=", ".join(names)
        )


class _Template:
    """The public checks of a template."""

    def __init__(self, path: Path, target: str) -> None:
        self.checks = handed_out(path, target).checks

    def judged(self, ran: list[tuple[Cell, CellRun | None]], ended: str, as_it_ran: RanNotebook) -> list[PublicCheck]:
        by_name = {cell.grade_id: run for cell, run in ran}
        return [_judged(check, by_name.get(check.name), ended, as_it_ran) for check in self.checks.values()]


def _judged(check: CheckCell, run: CellRun | None, ended: str, as_it_ran: RanNotebook) -> PublicCheck:
    if run is None:
        told = translate("Not reached. {reason}", reason=ended).strip()
        return PublicCheck(check.name, check.title, False, 0.0, check.points, told, "", ())
    printed = "".join(str(output["text"]) for output in run.outputs if output["output_type"] == "stream")
    pictures = [output["data"].get("image/png") for output in run.outputs if "data" in output]
    message = as_it_ran.of_error(run.error or "").removeprefix("AssertionError: ")
    shown = tuple(base64.b64decode(picture) for picture in pictures if picture)
    passed = run.error is None
    earned = check.points if passed else 0.0
    return PublicCheck(check.name, check.title, passed, earned, check.points, message, printed, shown)


def _pictures(sheet: ExerciseSheet, folder: Path) -> dict[str, bytes]:
    """The exercise's pictures, as they lie beside the notebook."""
    found = {}
    for name in (spec.file for spec in sheet.inputs.values() if spec.file):
        try:
            with (folder / name).open("rb") as file:
                found[name] = file.read(MAX_FILE)
        except OSError:
            told = translate(
                "{name} is missing beside the notebook: put it into {folder}", name=name, folder=folder.resolve()
            )
            raise CourseError(told) from None
    return found
