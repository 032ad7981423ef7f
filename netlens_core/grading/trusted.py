"""A session without a sandbox, for code that the course itself wrote: reference and wrong solutions, other tools.

Runs in this process, so never give it anything that a student handed in.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from netlens_core.grading.exercise import Exercise
from netlens_core.grading.grade import Check
from netlens_core.grading.inputs import all_inputs, released_files
from netlens_core.grading.intake import read_submission
from netlens_core.grading.judge import judge
from netlens_core.grading.marking import Record
from netlens_core.grading.restoring import as_released
from netlens_core.grading.sandbox.inside.student import reseed
from netlens_core.grading.sandbox.inside.values import Unsendable, plain_value
from netlens_core.grading.sandbox.outcomes import Outcome, Ref
from netlens_core.languages import speaking, translate
from netlens_core.measures.jury import Jury
from netlens_core.networks import Network, load_network


@dataclass(frozen=True)
class Judges:
    """The networks that judge: `target`, and a `jury` in place of human eyes."""

    target: Network
    jury: Jury

    @classmethod
    def load(cls, target: str, jury: Sequence[str]) -> Judges:
        """By their names, on the processor. Raises as `load_network`."""
        return cls(load_network(target, "cpu"), Jury([load_network(name, "cpu") for name in jury]))


@dataclass
class TrustedSession:
    """Answers the judge's calls from plain functions and variables, as `sandbox.Session` does from a notebook."""

    names: Mapping[str, Any]
    status: str = "ok"
    message: str = ""
    cells: tuple[Any, ...] = field(default_factory=tuple)

    def call(
        self, function: str, arguments: Sequence[Any], options: Mapping[str, Any] | None = None, *, seed: int = 0
    ) -> Outcome:
        """Call a function; what it raises becomes an outcome."""
        found = self.names.get(function)
        if not callable(found):
            return _missing(function)
        threads = torch.get_num_threads()
        reseed(seed)
        try:
            given = {name: _received(value) for name, value in (options or {}).items()}
            return Outcome("ok", plain_value(found(*map(_received, arguments), **given)))
        except Unsendable as error:
            told = translate("{what} returned {problem}.", what=f"`{function}`", problem=error)
            return Outcome("bad_reply", message=told)
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
            return Outcome("error", message=translate("{what} raised {error}", what=f"`{function}`", error=raised))
        finally:
            torch.set_num_threads(threads)

    def variable(self, name: str) -> Outcome:
        """A variable's value."""
        return Outcome("ok", self.names[name]) if name in self.names else _missing(name)


def _missing(name: str) -> Outcome:
    told = translate("{what} is missing: define it at the top level of the notebook.", what=f"`{name}`")
    return Outcome("missing", message=told)


def _received(value: Any) -> Any:
    if isinstance(value, Ref):
        return load_network(value.name, device="cpu")
    return torch.from_numpy(value.copy()) if hasattr(value, "__array__") else value


def judged(
    exercise: Exercise, names: Mapping[str, Callable[..., Any] | Any], judges: Judges, seed: int
) -> tuple[dict[str, Check], Record]:
    """Mark functions (and `answers`) by an exercise's grader: check name -> check, and what the grader recorded."""
    with speaking(exercise.catalog):
        checks, record = judge(exercise, TrustedSession(names), judges, all_inputs(exercise, seed), seed)
    return {check.name: check for check in checks}, record


@contextlib.contextmanager
def ran(data: bytes, name: str, exercise: Exercise, seed: int) -> Iterator[dict[str, Any]]:
    """The names that a notebook or Python file of the course defines, run beside a student's files.

    As in the sandbox, a cell that raises costs only itself. Figures are drawn nowhere.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for file, content in released_files(exercise, all_inputs(exercise, seed)).items():
            Path(file).write_bytes(content)
        submission = as_released(read_submission(data, name), exercise.template, exercise.wanted)
        for cell in submission.code_cells:
            reseed(seed)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
                exec(compile(cell.source, name, "exec"), names)
            pyplot.close("all")
        yield names
