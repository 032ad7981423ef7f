"""A grader's surroundings without a sandbox: a session that answers what a test tells it to."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from netlens_core.grading.exercise import CheckSpec, Exercise, ExerciseSheet
from netlens_core.grading.judge import judge
from netlens_core.grading.sandbox.outcomes import Outcome

SHEET = {
    "title": "A test",
    "functions": {
        "paint": {"arguments": {"network": "network", "image": "image"}, "returns": "image"},
        "rank": {"arguments": {"image": "image", "k": "integer"}, "returns": "ranking"},
    },
}


@dataclass
class FakeSession:
    """Answers calls from a table of name -> value, Outcome or exception."""

    values: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, list[Any], dict[str, Any]]] = field(default_factory=list)
    status: str = "ok"
    message: str = ""
    cells: tuple[Any, ...] = ()

    def call(self, function: str, arguments: list[Any], options: dict[str, Any], seed: int = 0) -> Outcome:
        self.calls.append((function, arguments, options))
        return self._answer(function)

    def variable(self, name: str) -> Outcome:
        return self._answer(name)

    def _answer(self, name: str) -> Outcome:
        value = self.values.get(name)
        if isinstance(value, Outcome):
            return value
        if name not in self.values:
            return Outcome(status="missing", message=f"`{name}` is not defined")
        return Outcome(status="ok", value=value)


@pytest.fixture
def judged():
    """Run a grader's source over values: `checks, record, session = judged(source, {"paint": array})`."""

    def run(source: str, values: dict[str, Any], conftest: str = ""):
        from netlens_core.grading.exercise import _declared_checks

        header = "import pytest, torch\nfrom netlens_core.grading.marking import check\n"
        body = (header + source).encode()
        try:
            from pathlib import Path

            specs = _declared_checks(body, Path("test_demo.py"))
        except ValueError:
            specs = (CheckSpec("test_it", "It works.", 4.0, False),)
        grader = {"conftest.py": conftest.encode(), "test_demo.py": body}
        exercise = Exercise("demo", ExerciseSheet.model_validate(SHEET), specs, grader)
        session = FakeSession(values)
        networks = SimpleNamespace(target=SimpleNamespace(name="nobody"), jury=None)
        checks, record = judge(exercise, session, networks, {"image": torch.full((3, 8, 8), 0.5)}, seed=3)
        return {c.name: c for c in checks}, record, session

    return run
