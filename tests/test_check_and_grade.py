"""A student's own check and grading say the same of the same file."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from netlens_core.grading import check_run
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Networks
from netlens_core.grading.pipeline import grade
from netlens_core.grading.sandbox import box as box_module
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.levels import best_level
from netlens_core.grading.sandbox.outcomes import SandboxUnavailableError
from netlens_core.grading.self_check import self_check
from netlens_core.grading.workplace import workplace

COURSE = """
title: A course of checks
seed: 7
networks: {target: efficientnet_lite0, jury: [efficientnet_lite1]}
exercises: [tiny]
"""
EXERCISE = """
title: Tiny
functions: {paint: {arguments: {image: image}, returns: image}}
inputs: {hidden: {draw: daisy, whose: hidden, size: 32}}
limits: {start_seconds: 60, call_seconds: 60, total_seconds: 200, memory_mb: 512, output_mb: 1}
"""
GRADER = '''
from netlens_core.grading.marking import check

@check(points=2)
def test_paint(submission, inputs, expect):
    """It is half as bright."""
    image = inputs["hidden"]
    expect("brightness", float(submission.paint(image).mean() / image.mean()), at_least=0.45)
'''
TEMPLATE = """
# %% nbgrader={"grade": false, "grade_id": "help", "locked": true, "schema_version": 3, "solution": false, "task": false}
import torch

def darker(image, by):
    return image * by

# %% nbgrader={"grade": false, "grade_id": "paint", "locked": false, "schema_version": 3, "solution": true, "task": false}
def paint(image):
    raise NotImplementedError

# %% nbgrader={"grade": true, "grade_id": "test_paint", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert abs(paint(torch.ones(3, 8, 8)).mean() - 0.5) < 0.05, "not half as bright"
"""  # noqa: E501
LOADER = """
from torch.utils.data import DataLoader, TensorDataset
def paint(image):
    [(batch,)] = DataLoader(TensorDataset(image[None]), num_workers=2)
    return darker(batch[0], 0.5)
"""
# More than the exercise's limit, in cells and in calls, over and over in one line and below each other.
LOUD = """
for i in range(40_000): print("\\r step", i, "of 40000 " + "#" * 40, end="")
def paint(image):
    for i in range(40_000): print("step", i, "#" * 40)
    return darker(image, 0.5)
"""
# Its check passes, for it stands above; grading calls what is there in the end.
PAINT = "def paint(image): return darker(image, 0.5)"
FAILING = 'name = input("Whose picture? ")\ndef paint(image): return darker(image, 0.5)'
PROCESSES = "import multiprocessing\ndef paint(image):\n    with multiprocessing.Pool(2): return darker(image, 0.5)"


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    for name, text in {
        "course.yaml": COURSE,
        "assignments/tiny/exercise.yaml": EXERCISE,
        "assignments/tiny/template.py": TEMPLATE,
        "graders/test_tiny.py": GRADER,
        "graders/conftest.py": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def notebook(solution: str, *below: str) -> bytes:
    """The template as handed out, with a solution, and cells below all others."""
    cells = []
    for part in TEMPLATE.split("# %% nbgrader=")[1:]:
        about, _, source = part.partition("\n")
        named = json.loads(about)
        text = solution if named["solution"] else source.strip()
        code = {"cell_type": "code", "execution_count": None, "outputs": []}
        cells.append({**code, "source": text, "metadata": {"nbgrader": named}})
    cells += [{**code, "source": source, "metadata": {}} for source in below]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


INPUT = "because cell 2 (“paint”) raised EOFError: EOF when reading a line (nobody is there to answer in grading"
SUBMISSIONS = {
    "workers": (notebook(LOADER), "tiny.ipynb", ""),
    "megabytes": (notebook(LOUD), "tiny.ipynb", ""),
    "helper": (b"def paint(image): return darker(image, 0.5)", "tiny.py", ""),
    "input": (notebook(FAILING), "tiny.ipynb", f"`paint` was not defined, {INPUT}"),
    "overwritten": (
        notebook(PAINT, "paint = paint(torch.ones(3, 8, 8))"),
        "tiny.ipynb",
        "`paint` is not a function any more, but of the type `Tensor`. ",
    ),
    "processes": (notebook(PROCESSES), "tiny.ipynb", "no processes are started here: leave out subprocesses"),
}


NETWORKS = ("efficientnet_lite0", ("efficientnet_lite1",))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUBMISSIONS)
def test_the_same_file_is_told_the_same(course, tmp_path, kind, monkeypatch):
    data, name, said = SUBMISSIONS[kind]
    opened, level = Course(course), best_level()[0]
    networks = Networks(*NETWORKS, opened.fingerprints)
    graded = grade(data, opened.exercise("tiny"), networks, 1, name=name, sandbox=level)
    sandbox = workplace(networks, level).sandbox

    class Same(Sandbox):  # as another one would be, without its start
        def __new__(cls, *_: object) -> contextlib.nullcontext[Sandbox]:  # type: ignore[misc]
            return contextlib.nullcontext(sandbox)

    monkeypatch.setattr(check_run, "Sandbox", Same)
    (tmp_path / name).write_bytes(data)
    found = self_check(opened, tmp_path / name, "tiny")
    [checked], [judged] = found.checks, graded.checks
    assert (found.passed, judged.points) == ((False, 0) if said else (True, 2)), (checked, judged)
    assert said in f"{checked.message}{found.message}" and said in judged.message
    assert graded.status == "graded" and found.level == level
    assert bool(found.not_applied) == (level != "full")


@pytest.mark.slow
def test_where_no_sandbox_starts_too_and_what_was_not_applied_is_told(course, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise SandboxUnavailableError("no")

    monkeypatch.setattr(Sandbox, "best_level", staticmethod(lambda: ("full", "")))
    monkeypatch.setattr(box_module, "WarmProcess", fail)
    data, name, said = SUBMISSIONS["processes"]
    (tmp_path / name).write_bytes(data)
    found = self_check(Course(course), tmp_path / name, "tiny")
    [checked] = found.checks
    assert not checked.passed and said in checked.message
    assert found.level == "none" and "files elsewhere on this computer" in found.not_applied
