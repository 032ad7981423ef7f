"""Grading many submissions at once: one process a core, each with its own networks and warm sandbox.

Workers only ever run `pipeline.grade`, a function of plain values; what they return is stored by the caller.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import hashlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from netlens_core import NetlensError
from netlens_core.grading.exercise import Exercise, Networks
from netlens_core.grading.grade import Grade
from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox import cgroups
from netlens_core.grading.scratch import TemporaryFolderError, check_temporary_folder
from netlens_core.grading.unrun import lost
from netlens_core.progress import detail

_PR_SET_PDEATHSIG = 1
GradeFunction = Callable[..., Grade]


@dataclass(frozen=True)
class Work:
    """One submission to grade. `load` reads it when its turn comes, so that a class never lies in memory at once.

    `prepare` then gives the exercise with its inputs made. Where one of the two raises a NetlensError, the work is lost
    to that, and the others go on. `returned` reads what the submission returned before, as `pipeline.grade` takes it.
    """

    label: str
    sha256: str
    load: Callable[[], tuple[bytes, str]]
    exercise: Exercise
    networks: Networks
    seed: int
    sandbox: str
    prepare: Callable[[Exercise], Exercise] = lambda exercise: exercise
    returned: Callable[[], bytes] = bytes
    keep_returned: bool = False


def usable_cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Try:
    """A submission to grade; `first` tells how a first try ended that the machine may have spoiled."""

    work: Work
    first: str = ""

    @property
    def label(self) -> str:
        """What is being done, in words."""
        return f"{self.work.label} once more, alone" if self.first else self.work.label


def grade_all(
    works: Iterable[Work], workers: int, grade: GradeFunction | None = None
) -> Generator[tuple[Work, Grade], None, None]:
    """Grade works in `workers` processes; pairs come back as they are finished.

    `grade` is `pipeline.grade`, or another function of the same arguments that can be pickled.

    What the machine may have caused is no verdict yet: a submission that ran out of memory, crashed, or was held by a
    worker that died is tried once more in the end, alone and in a fresh sandbox. The second try counts, whatever it
    says; `Grade.tries` tells both. Stopping early (Ctrl-C, or closing the iterator) ends all processes at once.
    """
    waiting, again = deque(map(_Try, works)), deque[_Try]()
    while waiting:
        yield from _one_pool(waiting, min(workers, len(waiting)), again, grade)
    while again:
        yield from _one_pool(again, 1, again, grade)


def _one_pool(
    batch: deque[_Try], workers: int, again: deque[_Try], grade: GradeFunction | None
) -> Generator[tuple[Work, Grade], None, None]:
    """Work through a batch until it is empty or a worker dies; first tries that decide nothing go to `again`."""
    running: dict[Future[Grade], _Try] = {}
    since: dict[str, tuple[float, Future[Grade]]] = {}
    context = _context()
    detail(partial(_starting, workers, since))
    with _Executor(workers, context) as executor:
        try:
            while batch or running:
                while batch and len(running) < workers:
                    one = batch[0]  # stays there until the pool has it: the pool may just be breaking
                    try:
                        arguments = (*_arguments(one.work), _options(one))
                    except NetlensError as error:
                        batch.popleft()
                        yield one.work, _lost(one.work, str(error))
                        continue
                    future = executor.submit(_guarded, grade, bool(one.first), *arguments)
                    running[future] = one
                    batch.popleft()
                    since[one.label] = time.monotonic(), future
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    graded = future.result()
                    one = running.pop(future)
                    since.pop(one.label, None)
                    if graded.doubts and not one.first:
                        again.append(_Try(one.work, graded.doubts[0]))
                    else:
                        yield one.work, _with_tries(graded, one)
                    detail(partial(_under_way, since))
        except BrokenProcessPool:
            for one in running.values():
                if one.first:
                    yield one.work, _given_up(one)
                else:
                    again.append(_Try(one.work, _DIED))


_DIED = "a worker process died while it graded this submission (killed, or out of memory)"


def _with_tries(graded: Grade, one: _Try) -> Grade:
    if not one.first:
        return graded
    then = graded.doubts[0] if graded.doubts else graded.status.replace("_", " ")
    return graded.model_copy(update={"tries": (one.first, then)})


def _lost(work: Work, fault: str) -> Grade:
    return lost(fault, work.sha256, work.exercise, work.networks, work.seed, work.sandbox)


def _given_up(one: _Try) -> Grade:
    fault = _DIED if one.first == _DIED else f"{one.first} Tried again, {_DIED}"
    graded = _lost(one.work, fault)
    return graded.model_copy(update={"tries": (one.first, _DIED)})


def _starting(workers: int, since: Mapping[str, Any]) -> str:
    """What is said until the first grade is there: a busy machine loads libraries for a minute."""
    starts = "a worker starts, loads" if workers == 1 else f"{workers} workers start, load"
    waiting = ", ".join(list(since))
    return f"{starts} torch and the networks{f', and then {waiting}' if waiting else ''}"


def _under_way(since: dict[str, tuple[float, Future[Grade]]]) -> str:
    """What workers do, and for how long already; what is done waits while the next exercise's inputs are made."""
    now = time.monotonic()
    return ", ".join(
        f"{label} for {now - began:.0f} s" for label, (began, future) in since.copy().items() if not future.done()
    )


