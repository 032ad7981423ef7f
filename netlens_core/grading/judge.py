"""The judge: runs an exercise's pytest file over a submission's values and turns what it measures into points.

Pytest gives graders their fixtures, which `marking` defines; here they are made, checks run in their order, and every
declared check gets a mark, whatever happens.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import math
import shutil
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import pytest
import torch

from netlens_core.grading.exercise import CheckSpec, Exercise
from netlens_core.grading.grade import Check, CheckStatus, Measurement
from netlens_core.grading.inputs import Given
from netlens_core.grading.marking import Expectations, Figures, Record, SubmissionProxy
from netlens_core.grading.plain_text import plain
from netlens_core.grading.returned import Answering
from netlens_core.grading.scratch import owned_folder, temporary_files
from netlens_core.grading.values import SubmissionError
from netlens_core.languages import translate
from netlens_core.networks import load_network


class _Plugin:
    """Gives graders their fixtures and writes down how each check went."""

    def __init__(
        self, exercise: Exercise, session: Answering, networks: Any, inputs: Mapping[str, Given], seed: int
    ) -> None:
        self.record = Record()
        self.broken = ""  # why the grader could not even be collected
        self._specs = {spec.name: spec for spec in exercise.checks}
        # Fixtures of the whole run, so that those of graders can call a student's function once for several checks;
        # pytest wants such fixtures in a module.
        self.givens = ModuleType("netlens_givens")
        proxy = SubmissionProxy(exercise, session, seed, self.record)
        beside = exercise.sheet.networks_beside(networks.target.name)
        given = {
            "submission": proxy,
            "inputs": inputs,
            "network": networks.target,
            "networks": {name: load_network(known, device="cpu") for name, known in beside.items()},
            "jury": networks.jury,
            "thresholds": exercise.thresholds,
        }
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
            first = earlier.description.rstrip(".")
            pytest.skip(translate("Not looked at: first “{check}” has to earn something.", check=first))

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
        return translate("The grader failed here, not you: a person will look at it, and you lose nothing.")
    return translate("A person reads and marks this answer.")


def _trace(error: BaseException) -> str:
    return plain("".join(traceback.format_exception(error, limit=-6)), 4000)


# What graders have no use for; each would cost every submission its share of a millisecond or two.
_UNUSED_PLUGINS = (
    *("terminal", "cacheprovider", "logging", "warnings", "faulthandler", "unraisableexception", "threadexception"),
    *("doctest", "unittest", "junitxml", "pastebin", "stepwise", "setuponly", "setupplan", "recwarn", "tmpdir"),
    *("legacypath", "subtests", "debugging", "python_path"),
)

# -- running a grader ------------------------------------------------------------------------------------


def judge(
    exercise: Exercise, session: Answering, networks: Any, inputs: Mapping[str, Given], seed: int
) -> tuple[list[Check], Record]:
    """Run the exercise's grader over a session; every declared check comes back, in order.

    Args:
        networks: has `target`, a Network, and `jury`, a Jury.
        inputs: name -> image (3, H, W) in [0, 1], or what else the exercise's sheet says.

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
    options += ["--capture=no", *(part for name in _UNUSED_PLUGINS for part in ("-p", f"no:{name}"))]
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
    with temporary_files():
        folder.mkdir()
        (folder.parent / "pytest.ini").write_text("[pytest]\n")
        for name, data in files:
            (folder / name).write_bytes(data)
    return folder


_LOCKS: list[BinaryIO] = []  # held while this process lives
