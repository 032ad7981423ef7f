"""The pool: every work comes back once, and a worker that dies takes no grade with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace

import pytest

from netlens_core import NetlensError
from netlens_core.grading import pool, workplace
from netlens_core.grading.exercise import CheckSpec, Exercise, ExerciseSheet, Networks
from netlens_core.grading.pool import Work, grade_all
from netlens_core.grading.unrun import refused

EXERCISE = Exercise(
    "demo", ExerciseSheet(title="A test", functions={}), (CheckSpec("test_it", "It works.", 4.0, False),), {}
)
NETWORKS = Networks("lite0", ("lite1",), {"lite0": "0", "lite1": "1"})


def work(name: str) -> Work:
    return Work(name, "0" * 64, lambda: (name.encode(), f"{name}.py"), EXERCISE, NETWORKS, 1, "none")


def grade_by_name(data, exercise, networks, seed, *, name, sandbox):
    """Stands in for grading; what it does depends on the file's name."""
    if name.startswith("killer"):
        time.sleep(0.2)  # so that others are in flight
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("broken"):
        raise ValueError("our own mistake")
    if name.startswith("misused"):
        raise NetlensError("install the weights")
    if name.startswith("slow"):
        time.sleep(600)
    if name.startswith("starved"):
        log, _, kind = name.removesuffix(".py").partition("@")[2].partition("@")
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()}\n")
        again = len(Path(log).read_text().splitlines()) > 1
        if again and kind == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if not again or kind == "always":
            spoiled = refused(f"ended early {name}", "0" * 64, exercise, networks, seed, sandbox)
            return spoiled.model_copy(update={"doubts": ("It ran out of memory.",)})
    return refused(f"graded {name}", "0" * 64, exercise, networks, seed, sandbox)


def run(names: list[str], workers: int = 2) -> dict[str, tuple[str, str]]:
    pairs = list(grade_all([work(name) for name in names], workers, grade_by_name))
    assert sorted(w.label for w, _ in pairs) == sorted(names)
    return {w.label: (grade.checks[0].status, grade.message) for w, grade in pairs}


def test_every_work_is_graded_once():
    results = run([f"honest{i}" for i in range(7)])
    assert results["honest3"] == ("failed", "graded honest3.py")


def test_a_killed_worker_costs_only_its_own_submission_and_that_waits_for_a_person():
    results = run(["honest0", "killer1", "honest1", "killer2", "honest2", "honest3"])
    for name, (status, _) in results.items():
        assert status == ("needs_manual_grade" if name.startswith("killer") else "failed"), name


def test_what_the_machine_may_have_caused_is_tried_once_more(tmp_path):
    """In a process of its own, after all others; the second try counts, and both are told."""
    names = {kind: f"starved@{tmp_path / kind}@{kind}" for kind in ("once", "always", "dies")}
    works = [work(name) for name in [*names.values(), "honest0", "honest1"]]
    graded = {w.label: grade for w, grade in grade_all(works, 2, grade_by_name)}
    assert set(graded) == {*names.values(), "honest0", "honest1"}
    assert not graded["honest0"].tries
    once, always, dies = (graded[name] for name in names.values())
    assert once.message.startswith("graded") and once.tries == ("It ran out of memory.", "refused")
    assert always.message.startswith("ended early") and always.tries == ("It ran out of memory.",) * 2
    assert dies.checks[0].status == "needs_manual_grade"
    assert dies.tries[0] == "It ran out of memory." and "a worker process died" in dies.tries[1]
    for kind in names:
        first, second = (tmp_path / kind).read_text().split()  # never a third time
        assert first != second


def test_a_second_try_has_a_fresh_sandbox(monkeypatch):
    refreshed = []
    monkeypatch.setattr(workplace, "_SANDBOXES", [SimpleNamespace(refresh=lambda: refreshed.append(1))])
    for fresh in (False, True):
        pool._guarded(grade_by_name, fresh, b"", EXERCISE, NETWORKS, 1, "honest.py", "none")
    assert refreshed == [1]


def test_a_mistake_of_ours_stops_nobody_else():
    results = run(["broken", "honest0", "honest1"], workers=1)
    assert results["broken"][0] == "needs_manual_grade"
    assert results["honest1"][0] == "failed"


def test_what_holds_for_every_submission_stops_the_run_with_its_message():
    with pytest.raises(NetlensError, match="install the weights"):
        run(["misused"])


def test_leaving_early_ends_all_processes_at_once():
    running = grade_all([work("honest"), work("slow1"), work("slow2")], 2, grade_by_name)
    next(running)
    started = time.monotonic()
    running.close()
    assert time.monotonic() - started < 300
    assert not multiprocessing.active_children()


def test_the_fork_server_ends_with_the_process_that_started_it(monkeypatch):
    """By itself it takes seconds to unload torch, and the command's output stays open meanwhile."""
    with subprocess.Popen(["sleep", "600"]) as server:
        monkeypatch.setattr(forkserver._forkserver, "_forkserver_pid", server.pid)
        pool._end_fork_server(os.getpid() + 1)
        assert server.poll() is None
        pool._end_fork_server(os.getpid())
        assert server.wait(timeout=60) == -signal.SIGKILL
        pool._end_fork_server(os.getpid())
