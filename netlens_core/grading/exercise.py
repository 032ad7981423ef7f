"""An exercise as a plain value: what the student writes, what the grader measures, and with which inputs.

An `Exercise` holds everything that a worker needs to grade a submission, grader files included as bytes. It can be
pickled, hashed and sent to another machine; nobody who has one needs the course folder.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from netlens_core import NetlensError
from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.languages import ENGLISH, Catalog, speaking, translate

PAINTINGS = ("swirls", "points", "hatching", "grid", "waves", "glass")  # of netlens_core.paintings, which needs torch

Model = TypeVar("Model", bound=BaseModel)

MAX_SHEET = 1 << 18  # bytes of an exercise.yaml or course.yaml

Argument = Literal["image", "images", "activations", "network", "integer", "text"]
Returned = Literal["image", "images", "activations", "montage", "map", "ranking", "table", "history"]


class CourseError(NetlensError, ValueError):
    """Something in the course's own files is wrong; the message names the file and what to do."""


class _Sheet(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FunctionSpec(_Sheet):
    """A function that the student writes: the kinds of its arguments, in order, and of what it returns."""

    arguments: dict[str, Argument]
    returns: Returned


# What may be said of an input beside `whose`, and of which kind.
_BELONGS_TO = {
    "color": ("daisy",),
    "category": ("noise",),
    "manner": ("painting",),
    "among": ("category",),
    "classes": ("digits",),
    "size": ("daisy", "noise", "painting", "clock"),
    "file": ("daisy", "noise", "painting", "clock"),
}
_NEEDED = {"noise": "category", "painting": "manner", "category": "among"}


class InputSpec(_Sheet):
    """Something that the grader or the student gets; what is drawn, and from whose seed.

    `draw: daisy` draws the procedural flower (of a `color`, or either), `draw: noise` forges noise that the target
    network takes for `category`, `draw: painting` paints in a `manner`, `draw: clock` draws a clock on a wall: images
    (3, size, size). `draw: digits` takes handwritten digits of some `classes` (all ten by default) in random order: a
    `digits.Digits`. `draw: category` chooses one name `among` several.

    `whose: student` depends on the student, `course` is the same for everybody and released, `hidden` is derived
    from the course's secret and never released. `file` names the released picture.
    """

    draw: Literal["daisy", "noise", "painting", "clock", "digits", "category"]
    whose: Literal["student", "course", "hidden"]
    category: str | None = None
    color: Literal["white", "yellow"] | None = None
    manner: str | None = None
    among: list[str] | None = Field(default=None, min_length=1)
    classes: int | None = Field(default=None, ge=1, le=10)
    size: int = Field(default=224, ge=32, le=1024)
    file: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_\-]+\.png$")

    @model_validator(mode="after")
    def _fits_together(self) -> InputSpec:
        needed = _NEEDED.get(self.draw)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"`{needed}` belongs to `draw: {self.draw}`, and is needed there")
        for name, kinds in _BELONGS_TO.items():
            if name in self.model_fields_set and getattr(self, name) is not None and self.draw not in kinds:
                raise ValueError(f"`{name}` belongs to `draw: {'`, `draw: '.join(kinds)}`")
        if self.draw == "painting" and self.manner not in PAINTINGS:
            raise ValueError(f"no painting is called {self.manner!r}; there are {', '.join(PAINTINGS)}")
        if self.draw == "noise" and self.whose == "student":
            raise ValueError("noise takes long to forge: it is `whose: course` or `whose: hidden`")
        if self.draw == "clock" and self.whose == "student":
            raise ValueError("a clock is the same for everybody, or hidden: it is `whose: course` or `whose: hidden`")
        if self.whose == "hidden" and self.file:
            raise ValueError("a hidden input is never released: it has no `file`")
        return self


class RubricItem(_Sheet):
    """What a written answer earns points for."""

    points: float = Field(gt=0, lt=1e6)
    text: str = Field(min_length=1, max_length=2000)


class AnswerSpec(_Sheet):
    """A written answer: what is asked, and how whoever marks it gives points.

    `check` is the grader's check that it belongs to: `test_` and the answer's name where none is named.
    """

    question: str = Field(default="", max_length=4000)
    rubric: list[RubricItem] = Field(default_factory=list)
    check: str = ""


