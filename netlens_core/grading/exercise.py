"""An exercise as a plain value: what the student writes, what the grader measures, and with which inputs.

An `Exercise` holds everything that a worker needs to grade a submission, grader files included as bytes. It can be
pickled, hashed and sent to another machine; nobody who has one needs the course folder.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netlens_core.grading.sheets import AnswerSpec, CourseError, ExerciseSheet, read_bytes, read_yaml
from netlens_core.grading.source_code import digest_of, read_source
from netlens_core.grading.suggestions import did_you_mean
from netlens_core.languages import ENGLISH, Catalog, own_catalog, speaking, translate

_POINTS = re.compile(rb'"points": *[0-9.]+,?')  # in a template's cells: the grader says what a check is worth


@dataclass(frozen=True)
class CheckSpec:
    """A check as its grader declares it: read from the source, without running it."""

    name: str
    description: str
    points: float
    manual: bool


@dataclass(frozen=True)
class Exercise:
    """One unit of work, ready to grade.

    Attributes:
        slug: its one-word name.
        sheet: title, functions, inputs and limits.
        checks: what is graded, in the order of the marking scheme.
        grader: file name -> source of the pytest file and its conftest.
        materials: input name -> its bytes, for inputs that do not depend on the student: PNG, or text for a category.
        recipes: input name -> a digest of all that its bytes in `materials` are made from.
        thresholds: name -> arguments for `expect`, as calibrated for the course's target network.
        template: the code of the template that students start from (a percent file), for the course's target network.
        catalog: what netlens and the exercise say, in the course's language.
    """

    slug: str
    sheet: ExerciseSheet
    checks: tuple[CheckSpec, ...]
    grader: Mapping[str, bytes] = field(repr=False)
    materials: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    recipes: Mapping[str, str] = field(default_factory=dict, repr=False)
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    catalog: Catalog = ENGLISH
    template: bytes = field(default=b"", repr=False)

    @property
    def language(self) -> str:
        """The language in which it is graded."""
        return self.catalog.language

    @property
    def max_points(self) -> float:
        """What a flawless submission earns."""
        return sum(check.points for check in self.checks)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names that graders ask a notebook for."""
        return (*self.sheet.functions, *(("answers",) if self.sheet.answers else ()))

    def answer_of(self, check: str) -> AnswerSpec:
        """Question and rubric of the written answer that a check is about; an empty one where none is declared."""
        found = (spec for name, spec in self.sheet.answers.items() if check == (spec.check or f"test_{name}"))
        return next(found, AnswerSpec())

    @property
    def parts(self) -> dict[str, str]:
        """Digests of all of it that determines a grade, by names that course staff know.

        Inputs count by their recipes, so that nothing has to be drawn or forged to tell whether a grade is known.
        """
        sheet = self.sheet.model_dump(mode="json")
        # Without the answers' rubrics: people mark by them, and a better rubric is no reason to grade again.
        del sheet["answers"]
        inputs, limits = sheet.pop("inputs"), sheet.pop("limits")
        made = {name: digest_of(data) for name, data in self.materials.items() if name not in self.recipes}
        return {
            **{f"graders/{name}": read_source(source).digest for name, source in sorted(self.grader.items())},
            "exercise.yaml": _digest([sheet, bool(self.sheet.answers)]),
            "inputs": _digest([inputs, dict(self.recipes), made]),
            "limits": _digest(limits),
            "thresholds": _digest({name: dict(values) for name, values in self.thresholds.items()}),
            "template": digest_of(_POINTS.sub(b"", self.template)),
        }

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of all that determines a grade: sheet, limits, grader, inputs' recipes, language, template."""
        said = own_catalog(self.language).messages  # by netlens itself, which is no part of the exercise
        own = {text: told for text, told in self.catalog.messages.items() if said.get(text) != told}
        whole = [self.slug, self.parts, self.language, own]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _digest(content: Any) -> str:
    return digest_of(json.dumps(content, sort_keys=True).encode())


