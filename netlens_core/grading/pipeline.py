"""The way of one submission, bytes -> intake -> sandbox -> judge -> Grade: a function of plain values.

`grade` is the unit of work of every pool: processes on one machine, or workers on many.
"""

from __future__ import annotations

import atexit
import time
from dataclasses import dataclass
from functools import lru_cache

import torch

from netlens_core import NetlensError
from netlens_core.grading.executed import executed_notebook
from netlens_core.grading.exercise import Exercise, Networks
from netlens_core.grading.grade import CellNote, Grade, Status
from netlens_core.grading.inputs import all_images, released_files
from netlens_core.grading.intake import Submission, read_submission
from netlens_core.grading.judge import judge
from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox import Sandbox, Session
from netlens_core.grading.unrun import facts, refused
from netlens_core.measures.jury import Jury
from netlens_core.networks import Network, load_network


class WrongWeightsError(NetlensError, RuntimeError):
    """The networks here are not those that the course was released with."""


@dataclass(frozen=True)
class _Bench:
    """What a worker keeps between submissions: its own networks, and a warm sandbox."""

    target: Network
    jury: Jury
    sandbox: Sandbox


@lru_cache(maxsize=2)
def _bench(target: str, jury: tuple[str, ...], level: str) -> _Bench:
    torch.set_num_threads(1)
    # On the processor: a grade must not depend on which machine has a graphics card.
    networks = [load_network(name, device="cpu") for name in (target, *jury)]
    sandbox = Sandbox(networks=(target,), level=level)
    atexit.register(sandbox.close)
    return _Bench(networks[0], Jury(networks[1:]), sandbox)


def grade(
    data: bytes,
    exercise: Exercise,
    networks: Networks,
    seed: int,
    *,
    name: str = "submission.ipynb",
    sandbox: str = "full",
) -> Grade:
    """Grade one submission.

    Args:
        data: the file as handed in: a notebook, a Python file or a zip that holds one. May be hostile.
        exercise: what is graded, with its course-wide and hidden inputs made.
        networks: target and jury; fingerprints are compared with what is installed.
        seed: the student's seed; their own inputs and the sandbox's random numbers derive from it.
        name: the file's name, which helps to tell its kind.
        sandbox: "full", "reduced" or "none".

    The same arguments give the same grade, bit for bit. Raises WrongWeightsError where a network's weights are others.
    """
    started = time.perf_counter()
    submission = read_submission(data, name, expected=exercise.slug)
    if submission.refusal:
        graded = refused(submission.refusal, submission.sha256, exercise, networks, seed, sandbox)
    else:
        graded = _run(submission, exercise, networks, seed, sandbox)
    return graded.model_copy(update={"seconds": time.perf_counter() - started})


def _run(submission: Submission, exercise: Exercise, networks: Networks, seed: int, level: str) -> Grade:
    bench = _bench(networks.target, networks.jury, level)
    _verify_weights(bench, networks)
    inputs = all_images(exercise, seed)
    cells = [cell.source for cell in submission.code_cells]
    files = {**submission.files, **released_files(exercise, inputs)}
    with bench.sandbox.session(cells=cells, files=files, limits=exercise.sheet.limits, seed=seed) as session:
        checks, record = judge(exercise, session, bench, inputs, seed)
        status, message = _status(session)
        shared = facts(submission.sha256, exercise, networks, seed, level)
        return Grade(
            **shared,
            notes=list(submission.notes),
            points=sum(check.points for check in checks),
            status=status,
            message=message,
            checks=checks,
            cell_errors=[
                CellNote(number=number, error=plain(run.error, 500))
                for number, run in enumerate(session.cells, 1)
                if run.error
            ],
            figure_notes=dict(sorted(record.notes.items())),
            pictures=record.pictures,
            notebook=executed_notebook(submission, session.cells),
        )


def _status(session: Session) -> tuple[Status, str]:
    """How the notebook itself went; a fault of ours is told by the checks, which then need a person."""
    if session.status in ("timed_out", "crashed", "out_of_memory"):
        return session.status, session.message  # type: ignore[return-value]
    return "graded", ""


def _verify_weights(bench: _Bench, networks: Networks) -> None:
    for network in (bench.target, *bench.jury.networks):
        wanted = networks.fingerprints.get(network.name)
        if wanted != network.fingerprint:
            raise WrongWeightsError(
                f"{network.name} has the fingerprint {network.fingerprint[:12]} here, but this course was made with "
                f"{str(wanted)[:12]}: install the weights that the course was released with"
            )