class ExerciseSheet(_Sheet):
    """What stands in `exercise.yaml`. `answers` may be a list of names only, without questions and rubrics.

    `networks` are those that graders and submissions meet beside the target: a name of the exercise's own -> a name
    for `load_network`, such as `untrained:resnet18`. `target` in it stands for the course's target network:
    `untrained:target` is its architecture with random weights.
    """

    title: str = Field(min_length=1, max_length=200)
    functions: dict[str, FunctionSpec]
    answers: dict[str, AnswerSpec] = Field(default_factory=dict)
    inputs: dict[str, InputSpec] = Field(default_factory=dict)
    networks: dict[str, str] = Field(default_factory=dict)
    limits: Limits = Field(default_factory=Limits)

    @field_validator("answers", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return {name: {} for name in value}
        return (
            {name: {} if spec is None else spec for name, spec in value.items()} if isinstance(value, dict) else value
        )

    @field_validator("functions", "inputs", "networks")
    @classmethod
    def _identifiers(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not name.isidentifier() or name.startswith("_"):
                raise ValueError(f"{name!r} is not a name that Python code can use")
        return value

    def networks_beside(self, target: str) -> dict[str, str]:
        """The exercise's own networks by their names for `load_network`, for one target network."""
        return {
            name: ":".join(target if part == "target" else part for part in known.split(":"))
            for name, known in self.networks.items()
        }


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
        thresholds: name -> arguments for `expect`, as calibrated for the course's target network.
        catalog: what netlens and the exercise say, in the course's language.
    """

    slug: str
    sheet: ExerciseSheet
    checks: tuple[CheckSpec, ...]
    grader: Mapping[str, bytes] = field(repr=False)
    materials: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    catalog: Catalog = ENGLISH

    @property
    def language(self) -> str:
        """The language in which it is graded."""
        return self.catalog.language

    @property
    def max_points(self) -> float:
        """What a flawless submission earns."""
        return sum(check.points for check in self.checks)

    def answer_of(self, check: str) -> AnswerSpec:
        """Question and rubric of the written answer that a check is about; an empty one where none is declared."""
        found = (spec for name, spec in self.sheet.answers.items() if check == (spec.check or f"test_{name}"))
        return next(found, AnswerSpec())

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of everything that determines a grade: sheet, limits, grader, inputs and translations."""
        digest = hashlib.sha256(self.slug.encode())
        # Without the answers' rubrics: people mark by them, and a better rubric is no reason to grade again.
        digest.update(json.dumps(self.sheet.model_dump(mode="json", exclude={"answers"}), sort_keys=True).encode())
        digest.update(json.dumps({k: dict(v) for k, v in self.thresholds.items()}, sort_keys=True).encode())
        digest.update(self.catalog.as_bytes())
        for name, data in sorted({**self.grader, **{f"input {k}": v for k, v in self.materials.items()}}.items()):
            digest.update(f"\n{name} {len(data)}\n".encode() + data)
        return digest.hexdigest()


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
    files = {name: _read(graders / name) for name in ("conftest.py", grader_path.name)}
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


def in_language(exercise: Exercise, catalog: Catalog) -> Exercise:
    """The exercise with title and checks in the language of a catalog, which its grades will be made in."""
    with speaking(catalog):
        sheet = exercise.sheet.model_copy(update={"title": translate(exercise.sheet.title)})
        checks = tuple(replace(check, description=translate(check.description)) for check in exercise.checks)
    return replace(exercise, sheet=sheet, checks=checks, catalog=catalog)


def catalog_path(assignments: Path, slug: str, language: str) -> Path:
    """Where an exercise's own translations stand."""
    return assignments / slug / f"{language}.po"


def read_yaml(path: Path, model: type[Model]) -> Model:
    """A YAML file checked against a pydantic model. Raises CourseError that names file, place and problem."""
    return checked_yaml(_read(path), str(path), model)


def checked_yaml(data: bytes, name: str, model: type[Model]) -> Model:
    """As `read_yaml`, from a file's bytes."""
    if len(data) > MAX_SHEET:
        raise CourseError(f"{name} has {len(data):,} bytes, more than {MAX_SHEET:,}")
    try:
        content = yaml.safe_load(data.decode())
    except Exception as error:  # PyYAML lets AttributeError, KeyError, IndexError and others through for odd tags
        raise CourseError(f"{name} is not valid YAML: {_in_words(error)}") from None
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}" for problem in error.errors()[:8]
        ]
        raise CourseError(plain(f"{name}: {'; '.join(problems)}")) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nested without end
        raise CourseError(f"{name}: {_in_words(error)}") from None


def _in_words(error: Exception) -> str:
    return plain(" ".join(str(error).split()) or type(error).__name__)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"{path} is missing") from None
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None


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
