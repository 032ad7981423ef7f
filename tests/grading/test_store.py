"""The store keeps grades whole: atomic, content-addressed, and healed where a file is damaged."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from netlens_core.grading.files import write_atomically, write_once
from netlens_core.grading.grade import Check, FigureNote, Grade
from netlens_core.grading.store import Store, grade_key

FIGURE = "f" * 32 + ".png"


def a_grade(points: float = 1.5) -> Grade:
    check = Check(
        name="test_it",
        description="It works.",
        points=points,
        max_points=4,
        status="partial",
        figures=[FIGURE],
    )
    return Grade(
        exercise="demo",
        title="A test",
        points=points,
        max_points=4,
        status="graded",
        checks=[check],
        figure_notes={FIGURE: FigureNote(caption="grey")},
        submission_sha256="0" * 64,
        exercise_sha256="1" * 64,
        networks={"lite0": "2" * 64},
        netlens_version="0",
        sandbox="full",
        seed=1,
        pictures={FIGURE: b"\x89PNG picture"},
        notebook=b"{}",
        seconds=2.5,
        own_seconds=1.5,
        judging_seconds=0.25,
    )


def test_what_was_written_is_read(tmp_path):
    store = Store(tmp_path)
    store.write("ab12", a_grade())
    assert store.read("ab12").model_dump() == a_grade().model_dump()
    assert store.seconds("ab12") == 2.5
    assert store.times("ab12") == {"seconds": 2.5, "own_seconds": 1.5, "judging_seconds": 0.25}
    assert store.times("cd34") == {} and store.seconds("cd34") == 0
    assert store.picture_path(FIGURE).read_bytes() == b"\x89PNG picture"
    assert store.notebook_path("ab12").read_bytes() == b"{}"


def test_equal_grades_are_equal_bytes_however_long_they_took(tmp_path):
    first, second = Store(tmp_path / "1"), Store(tmp_path / "2")
    first.write("ab12", a_grade())
    second.write("ab12", a_grade().model_copy(update={"seconds": 9.0}))
    path = "grades/ab/ab12.json"
    assert (tmp_path / "1" / path).read_bytes() == (tmp_path / "2" / path).read_bytes()


@pytest.mark.parametrize("damage", [b"", b"{", b'{"points": 10}', b"\xff\xfe"])
def test_a_damaged_grade_counts_as_none(tmp_path, damage):
    store = Store(tmp_path)
    store.write("ab12", a_grade())
    (tmp_path / "grades/ab/ab12.json").write_bytes(damage)
    assert store.read("ab12") is None


def test_a_grade_whose_picture_is_lost_counts_as_none(tmp_path):
    store = Store(tmp_path)
    store.write("ab12", a_grade())
    store.picture_path(FIGURE).unlink()
    assert store.read("ab12") is None


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "grade.json"
    write_atomically(path, b"old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_each_thing_that_determines_a_grade_changes_its_key():
    base = ("s", "e", {"lite0": "f"}, 1, "full")
    others = [
        ("x", "e", {"lite0": "f"}, 1, "full"),
        ("s", "x", {"lite0": "f"}, 1, "full"),
        ("s", "e", {"lite0": "x"}, 1, "full"),
        ("s", "e", {"lite0": "f"}, 2, "full"),
        ("s", "e", {"lite0": "f"}, 1, "none"),
    ]
    keys = {grade_key(*parts) for parts in [base, *others]}
    assert len(keys) == 6
    assert grade_key(*base) in keys


def test_of_many_who_write_a_secret_at_once_one_does(tmp_path):
    for turn in range(20):
        path, found = tmp_path / f"secret{turn}", set()
        if turn % 2:
            path.write_bytes(b"\n")  # emptied by a full disk, say

        def try_it(mine: bytes, path: Path = path, found: set[bytes] = found) -> None:
            write_once(path, mine, 0o600)
            found.add(path.read_bytes())

        threads = [threading.Thread(target=try_it, args=(b"%d" % number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 1 or turn % 2, found
        assert path.read_bytes().strip() and path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []
