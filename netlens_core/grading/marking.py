"""What graders write their marks with: `check` declares, `expect` requires, `figure` shows, `submission` calls.

Graders see these, and `inputs`, `network`, `networks`, `jury` and `thresholds`, as pytest fixtures. A failure of the
submission costs points; a failure of the grader itself never does: its check is marked as needing a person.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torchvision.utils import make_grid

from netlens_core.grading.exercise import Exercise
from netlens_core.grading.grade import Check, FigureNote, Measurement, Sight
from netlens_core.grading.plain_text import plain
from netlens_core.grading.returned import Answering
from netlens_core.grading.sandbox.outcomes import Outcome, Ref
from netlens_core.grading.values import BORDER, SubmissionError, answers_from
from netlens_core.images import encode_png
from netlens_core.languages import translate
from netlens_core.networks import Network

Function = Callable[..., Any]
MOST_FIGURES = 40
GRID_TILE = 48  # pixels, the least side of an image in a grid


class GraderFault(Exception):
    """Something on our side failed; the check needs a person, and no student loses points."""


def check(*, points: float, after: Function | None = None, manual: bool = False) -> Callable[[Function], Function]:
    """Declare a check worth `points`, skipped where the check `after` earned nothing.

    Its score is the smallest credit among its expectations. A `manual` check waits for a person once the student has
    handed something in. The docstring is what the student reads.
    """

    def declare(function: Function) -> Function:
        function.__dict__["netlens_check"] = {
            "points": points,
            "after": after and after.__name__,
            "manual": manual,
        }
        return function

    return declare


class Expectations:
    """The `expect` fixture: records a measurement with its requirement, and carries on."""

    def __init__(self, measurements: list[Measurement]) -> None:
        self._measurements = measurements

    def __call__(
        self,
        name: str,
        value: Any,
        *,
        of: str = "",
        at_least: float | None = None,
        at_most: float | None = None,
        equal_to: float | str | None = None,
        partial_from: float | None = None,
        calibrated: str = "",
    ) -> None:
        """Require a number (or word) `of` something. NaN and infinities fail; credit is linear from `partial_from` on.

        `calibrated` names the threshold that the requirement was taken from by `**thresholds["its name"]`. Raises
        ValueError (a fault of the grader) for no or several requirements, or for a `partial_from` on the wrong side.
        """
        if sum(limit is not None for limit in (at_least, at_most, equal_to)) != 1:
            raise ValueError(f"expect({name!r}) needs exactly one of at_least, at_most and equal_to")
        shown = value if isinstance(value, str) else float(value)
        if equal_to is not None:
            credit = float(shown == equal_to)
        else:
            credit = _credit(shown, at_least, at_most, partial_from, name)
        self._measurements.append(
            Measurement(
                name=_named(name, of),
                value=_shown(shown),
                at_least=at_least,
                at_most=at_most,
                equal_to=equal_to,
                partial_from=partial_from,
                passed=credit == 1,
                credit=round(credit, 6),
                calibrated=calibrated,
            )
        )

    def note(self, name: str, value: float | None, *, of: str = "") -> None:
        """Tell a number for information: nothing is required of it. None is passed over."""
        if value is not None:
            told = _named(name, of)
            self._measurements.append(Measurement(name=told, value=_shown(float(value)), passed=True, credit=1.0))


def _named(name: str, of: str) -> str:
    return f"{translate(of)}: {translate(name)}" if of else translate(name)


def _credit(
    value: float | str, at_least: float | None, at_most: float | None, partial_from: float | None, name: str
) -> float:
    if isinstance(value, str):
        raise ValueError(f"expect({name!r}): a word cannot be at least or at most something")
    # "At most" is "at least" in the mirror.
    if at_least is not None:
        required, reached, start = at_least, value, partial_from
    else:
        assert at_most is not None
        required, reached, start = -at_most, -value, None if partial_from is None else -partial_from
    if start is not None and start >= required:
        raise ValueError(f"expect({name!r}): partial_from stands on the wrong side of the requirement")
    if not math.isfinite(value):
        return 0.0
    if reached >= required:
        return 1.0
    if start is None or reached <= start:
        return 0.0
    return (reached - start) / (required - start)


def _shown(value: float | str) -> float | str:
    """Six significant digits: what is shown and stored; non-finite numbers as words, which JSON can carry."""
    if isinstance(value, str):
        return plain(value, 200)
    if math.isnan(value):
        return translate("not a number")
    return float(f"{value:.6g}") if math.isfinite(value) else translate("infinite")


@dataclass
class Record:
    """What one run of a grader measured; filled by the plugin."""

    checks: dict[str, Check] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    notes: dict[str, FigureNote] = field(default_factory=dict)
    answer: str = ""
    sights: dict[tuple[str, bytes], list[tuple[str, float]]] = field(default_factory=dict)

    def sight(self, network: Network, image: Tensor, data: bytes) -> list[tuple[str, float]]:
        """The three likeliest categories, asked once for each network and picture."""
        key = (network.name, hashlib.sha256(data).digest())
        if key not in self.sights:
            self.sights[key] = [(c, round(p, 6)) for c, p in network.classify(image, k=3)]
        return self.sights[key]


class Figures:
    """The `figure` fixture: keeps a picture for the report, with what networks say of it."""

    def __init__(self, record: Record, names: list[str]) -> None:
        self._record = record
        self._names = names

    def __call__(self, caption: str, image: Tensor, seen_by: Iterable[Network] = ()) -> None:
        """Keep an image under a caption; each network of `seen_by` says what it sees.

        `image` has values in [0, 1]: (3, H, W), a map (H, W), or several images (N, C, H, W), shown as a grid.
        """
        image = _as_picture(image)
        if len(self._record.pictures) >= MOST_FIGURES:
            raise GraderFault(f"more than {MOST_FIGURES} figures")
        caption = translate(caption)
        data = encode_png(image)
        name = f"{hashlib.sha256(data + caption.encode()).hexdigest()[:32]}.png"
        self._names.append(name)
        self._record.pictures[name] = data
        sights = [Sight(network=n.name, categories=self._record.sight(n, image, data)) for n in seen_by]
        self._record.notes[name] = FigureNote(caption=caption, seen_by=sights)


def _as_picture(image: Tensor) -> Tensor:
    """One image (3, H, W); grids of small images are enlarged, pixel by pixel."""
    if image.dim() == 4:
        small = max(1, GRID_TILE // image.shape[-1])
        tiles = image.repeat_interleave(small, dim=2).repeat_interleave(small, dim=3)
        image = make_grid(tiles, nrow=math.ceil(math.sqrt(len(tiles))), padding=2, pad_value=1.0)
    if image.dim() == 2:
        image = image.expand(3, *image.shape)
    return image


class SubmissionProxy:
    """The `submission` fixture: the student's functions, by name, as the exercise declares them.

    `submission.craft(network, flower)` runs in the sandbox; what comes back is checked and, for images, rounded to
    8 bits. Raises SubmissionError for whatever the submission does wrong.
    """

    def __init__(self, exercise: Exercise, session: Answering, seed: int, record: Record) -> None:
        self._sheet = exercise.sheet
        self._session = session
        self._seed = seed
        self._record = record

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self._sheet.functions:
            raise AttributeError(f"exercise.yaml declares no function {name!r}")
        return lambda *arguments, **options: self._call(name, arguments, options)

    def _call(self, name: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        declared = self._sheet.functions[name].arguments
        unknown = [option for option in options if option not in declared]
        if unknown or len(arguments) + len(options) > len(declared):
            raise TypeError(f"exercise.yaml declares {name}({', '.join(declared)})")
        outcome = self._session.call(
            name,
            [_carried(a) for a in arguments],
            {k: _carried(v) for k, v in options.items()},
            seed=self._seed,
        )
        return BORDER[self._sheet.functions[name].returns](_claim(outcome), f"`{name}`")

    def answer(self, name: str) -> str:
        """A written answer, never blank. Raises SubmissionError where it is missing."""
        answers = answers_from(_claim(self._session.variable("answers")))
        text = str(answers.get(name, "")).strip()
        if not text:
            raise SubmissionError(translate('answers["{name}"] is empty: write your answer there', name=name))
        self._record.answer = text
        return text


def _carried(argument: Any) -> Any:
    if isinstance(argument, Network):
        return Ref("network", argument.name)
    return argument.detach().cpu().numpy() if isinstance(argument, Tensor) else argument


def _claim(outcome: Outcome) -> Any:
    if outcome.status == "fault":
        raise GraderFault(f"the sandbox failed: {outcome.message}")
    if outcome.status != "ok":
        raise SubmissionError(outcome.message)
    return outcome.value
