"""A small class whose grades cost little: submissions that remember, wait, crash, lie and are broken."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

FEW = 8  # honest students
COURSE = """
title: A class of faults
seed: 7
networks: {target: efficientnet_lite0, jury: [efficientnet_lite1]}
exercises: [tiny]
"""
EXERCISE = """
title: Tiny
functions:
  paint: {arguments: {image: image, level: integer}, returns: image}
  recall: {arguments: {image: image}, returns: ranking}
inputs:
  flower: {draw: daisy, whose: student, file: flower.png, size: 32}
  hidden: {draw: daisy, whose: hidden, size: 32}
limits: {start_seconds: 300, call_seconds: 300, total_seconds: 1200, memory_mb: 256}
"""
GRADER = '''
import pytest
from netlens_core.grading.marking import check

@pytest.fixture(scope="session")
def painted(submission, inputs):
    return [submission.paint(inputs[name], level=level) for level, name in enumerate(("flower", "hidden"))]

@check(points=3)
def test_paint(painted, expect, figure):
    """Two pictures, each with the level that was asked for."""
    for level, image in enumerate(painted):
        figure(f"level {level}", image)
        expect(f"mean of level {level}", float(image.mean()), at_least=0.2 * level, partial_from=-1)

@check(points=4)
def test_recall(painted, submission, inputs, expect):
    """What was painted before is remembered, and the random numbers are the ones of the call."""
    for name, value in submission.recall(inputs["hidden"]):
        expect(name, value, at_least=0.0)
'''
HONEST = """
# %%
import time, torch, matplotlib.pyplot as plt
painted = []
print("student {number}", torch.rand(2))
plt.plot([1, {number}]); plt.show()
time.sleep({wait})
# %%
def paint(image, level):
    time.sleep({wait})
    painted.append(level)
    return (image * 0.5 + 0.25 * level + 0.01 * torch.rand(1)).clamp(0, 1)
# %%
def recall(image):
    time.sleep({wait})
    return [("calls before", float(len(painted))), ("sum", float(sum(painted))), ("drawn", float(torch.rand(1)))]
"""
OTHERS = {
    "exits": "import os\ndef paint(image, level): os._exit(0)\ndef recall(image): return [('x', 1.0)]",
    "lies": "import os, time\ndef paint(image, level):\n    os.write(3, b'NLF1 all passed'); time.sleep(60)",
    "raises": "print('before')\nraise ValueError('\\x1b[2J<script>')",
    "hoards": "def paint(image, level):\n    keep = []\n    while True: keep.append(bytes(32 << 20))",
    "broken": "{not a notebook",
}
_WHOSE = """
JOIN base_cell AS c ON c.id = x.cell_id JOIN submitted_notebook AS n ON n.id = x.notebook_id
JOIN submitted_assignment AS s ON s.id = n.assignment_id"""
_ALL = f"""
SELECT 'score', s.student_id, c.name || c.type, x.auto_score, x.manual_score, x.needs_manual_grade
FROM grade AS x {_WHOSE}
UNION ALL SELECT 'comment', s.student_id, c.name || c.type, x.auto_comment, x.manual_comment, NULL
FROM comment AS x {_WHOSE}"""


def build(folder: Path, honest: int = FEW, wait: float = 0.1) -> Path:
    """Write the class: honest students, each with an own text, and others between them.

    Honest work takes thrice `wait` seconds, which faults can fall into.
    """
    write(folder / "course.yaml", COURSE)
    write(folder / "assignments" / "tiny" / "exercise.yaml", EXERCISE)
    write(folder / "graders" / "test_tiny.py", GRADER)
    write(folder / "graders" / "conftest.py", "")
    write(folder / ".netlens" / "secret", "the secret of a class of faults")
    for number in range(honest):
        source = HONEST.replace("{number}", str(number)).replace("{wait}", str(wait))
        write(folder / "submitted" / f"honest{number}" / "tiny" / "tiny.py", source)
    for name, source in OTHERS.items():
        write(folder / "submitted" / f"h_{name}" / "tiny" / ("tiny.ipynb" if name == "broken" else "tiny.py"), source)
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def command(folder: Path, workers: int = 1) -> list[str]:
    return [sys.executable, "-m", "netlens_core.cli", "grade", str(folder), "--workers", str(workers)]


def graded(folder: Path, workers: int = 1, status: int = 0, **environment: str) -> str:
    """Run `netlens grade` to its end; what it said."""
    done = subprocess.run(
        command(folder, workers), capture_output=True, text=True, timeout=600, env={**os.environ, **environment}
    )
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said, said
    return said


def everything(folder: Path) -> dict[str, bytes]:
    """All that a course keeps of its grades, by name: the store, and the views but for how long grading took."""
    found = {}
    for part in (".netlens/grades", ".netlens/pictures", ".netlens/notebooks"):
        for path in (folder / part).rglob("*"):
            if path.is_file() and path.suffix != ".seconds":
                found[str(path.relative_to(folder))] = path.read_bytes()
    for path in (folder / "grades").rglob("*"):
        if path.is_file():
            content = json.loads(path.read_bytes())
            assert content.pop("counted_seconds") >= 0 and content.pop("slowdown") >= 1
            assert content.pop("seconds") >= content.pop("own_seconds") + content.pop("judging_seconds") - 0.01 >= -0.01
            found[str(path.relative_to(folder))] = json.dumps(content).encode()
    return found


def everywhere(folder: Path) -> dict[str, bytes]:
    """The same, and every score and comment in nbgrader's gradebook, where nothing may be twice."""
    database = folder / "gradebook.db"
    assert database.is_file()
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        rows = [
            (f"gradebook.db/{kind}/{student}/{cell}", repr(rest)) for kind, student, cell, *rest in opened.execute(_ALL)
        ]
    assert len(dict(rows)) == len(rows)
    return everything(folder) | {name: text.encode() for name, text in rows}


def descendants(pid: int) -> list[int]:
    """All processes below one, parents before their children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(0), [])
        found += below
        todo += below
    return found
