"""What stands in `course.yaml` and in an exercise's `exercise.yaml`, as values; needs neither grader nor networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from netlens_core import NetlensError
from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.yaml_reading import YamlError, problems_of, read_document
from netlens_core.languages import ENGLISH, known_language

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

    @property
    def texts(self) -> list[str]:
        """What a person reads of it, to be translated."""
        return [text for text in (self.question, *(item.text for item in self.rubric)) if text]


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


class NetworkNames(_Sheet):
    """The networks of a course. A `jury` is only needed where a grader asks for one."""

    target: str
    jury: list[str] = Field(default_factory=list, min_length=1)


class CourseSheet(_Sheet):
    """What stands in `course.yaml`."""

    title: str = Field(min_length=1, max_length=200)
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_\-]{1,60}$")  # in nbgrader's gradebook and exchange
    language: str = ENGLISH.language
    seed: int = Field(ge=0, lt=1 << 63)
    networks: NetworkNames
    exercises: list[str] = Field(min_length=1)
    keep_returned: bool = True  # what students' functions returned, so that a changed grader only judges again

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        return known_language(value)

    @field_validator("exercises")
    @classmethod
    def _slugs(cls, value: list[str]) -> list[str]:
        for slug in value:
            if not slug.isidentifier():
                raise ValueError(f"{slug!r} is not a slug: one word of letters, digits and underscores")
        if len(set(value)) < len(value):
            raise ValueError("an exercise is listed twice")
        return value


def own_specs(sheet: ExerciseSheet) -> dict[str, dict[str, Any]]:
    """What `own_inputs.own_images` has to know of an exercise's pictures that depend on the student."""
    return {
        name: spec.model_dump(include={"draw", "size", "color", "manner", "file"}, exclude_none=True)
        for name, spec in sheet.inputs.items()
        if spec.whose == "student" and spec.file
    }


# -- from files -----------------------------------------------------------------------------------------


def read_yaml(path: Path, model: type[Model]) -> Model:
    """A YAML file checked against a pydantic model. Raises CourseError that names file, place and problem."""
    return checked_yaml(read_bytes(path), str(path), model)


def checked_yaml(data: bytes, name: str, model: type[Model]) -> Model:
    """As `read_yaml`, from a file's bytes."""
    if len(data) > MAX_SHEET:
        raise CourseError(f"{name} has {len(data):,} bytes, more than {MAX_SHEET:,}")
    try:
        document = read_document(data)
    except YamlError as error:
        raise CourseError(plain(f"{name} is not valid YAML: {error}")) from None
    try:
        return model.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        problems = "; ".join(problems_of(error, model, document))
        raise CourseError(plain(f"{name}{' is empty' if document.node is None else ''}: {problems}")) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nested without end
        raise CourseError(plain(f"{name}: {' '.join(str(error).split()) or type(error).__name__}")) from None


def read_bytes(path: Path) -> bytes:
    """A file of the course. Raises CourseError where it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"{path} is missing") from None
    except IsADirectoryError:
        raise CourseError(f"{path} is a folder, and should be a file") from None
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
