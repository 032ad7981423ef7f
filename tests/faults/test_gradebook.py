"""nbgrader's gradebook read-only: told in a line, no grade is lost, and the next run writes it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.small_class import build, everything, graded, write

pytestmark = pytest.mark.slow
OTHER = "def paint(image, level): return image * 0 + 0.1\ndef recall(image): return [('x', 1.0)]\n"


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """A file that even root cannot write."""
    if os.geteuid():
        path.chmod(0o444)
        yield
        path.chmod(0o644)
        return
    for options in (["--bind", str(path), str(path)], ["-o", "remount,ro,bind", str(path)]):
        done = subprocess.run(["mount", *options], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def in_nbgrader(folder: Path) -> dict[str, float]:
    """Student -> points in the gradebook."""
    with sqlite3.connect(folder / "gradebook.db") as book:
        return dict(
            book.execute(
                "SELECT student_id, SUM(COALESCE(auto_score, 0)) FROM grade JOIN submitted_notebook n"
                " ON n.id = grade.notebook_id JOIN submitted_assignment a ON a.id = n.assignment_id GROUP BY student_id"
            )
        )


def test_a_gradebook_that_cannot_be_written_loses_nothing(tmp_path):
    folder = build(tmp_path / "course", honest=1, wait=0.02)
    graded(folder)
    first = in_nbgrader(folder)
    assert first["honest0"] == 7 and first["h_exits"] == 0 and len(first) == 6
    write(folder / "submitted" / "honest0" / "tiny" / "tiny.py", OTHER)
    with read_only(folder / "gradebook.db"):
        told = graded(folder, status=1)
        kept = everything(folder)
    assert "make the file" in told and "gradebook.db" in told and "All grades are kept" in told
    assert in_nbgrader(folder) == first
    assert "0 graded now" in graded(folder)
    assert everything(folder) == kept and in_nbgrader(folder) != first