def _arguments(work: Work) -> tuple[Any, ...]:
    data, name = work.load()
    return data, work.prepare(work.exercise), work.networks, work.seed, name, work.sandbox


def _options(one: _Try) -> dict[str, Any]:
    """What else `pipeline.grade` is told. What is tried again runs: it was no good the first time."""
    found: dict[str, Any] = {"keep_returned": True} if one.work.keep_returned else {}
    returned = b"" if one.first else one.work.returned()
    return found | ({"returned": returned} if returned else {})


def _guarded(
    grade: GradeFunction | None,
    fresh: bool,
    data: bytes,
    exercise: Exercise,
    networks: Networks,
    seed: int,
    name: str,
    sandbox: str,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Grade:
    """Runs in a worker, with `fresh` in a fresh sandbox. A mistake of ours must not cost the others their grades."""
    from netlens_core.grading import pipeline, workplace

    began = time.monotonic()
    try:
        if fresh:
            workplace.refresh_sandboxes()
        graded = (grade or pipeline.grade)(data, exercise, networks, seed, name=name, sandbox=sandbox, **options)
    except (NetlensError, TemporaryFolderError):  # holds for every submission, and tells the user what to do
        raise
    except Exception as error:  # which may be that of a machine without memory or disk
        check_temporary_folder()  # where that is full, it is to blame, whatever failed for want of it
        fault = plain(traceback.format_exc(limit=-8), 4000)
        graded = lost(fault, hashlib.sha256(data).hexdigest(), exercise, networks, seed, sandbox)
        graded = graded.model_copy(update={"doubts": (plain(f"{type(error).__name__}: {error}", 300),)})
    if any(check.fault for check in graded.checks):
        check_temporary_folder()
    seconds = time.monotonic() - began
    return graded.model_copy(update={"seconds": seconds, "began": began, "worker": os.getpid()})


class _Executor(ProcessPoolExecutor):
    """A pool whose processes end at once when it is left early."""

    def __init__(self, workers: int, context: multiprocessing.context.BaseContext) -> None:
        super().__init__(workers, mp_context=context, initializer=_prepare_worker)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self.shutdown(wait=False, cancel_futures=True)
            processes = multiprocessing.active_children()
            for process in processes:
                process.kill()  # its sandbox dies with it
            for process in processes:
                process.join(5)
        self.shutdown(wait=True)
        cgroups.remove_left()


def _context() -> multiprocessing.context.BaseContext:
    # One thread each: OpenMP reads this when torch is first imported, and a forked process hangs without it.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    atexit.register(_end_fork_server, os.getpid())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["netlens_core.grading.pipeline", "torchvision", "timm"])
    return context


def _end_fork_server(starter: int) -> None:
    """End the process that workers were forked from; it would hold the command's output open while it unloads torch."""
    from multiprocessing import forkserver

    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid and os.getpid() == starter:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and die with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(grader: int) -> None:
    """End this process, and so its sandbox, once the grader is gone, be it by kill -9.

    The process between them does not: it lives as long as a worker does.
    """
    multiprocessing.connection.wait([grader])
    os.kill(os.getpid(), signal.SIGKILL)
