"""Trials of a grader: solutions whose grade is known beforehand, and running them, each only once.

A wrong solution says in literals at its top what it is for: `LOSES = ["test_…"]`, the checks that it must lose, and
`CAUGHT_BY = ["…"]`, the calibrated thresholds that have to reject it. Both are read from the source: course files are
never imported here.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError, Exercise, Networks
from netlens_core.grading.grade import Grade
from netlens_core.grading.grade_key import grade_key
from netlens_core.grading.pool import Work, grade_all
from netlens_core.grading.store import Store
from netlens_core.grading.templates import about_network, solved_notebook, template_notebook

REFERENCE, TEMPLATE = "reference", "template"


@dataclass(frozen=True)
class Trial:
    """A solution whose grade is known beforehand.

    Attributes:
        name: `reference`, `template` or `wrong/<file>`.
        loses: the checks that it must lose; all the others it must earn in full.
        caught_by: the calibrated thresholds that must reject it.
    """

    slug: str
    name: str
    data: bytes
    file: str
    loses: frozenset[str]
    caught_by: frozenset[str] = frozenset()


def trials(slug: str, exercise: Exercise, root: Path, target: str) -> list[Trial]:
    """The reference in the template's notebook, the template, and every wrong solution, below a course's root.

    All of them are about the `target` network. Raises CourseError where a file is missing, or a wrong solution names
    no check or an unknown one.
    """
    reference = root / "reference_solutions" / slug / "reference.py"
    template = root / "assignments" / slug / "template.py"
    wrong = sorted((root / "reference_solutions" / slug / "wrong").glob("*.py"))
    for path in (reference, template):
        if not path.is_file():
            raise CourseError(f"{path} is missing")
    if not wrong:
        raise CourseError(f"{reference.parent / 'wrong'} holds no wrong solution: nothing tests the grader")
    everything = frozenset(check.name for check in exercise.checks)
    whole = about_network(solved_notebook(template, reference), target)
    untouched = about_network(template_notebook(template), target)
    return [
        Trial(slug, REFERENCE, whole, f"{slug}.ipynb", frozenset()),
        Trial(slug, TEMPLATE, untouched, f"{slug}.ipynb", everything),
        *(_wrong(slug, path, exercise, everything, target) for path in wrong),
    ]


def _wrong(slug: str, path: Path, exercise: Exercise, checks: frozenset[str], target: str) -> Trial:
    try:
        data = path.read_bytes()
        tree = ast.parse(data)
    except SyntaxError as error:
        raise CourseError(f"{path}, line {error.lineno}: {error.msg}") from None
    wanted = f'{path}: a wrong solution names what it must lose at its top, LOSES = ["test_…"]'
    loses = _names(tree, "LOSES", checks, f"{wanted}; the checks are {', '.join(sorted(checks))}")
    if not loses:
        raise CourseError(wanted)
    known = ", ".join(sorted(exercise.thresholds)) or "none"
    said = f'{path}: CAUGHT_BY = ["…"] names calibrated thresholds; there are {known}'
    caught_by = _names(tree, "CAUGHT_BY", exercise.thresholds, said)
    return Trial(slug, f"wrong/{path.stem}", about_network(data, target), path.name, loses, caught_by)


def _names(tree: ast.Module, variable: str, known: Collection[str], wanted: str) -> frozenset[str]:
    """The names in a literal at a file's top; none where it has no such variable. Raises CourseError(wanted)."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == variable for t in node.targets):
            try:
                names = frozenset(ast.literal_eval(node.value))
            except (ValueError, TypeError):
                raise CourseError(wanted) from None
            if not names or not names <= set(known):
                raise CourseError(wanted)
            return names
    return frozenset()


def work_of(trial: Trial, label: str, exercise: Exercise, course: Course, seed: int, sandbox: str) -> Work:
    """A trial as one student's submission."""
    names = course.sheet.networks
    networks = Networks(names.target, tuple(names.jury), course.fingerprints)
    load = partial(_loaded, trial.data, trial.file)
    return Work(label, hashlib.sha256(trial.data).hexdigest(), load, exercise, networks, seed, sandbox)


def _loaded(data: bytes, name: str) -> tuple[bytes, str]:
    return data, name


@dataclass(frozen=True)
class Run:
    """How a work went: its grade, and whether that was known from before."""

    work: Work
    grade: Grade
    known: bool


def run_all(
    works: Iterable[Work],
    course: Course,
    workers: int,
    again: bool = False,
    keep: Callable[[Work, Grade], bool] = lambda work, grade: True,
) -> Generator[Run, None, None]:
    """Grade works in `workers` processes, those first whose grade is known from an earlier run, which may have been
    stopped; `again` grades them all. Grades that `keep` refuses are not remembered, nor any with a fault of ours."""
    store = Store(course.hidden_folder / "trials")
    missing = []
    for work in works:
        grade = None if again else store.read(_key(work))
        if grade is None:
            missing.append(work)
        else:
            yield Run(work, grade.model_copy(update={"seconds": store.seconds(_key(work))}), True)
    for work, grade in grade_all(missing, workers):
        if keep(work, grade) and not any(check.fault for check in grade.checks):
            store.write(_key(work), _without_pictures(grade))
        yield Run(work, grade, False)


def _key(work: Work) -> str:
    return grade_key(work.sha256, work.exercise, work.networks.fingerprints, work.seed, work.sandbox)


def _without_pictures(grade: Grade) -> Grade:
    """Nobody looks at the pictures of a trial, and a trial has many."""
    nothing: dict[str, Any] = {"pictures": {}, "figure_notes": {}, "notebook": b""}
    return grade.model_copy(update=nothing)
