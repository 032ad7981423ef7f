"""nbgrader's gradebook read-only: told in a line, no grade is lost, and the next run writes it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.small_class import FEW, everything, graded

pytestmark = pytest.mark.slow


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


def test_a_gradebook_that_cannot_be_written_loses_nothing(tmp_path, undisturbed):
    folder = tmp_path / "course"
    shutil.copytree(undisturbed(), folder)
    first = in_nbgrader(folder)
    assert first["honest0"] == 7 and first["h_exits"] == 0 and len(first) == FEW + 5
    # Refused, so that grading it takes no time: it earns other points than the gradebook has.
    (folder / "submitted" / "honest0" / "tiny" / "tiny.py").rename(folder / "submitted" / "honest0" / "tiny" / "x.txt")
    with read_only(folder / "gradebook.db"):
        told = graded(folder, status=1)
        kept = everything(folder)
    assert "1 graded now" in told and "make the file" in told and "gradebook.db" in told
    assert "All grades are kept" in told and in_nbgrader(folder) == first
    assert "0 graded now" in graded(folder)
    assert everything(folder) == kept and in_nbgrader(folder) == {**first, "honest0": 0}