@dataclass(frozen=True)
class Networks:
    """Which networks judge: names, and the fingerprints that their weights must have.

    Attributes:
        target: the network that the exercise is about.
        jury: networks that stand in for human eyes.
        fingerprints: name -> SHA-256 (hex) of the weights, for target and jury.
    """

    target: str
    jury: tuple[str, ...]
    fingerprints: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Target first, then the jury."""
        return (self.target, *self.jury)


def read_exercise(slug: str, assignments: Path, graders: Path) -> Exercise:
    """The exercise `slug` from a course's folders, its inputs not yet drawn.

    Raises CourseError naming the file that is missing or wrong.
    """
    path = assignments / slug / "exercise.yaml"
    sheet = read_yaml(path, ExerciseSheet)
    grader_path = graders / f"test_{slug}.py"
    if not grader_path.exists():
        known = [path.stem.removeprefix("test_") for path in graders.glob("test_*.py")]
        raise CourseError(
            f"{grader_path} is missing: it is the grader of the exercise in {path.parent}{did_you_mean(slug, known)}"
        )
    files = {name: read_bytes(graders / name) for name in ("conftest.py", grader_path.name)}
    checks = _declared_checks(files[grader_path.name], grader_path)
    _refuse_wrong_rubrics(sheet, checks, path)
    return Exercise(slug, sheet, checks, files)


def _refuse_wrong_rubrics(sheet: ExerciseSheet, checks: tuple[CheckSpec, ...], path: Path) -> None:
    manual = {check.name: check.points for check in checks if check.manual}
    for name, answer in sheet.answers.items():
        check = answer.check or f"test_{name}"
        if check not in manual and (answer.check or answer.rubric):
            known = ", ".join(manual) or "none"
            raise CourseError(f"{path}, answers.{name}: {check!r} is no check that a person marks; those are {known}")
        together = sum(item.points for item in answer.rubric)
        if answer.rubric and not math.isclose(together, manual[check]):
            raise CourseError(
                f"{path}, answers.{name}: the rubric gives {together:g} points in all, {check} {manual[check]:g}"
            )


def asks_for(exercise: Exercise, fixture: str) -> bool:
    """Whether a check uses a pytest fixture such as `jury`, itself or through a fixture of the grader's own."""
    arguments: dict[str, set[str]] = {}
    for source in exercise.grader.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments.setdefault(node.name, set()).update(argument.arg for argument in node.args.args)
    waiting, reached = [check.name for check in exercise.checks], set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += arguments.get(name, ())
    return fixture in reached


def in_language(exercise: Exercise, catalog: Catalog) -> Exercise:
    """The exercise with title, checks, questions and rubrics in the language of a catalog, that of its grades."""
    with speaking(catalog):
        answers = {name: _translated(answer) for name, answer in exercise.sheet.answers.items()}
        title = translate(exercise.sheet.title)
        sheet = exercise.sheet.model_copy(update={"title": title, "answers": answers})
        checks = tuple(replace(check, description=translate(check.description)) for check in exercise.checks)
    return replace(exercise, sheet=sheet, checks=checks, catalog=catalog)


def _translated(answer: AnswerSpec) -> AnswerSpec:
    rubric = [item.model_copy(update={"text": translate(item.text)}) for item in answer.rubric]
    question = translate(answer.question) if answer.question else ""
    return answer.model_copy(update={"question": question, "rubric": rubric})


def _declared_checks(source: bytes, path: Path) -> tuple[CheckSpec, ...]:
    try:
        tree = ast.parse(source, str(path))
    except SyntaxError as error:
        raise CourseError(f"{path}, line {error.lineno}: {error.msg}") from None
    checks = [
        _declared_check(node, decorator, path)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "check"
    ]
    names = [check.name for check in checks]
    if not checks or len(set(names)) < len(names):
        raise CourseError(f"{path}: a grader has at least one @check, and no two of the same name")
    return tuple(checks)


def _declared_check(node: ast.FunctionDef, decorator: ast.Call, path: Path) -> CheckSpec:
    where = f"{path}, line {node.lineno}: {node.name}"
    keywords = {}
    for keyword in decorator.keywords:
        if keyword.arg in ("points", "manual"):
            try:
                keywords[keyword.arg] = ast.literal_eval(keyword.value)
            except ValueError:
                raise CourseError(f"{where}: write {keyword.arg} as a plain number or True") from None
    points, description = keywords.get("points"), ast.get_docstring(node)
    if not node.name.startswith("test_"):
        raise CourseError(f"{where}: a check's name starts with test_")
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points < 1e6:
        raise CourseError(f"{where}: @check(points=...) needs a number of points above 0")
    if not description:
        raise CourseError(f"{where}: the docstring is missing; it is what the student reads")
    return CheckSpec(node.name, " ".join(description.split()), float(points), bool(keywords.get("manual", False)))
