"""The way of one submission, bytes -> intake -> sandbox -> judge -> Grade: a function of plain values.

`grade` is the unit of work of every pool: processes on one machine, or workers on many.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from netlens_core.grading.executed import executed_notebook
from netlens_core.grading.exercise import Exercise, Networks
from netlens_core.grading.grade import CellNote, Check, Grade, Status
from netlens_core.grading.inputs import all_inputs, released_files
from netlens_core.grading.intake import Submission, read_submission
from netlens_core.grading.judge import judge
from netlens_core.grading.marking import Record
from netlens_core.grading.missing_names import RanNotebook
from netlens_core.grading.plain_text import plain
from netlens_core.grading.restoring import as_released
from netlens_core.grading.returned import Playback, Recorded, Recorder, read_record
from netlens_core.grading.sandbox.outcomes import CellRun
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
    returned: bytes = b"",
    keep_returned: bool = False,
) -> Grade:
    """Grade one submission.

    Args:
        data: the file as handed in: a notebook, a Python file or a zip that holds one. May be hostile.
        exercise: what is graded, with its course-wide and hidden inputs made; names and messages are in its language.
        networks: target and jury; fingerprints are compared with what is installed.
        seed: the student's seed; their own inputs and the sandbox's random numbers derive from it.
        name: the file's name, which helps to tell its kind.
        sandbox: "full", "reduced" or "none".
        returned: a record of what the very same submission returned before (`Grade.returned`), if there is one: where
            the grader asks for nothing else, it does not run again, and the grade is the same bit for bit.
        keep_returned: record what it returns.

    The same arguments give the same grade, bit for bit. Raises WrongWeightsError where a network's weights are others.
    """
    started = time.perf_counter()
    with speaking(exercise.catalog):
        read = read_submission(data, name, expected=exercise.slug)
        submission = as_released(read, exercise.template, exercise.wanted)
        if submission.refusal:
            graded = refused(submission.refusal, submission.sha256, exercise, networks, seed, sandbox)
        else:
            recorded = read_record(returned, submission.sha256) if returned else None
            known = recorded and _judged_again(submission, exercise, networks, seed, sandbox, recorded)
            graded = known or _run(submission, exercise, networks, seed, sandbox, keep_returned)
    return graded.model_copy(update={"seconds": time.perf_counter() - started})


def _run(
    submission: Submission, exercise: Exercise, networks: Networks, seed: int, level: str, keep_returned: bool
) -> Grade:
    place = workplace(networks, level)
    inputs = all_inputs(exercise, seed)
    cells = [cell.source for cell in submission.code_cells]
    files = {**submission.files, **released_files(exercise, inputs)}
    with place.sandbox.session(cells=cells, files=files, limits=exercise.sheet.limits, seed=seed) as session:
        begun, own = time.perf_counter(), session.wall_seconds
        as_it_ran = RanNotebook(submission.cells, session.cells, exercise.template)
        answering = Recorder(session, keep_returned, as_it_ran.explained)
        checks, record = judge(exercise, answering, place, inputs, seed)
        judging = time.perf_counter() - begun - (session.wall_seconds - own)
        status, message = _status(session)
        shared = facts(submission.sha256, exercise, networks, seed, level)
        graded = _graded(shared, submission, checks, record, session.cells)
        return graded.model_copy(
            update={
                "status": status,
                "message": message,
                "own_seconds": session.wall_seconds,
                "judging_seconds": judging,
                "counted_seconds": session.seconds,
                "slowdown": place.sandbox.slowdown,
                "doubts": tuple(session.doubts),
                "ended": tuple(sorted(answering.ended)),
                "returned": answering.record(submission.sha256),
            }
        )


def _judged_again(
    submission: Submission, exercise: Exercise, networks: Networks, seed: int, level: str, recorded: Recorded
) -> Grade | None:
    """The grade of a submission that does not run again; None where its grader asks for what is not recorded."""
    place = workplace(networks, level)
    answering, begun = Playback(recorded), time.perf_counter()
    checks, record = judge(exercise, answering, place, all_inputs(exercise, seed), seed)
    if answering.missed:
        return None
    shared = facts(submission.sha256, exercise, networks, seed, level)
    graded = _graded(shared, submission, checks, record, recorded.cells)
    times = {"judging_seconds": time.perf_counter() - begun, "counted_seconds": recorded.seconds}
    return graded.model_copy(update={**times, "judged_only": True})


def _graded(
    shared: Mapping[str, Any], submission: Submission, checks: list[Check], record: Record, cells: Sequence[CellRun]
) -> Grade:
    return Grade(
        **shared,
        notes=list(submission.notes),
        points=sum(check.points for check in checks),
        status="graded",
        checks=checks,
        cell_errors=[
            CellNote(number=cell.number or number, error=plain(run.error, 500))
            for number, (cell, run) in enumerate(zip(submission.code_cells, cells, strict=False), 1)
            if run.error
        ],
        figure_notes=dict(sorted(record.notes.items())),
        pictures=record.pictures,
        notebook=executed_notebook(submission, cells),
    )


def _status(session: Session) -> tuple[Status, str]:
    """How the notebook itself went; a fault of ours is told by the checks, which then need a person."""
    if session.status in ("timed_out", "crashed", "out_of_memory"):
        return session.status, session.message
    return "graded", ""
