"""The way of one submission, bytes -> intake -> sandbox -> judge -> Grade: a function of plain values.

`grade` is the unit of work of every pool: processes on one machine, or workers on many.
"""

from __future__ import annotations

import time

from netlens_core.grading.executed import executed_notebook
from netlens_core.grading.exercise import Exercise, Networks
from netlens_core.grading.grade import CellNote, Grade, Status
from netlens_core.grading.inputs import all_inputs, released_files
from netlens_core.grading.intake import Submission, read_submission
from netlens_core.grading.judge import judge
from netlens_core.grading.plain_text import plain
from netlens_core.grading.restoring import as_released
from netlens_core.grading.sandbox.session import Session
from netlens_core.grading.unrun import facts, refused
from netlens_core.grading.workplace import workplace
from netlens_core.languages import speaking


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
        exercise: what is graded, with its course-wide and hidden inputs made; names and messages are in its language.
        networks: target and jury; fingerprints are compared with what is installed.
        seed: the student's seed; their own inputs and the sandbox's random numbers derive from it.
        name: the file's name, which helps to tell its kind.
        sandbox: "full", "reduced" or "none".

    The same arguments give the same grade, bit for bit. Raises WrongWeightsError where a network's weights are others.
    """
    started = time.perf_counter()
    with speaking(exercise.catalog):
        read = read_submission(data, name, expected=exercise.slug)
        submission = as_released(read, exercise.template, exercise.wanted)
        if submission.refusal:
            graded = refused(submission.refusal, submission.sha256, exercise, networks, seed, sandbox)
        else:
            graded = _run(submission, exercise, networks, seed, sandbox)
    return graded.model_copy(update={"seconds": time.perf_counter() - started})


def _run(submission: Submission, exercise: Exercise, networks: Networks, seed: int, level: str) -> Grade:
    place = workplace(networks, level)
    inputs = all_inputs(exercise, seed)
    cells = [cell.source for cell in submission.code_cells]
    files = {**submission.files, **released_files(exercise, inputs)}
    with place.sandbox.session(cells=cells, files=files, limits=exercise.sheet.limits, seed=seed) as session:
        begun, own = time.perf_counter(), session.wall_seconds
        checks, record = judge(exercise, session, place, inputs, seed)
        judging = time.perf_counter() - begun - (session.wall_seconds - own)
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
            own_seconds=session.wall_seconds,
            judging_seconds=judging,
            counted_seconds=session.seconds,
            slowdown=place.sandbox.slowdown,
            doubts=tuple(session.doubts),
        )


def _status(session: Session) -> tuple[Status, str]:
    """How the notebook itself went; a fault of ours is told by the checks, which then need a person."""
    if session.status in ("timed_out", "crashed", "out_of_memory"):
        return session.status, session.message
    return "graded", ""
