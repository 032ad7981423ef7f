"""The judge: runs an exercise's pytest file over a submission's values and turns what it measures into points.

Graders see pytest fixtures only: `submission` (calls the student's functions in the sandbox), `inputs`, `network`,
`jury`, `expect` (a measurement with its requirement) and `figure`. A failure of the submission costs points; a failure
of the grader itself never does: its check is marked as needing a person.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import math
import shutil
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import pytest
import torch
from torch import Tensor

from netlens_core.grading.exercise import CheckSpec, Exercise
from netlens_core.grading.grade import Check, CheckStatus, FigureNote, Measurement, Sight
from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox import Outcome, Ref, Session
from netlens_core.grading.scratch import owned_folder
from netlens_core.grading.values import BORDER, SubmissionError, answers_from
from netlens_core.images import encode_png
from netlens_core.networks import Network

Function = Callable[..., Any]
MOST_FIGURES = 40


class GraderFault(Exception):
    """Something on our side failed; the check needs a person, and no student loses points."""


# -- what graders write ----------------------------------------------------------------------------------


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
        at_least: float | None = None,
        at_most: float | None = None,
        equal_to: float | str | None = None,
        partial_from: float | None = None,
    ) -> None:
        """Require a number (or word). NaN and infinities fail; credit is linear from `partial_from` on.

        Raises ValueError (a fault of the grader) for no or several requirements, or for a `partial_from` on the
        wrong side of the requirement.
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
                name=name,
                value=_shown(shown),
                at_least=at_least,
                at_most=at_most,
                equal_to=equal_to,
                partial_from=partial_from,
                passed=credit == 1,
                credit=round(credit, 6),
            )
        )

    def note(self, name: str, value: float | None) -> None:
        """Tell a number for information: nothing is required of it. None is passed over."""
        if value is not None:
            self._measurements.append(Measurement(name=name, value=_shown(float(value)), passed=True, credit=1.0))


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
        return "not a number"
    return float(f"{value:.6g}") if math.isfinite(value) else "infinite"


class Figures:
    """The `figure` fixture: keeps a picture for the report, with what networks say of it."""

    def __init__(self, record: Record, names: list[str]) -> None:
        self._record = record
        self._names = names

    def __call__(self, caption: str, image: Tensor, seen_by: Iterable[Network] = ()) -> None:
        """Keep an image (3, H, W) in [0, 1] under a caption; each network of `seen_by` says what it sees."""
        if len(self._record.pictures) >= MOST_FIGURES:
            raise GraderFault(f"more than {MOST_FIGURES} figures")
        data = encode_png(image)
        name = f"{hashlib.sha256(data + caption.encode()).hexdigest()[:32]}.png"
        self._names.append(name)
        self._record.pictures[name] = data
        sights = [Sight(network=n.name, categories=self._record.sight(n, image, data)) for n in seen_by]
        self._record.notes[name] = FigureNote(caption=caption, seen_by=sights)


class SubmissionProxy:
    """The `submission` fixture: the student's functions, by name, as the exercise declares them.

    `submission.craft(network, flower)` runs in the sandbox; what comes back is checked and, for images, rounded to
    8 bits. Raises SubmissionError for whatever the submission does wrong.
    """

    def __init__(self, exercise: Exercise, session: Session, seed: int, record: Record) -> None:
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
            raise SubmissionError(f'answers["{name}"] is empty: write your answer there')
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


# -- what a run leaves behind ----------------------------------------------------------------------------


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


