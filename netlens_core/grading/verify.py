"""Testing the graders: the reference earns everything, the template nothing, each wrong solution loses what it names.

A wrong solution names the checks that it must lose in a literal at its top, `LOSES = ["test_…", …]`, which is read
from the source: course files are never imported here.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError, Exercise, Networks
from netlens_core.grading.grade import Check, Grade
from netlens_core.grading.pool import Work, grade_all
from netlens_core.grading.templates import solved_notebook, template_notebook


@dataclass(frozen=True)
class Trial:
    """A solution whose grade is known beforehand: the checks it must lose; all the others it must earn in full."""

    slug: str
    name: str
    data: bytes
    file: str
    loses: frozenset[str]


@dataclass(frozen=True)
class Verdict:
    """How a trial went: `problems` tells in words where the grader and the expectation part, empty if nowhere."""

    trial: Trial
    grade: Grade
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The verdict as `netlens verify --json` prints it."""
        return {
            "exercise": self.trial.slug,
            "trial": self.trial.name,
            "loses": sorted(self.trial.loses),
            "points": self.grade.points,
            "max_points": self.grade.max_points,
            "problems": list(self.problems),
        }


def trials(slug: str, exercise: Exercise, root: Path) -> list[Trial]:
    """The reference in the template's notebook, the template, and every wrong solution, below a course's root.

    Raises CourseError where a file is missing, or a wrong solution names no check or an unknown one.
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
    return [
        Trial(slug, "reference", solved_notebook(template, reference), f"{slug}.ipynb", frozenset()),
        Trial(slug, "template", template_notebook(template), f"{slug}.ipynb", everything),
        *(Trial(slug, f"wrong/{p.stem}", p.read_bytes(), p.name, _loses(p, everything)) for p in wrong),
    ]


def _loses(path: Path, known: frozenset[str]) -> frozenset[str]:
    wanted = f'{path}: a wrong solution names what it must lose at its top, LOSES = ["test_…"]'
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise CourseError(f"{path}, line {error.lineno}: {error.msg}") from None
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "LOSES" for t in node.targets):
            try:
                names = frozenset(ast.literal_eval(node.value))
            except (ValueError, TypeError):
                raise CourseError(wanted) from None
            if not names or not names <= known:
                raise CourseError(f"{wanted}; the checks are {', '.join(sorted(known))}")
            return names
    raise CourseError(wanted)


def verify(
    course: Course, slugs: list[str], workers: int, sandbox: str, flowers: int = 1
) -> Generator[Verdict, None, None]:
    """Grade every trial of the exercises, each as `flowers` different students, and compare with what it must lose.

    Raises CourseError for an incomplete exercise.
    """
    sheet = course.sheet.networks
    networks = Networks(sheet.target, tuple(sheet.jury), course.fingerprints)
    planned: dict[str, Trial] = {}
    works = []
    for slug in slugs:
        exercise = course.exercise(slug)
        for trial in trials(slug, exercise, course.root(slug)):
            for number in range(flowers):
                label = f"{slug} · {trial.name} · {number}"
                planned[label] = trial
                seed = course.seed(f"verify {number}", slug)
                works.append(_work(label, trial, exercise, networks, seed, sandbox))
    for work, grade in grade_all(works, workers):
        trial = planned[work.label]
        yield Verdict(trial, grade, tuple(_problems(trial, grade)))


def _work(label: str, trial: Trial, exercise: Exercise, networks: Networks, seed: int, sandbox: str) -> Work:
    load = partial(lambda data, name: (data, name), trial.data, trial.file)
    return Work(label, hashlib.sha256(trial.data).hexdigest(), load, exercise, networks, seed, sandbox)


def _problems(trial: Trial, grade: Grade) -> Iterator[str]:
    if grade.status != "graded":
        yield f"ended as {grade.status}: {grade.message}"
    for check in grade.checks:
        if check.fault:
            yield f"{check.name}: the grader failed: {check.fault.strip().splitlines()[-1]}"
        elif _lost(check) and check.name not in trial.loses:
            yield f"{check.name}: lost, should be earned ({_why(check)})"
        elif not _lost(check) and check.name in trial.loses:
            yield f"{check.name}: earned, should be lost ({_why(check)})"
        elif trial.name == "template" and check.points:
            yield f"{check.name}: the untouched template earns {check.points:g}"


def _lost(check: Check) -> bool:
    return check.points < check.max_points and check.status != "needs_manual_grade"


def _why(check: Check) -> str:
    numbers = [f"{m.name} {m.value}" for m in check.measurements]
    return "; ".join(filter(None, [check.status, check.message, *numbers]))
