"""Hand-ins are read in one go, once while they stay as they are, and again where they changed meanwhile."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from netlens_core.grading import hand_ins
from netlens_core.grading.hand_ins import HandInError, HandIns

LONG_AGO = 1_500_000_000


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "submitted" / "ada" / "sky"
    place.mkdir(parents=True)
    (place / "sky.py").write_bytes(b"good = 1")
    return place


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """Every file that was opened."""
    seen, read = [], hand_ins.read_submission_file
    monkeypatch.setattr(hand_ins, "read_submission_file", lambda path: seen.append(path) or read(path))
    return seen


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_read_once_to_be_known_and_graded(tmp_path, folder, reads):
    known = HandIns(tmp_path)
    assert known.look(folder, "sky").sha256 == sha256(b"good = 1")
    assert known.load(folder, "sky") == (b"good = 1", "sky.py")
    assert len(reads) == 1


def test_what_is_known_from_before_is_not_read_at_all(tmp_path, folder, reads, monkeypatch):
    now = time.time()
    monkeypatch.setattr(hand_ins.time, "time", lambda: now + 60)
    known = HandIns(tmp_path)
    known.look(folder, "sky")
    known.save()
    assert HandIns(tmp_path).look(folder, "sky").sha256 == sha256(b"good = 1")
    assert len(reads) == 1
    state = (folder / "sky.py").stat()
    (folder / "sky.py").write_bytes(b"evil = 2")  # as long, and its time set back: no program can set all times back
    os.utime(folder / "sky.py", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert HandIns(tmp_path).look(folder, "sky").sha256 == sha256(b"evil = 2")


def test_a_file_that_was_just_written_is_read_again_the_next_time(tmp_path, folder, reads):
    known = HandIns(tmp_path)
    known.look(folder, "sky")
    known.save()
    HandIns(tmp_path).look(folder, "sky")
    assert len(reads) == 2


@pytest.mark.parametrize("damage", [b"", b"[1]", b'{"ada\\u001fsky": 3}', b"\xff", b'{"ada\\u001fsky": ["sky.py"]}'])
def test_a_damaged_memory_costs_nothing_but_time(tmp_path, folder, damage):
    (tmp_path / "hand_ins.json").write_bytes(damage)
    assert HandIns(tmp_path).look(folder, "sky").sha256 == sha256(b"good = 1")


def test_what_is_loaded_is_what_lies_there_then(tmp_path, folder):
    known = HandIns(tmp_path)
    known.look(folder, "sky")
    (folder / "sky.py").write_bytes(b"better = 1")
    assert known.load(folder, "sky")[0] == b"better = 1"


def test_a_file_that_is_away_for_a_moment_is_waited_for(tmp_path, folder):
    known = HandIns(tmp_path)
    known.look(folder, "sky")
    (folder / "sky.py").unlink()
    back = threading.Timer(0.2, (folder / "sky.py").write_bytes, [b"back = 1"])
    back.start()
    assert known.load(folder, "sky")[0] == b"back = 1"
    back.join()


def test_a_file_that_stays_away_is_told_and_never_taken_for_an_empty_hand_in(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(hand_ins, "_PAUSES", (0.01, 0.01))
    known = HandIns(tmp_path)
    known.look(folder, "sky")
    (folder / "sky.py").unlink()
    with pytest.raises(HandInError, match="was there a moment ago"):
        known.load(folder, "sky")


def test_bytes_that_changed_while_they_were_read_are_read_again(tmp_path, folder, monkeypatch):
    read, halves = hand_ins.read_submission_file, [b"half", b"whole = 1", None]

    def meanwhile(path: Path) -> bytes | str:
        data = read(path)
        if (other := halves.pop(0)) is not None:
            (folder / "sky.py").write_bytes(other)
        return data

    monkeypatch.setattr(hand_ins, "read_submission_file", meanwhile)
    assert HandIns(tmp_path).look(folder, "sky").sha256 == sha256(b"whole = 1")
    assert not halves


def test_a_file_that_never_stands_still_is_told(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(hand_ins, "_PAUSES", (0.01, 0.01))
    read = hand_ins.read_submission_file

    def meanwhile(path: Path) -> bytes | str:
        data = read(path)
        (folder / "sky.py").write_bytes(os.urandom(9))
        return data

    monkeypatch.setattr(hand_ins, "read_submission_file", meanwhile)
    with pytest.raises(HandInError, match="changes while it is read"):
        HandIns(tmp_path).look(folder, "sky")


def test_nothing_and_refusals(tmp_path, folder):
    known = HandIns(tmp_path)
    (folder / "sky.py").unlink()
    found = known.look(folder, "sky")
    assert found.empty and "Nothing was handed in" in found.refusal
    for name in ("a.ipynb", "b.ipynb"):
        (folder / name).write_text("{}")
    found = known.look(folder, "sky")
    assert not found.empty and "Several files" in found.refusal


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_what_the_disk_does_not_give_is_no_hand_in_without_content(tmp_path, folder, monkeypatch, number):
    """It costs nobody points: 0 points for a refusal are the student's, rights and disks are ours."""
    monkeypatch.setattr(hand_ins, "_PAUSES", (0.01,))

    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr("netlens_core.grading.intake.os.open", refuse)
        with pytest.raises(HandInError, match=rf"{folder}.*sky.py cannot be read: {os.strerror(number)}"):
            HandIns(tmp_path).look(folder, "sky")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refuse)
        with pytest.raises(HandInError, match=f"folder cannot be read: {os.strerror(number)}"):
            HandIns(tmp_path).look(folder, "sky")
    assert HandIns(tmp_path).look(folder, "sky").sha256 == sha256(b"good = 1")


def test_gradescope_gets_no_points_for_what_the_disk_does_not_give(folder, monkeypatch):
    from types import SimpleNamespace

    from netlens_core import NetlensError
    from netlens_core.grading.exports import autograder

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("netlens_core.grading.intake.os.open", refuse)
    packed = SimpleNamespace(exercise=SimpleNamespace(slug="sky", catalog="en"), networks=None, course_seed=1)
    with pytest.raises(NetlensError, match=r"sky\.py cannot be read: Input/output error"):
        autograder._graded(packed, folder, "ada", "full")