class _Plugin:
    """Gives graders their fixtures and writes down how each check went."""

    def __init__(
        self, exercise: Exercise, session: Session, networks: Any, inputs: Mapping[str, Tensor], seed: int
    ) -> None:
        self.record = Record()
        self.broken = ""  # why the grader could not even be collected
        self._specs = {spec.name: spec for spec in exercise.checks}
        # Fixtures of the whole run, so that those of graders can call a student's function once for several checks;
        # pytest wants such fixtures in a module.
        self.givens = ModuleType("netlens_givens")
        proxy = SubmissionProxy(exercise, session, seed, self.record)
        given = {"submission": proxy, "inputs": inputs, "network": networks.target, "jury": networks.jury}
        for name, value in given.items():
            fixture = pytest.fixture(scope="session", name=name)(lambda value=value: value)
            setattr(self.givens, name, fixture)
        self._measurements: list[Measurement] = []
        self._figures: list[str] = []

    @pytest.fixture
    def expect(self) -> Expectations:
        return Expectations(self._measurements)

    @pytest.fixture
    def figure(self) -> Figures:
        return Figures(self.record, self._figures)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken += str(report.longrepr)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._measurements, self._figures, self.record.answer = [], [], ""
        torch.manual_seed(0)
        return (yield)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        needed = getattr(getattr(item, "function", None), "netlens_check", {}).get("after")
        earlier = self.record.checks.get(needed or "")
        if earlier is not None and earlier.points == 0 and earlier.status in ("failed", "skipped"):
            pytest.skip(f"Not looked at: first “{earlier.description.rstrip('.')}” has to earn something.")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        report = yield
        spec = self._specs.get(getattr(item, "originalname", item.name))
        if spec is not None and (call.excinfo is not None or call.when == "call"):
            error = call.excinfo.value if call.excinfo else None
            self.record.checks[spec.name] = self._marked(spec, error, call.when)
        return report

    def _marked(self, spec: CheckSpec, error: BaseException | None, when: str) -> Check:
        message = fault = ""
        status: CheckStatus
        required = [m for m in self._measurements if m.required]
        credit = min((m.credit for m in required), default=0.0)
        if isinstance(error, pytest.skip.Exception) and when == "setup":
            status, credit, message = "skipped", 0.0, str(error)
        elif isinstance(error, SubmissionError):
            status, credit, message = "failed", 0.0, str(error)
        elif error is not None:
            status, credit, fault = "needs_manual_grade", 0.0, _trace(error)
        elif spec.manual:
            status, credit = ("needs_manual_grade", 0.0) if credit or not required else ("failed", 0.0)
        elif not required:
            status, fault = (
                "needs_manual_grade",
                "the check measured nothing: it needs at least one expect(...)",
            )
        else:
            status = "passed" if credit == 1 else "partial" if credit else "failed"
        return _check(
            spec,
            status,
            points=math.floor(spec.points * credit * 100 + 1e-9) / 100,
            message=message or _waiting(status, fault),
            fault=fault,
            answer=self.record.answer,
            measurements=self._measurements,
            figures=list(dict.fromkeys(self._figures)),
        )


def _check(spec: CheckSpec, status: CheckStatus, **details: Any) -> Check:
    details.setdefault("points", 0.0)
    return Check(name=spec.name, description=spec.description, max_points=spec.points, status=status, **details)


def _waiting(status: CheckStatus, fault: str) -> str:
    if status != "needs_manual_grade":
        return ""
    if fault:
        return "The grader failed here, not you: a person will look at it, and you lose nothing."
    return "A person reads and marks this answer."


def _trace(error: BaseException) -> str:
    return plain("".join(traceback.format_exception(error, limit=-6)), 4000)


# -- running a grader ------------------------------------------------------------------------------------


def judge(
    exercise: Exercise, session: Session, networks: Any, inputs: Mapping[str, Tensor], seed: int
) -> tuple[list[Check], Record]:
    """Run the exercise's grader over a session; every declared check comes back, in order.

    Args:
        networks: has `target`, a Network, and `jury`, a Jury.
        inputs: name -> image (3, H, W) in [0, 1].

    A grader that cannot be imported, or leaves checks out, gives checks that need a person.
    """
    plugin = _Plugin(exercise, session, networks, inputs, seed)
    folder = _grader_folder(tuple(sorted(exercise.grader.items())))
    options = [
        "--rootdir",
        str(folder.parent),
        "-c",
        str(folder.parent / "pytest.ini"),
        "--import-mode=importlib",
    ]
    options += ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:logging", "-p", "no:warnings"]
    options += ["-p", "no:faulthandler", "-p", "no:unraisableexception", "-p", "no:threadexception"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), _own_environment():
        try:
            code = pytest.main([*options, str(folder / f"test_{exercise.slug}.py")], plugins=[plugin, plugin.givens])
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    reason = plugin.broken or f"pytest ended with {code!s} before this check: {said.getvalue()}"
    record = plugin.record
    for spec in exercise.checks:
        fault = plain(reason, 4000)
        missing = _check(spec, "needs_manual_grade", message=_waiting("needs_manual_grade", fault), fault=fault)
        record.checks.setdefault(spec.name, missing)
    return [record.checks[spec.name] for spec in exercise.checks], record


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Pytest as netlens wants it, whatever plugins and options the user's own environment holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_CURRENT_TEST"):
            patch.delenv(name, raising=False)
        yield


@lru_cache(maxsize=32)
def _grader_folder(files: tuple[tuple[str, bytes], ...]) -> Path:
    """The grader as files, once a process; named by its content, so that no other version is ever imported."""
    digest = hashlib.sha256(b"".join(name.encode() + data for name, data in files)).hexdigest()[:16]
    home, lock = owned_folder("netlens-grader-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    _LOCKS.append(lock)
    folder = home / f"grader_{digest}"
    folder.mkdir()
    (folder.parent / "pytest.ini").write_text("[pytest]\n")
    for name, data in files:
        (folder / name).write_bytes(data)
    return folder


_LOCKS: list[BinaryIO] = []  # held while this process lives
