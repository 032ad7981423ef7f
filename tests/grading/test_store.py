"""The store keeps grades whole: atomic, content-addressed, and healed where a file is damaged."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netlens_core.grading import files
from netlens_core.grading.files import make_private_folder, write_atomically, write_once
from netlens_core.grading.grade import Check, FigureNote, Grade
from netlens_core.grading.store import Store

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
        counted_seconds=1.25,
        slowdown=2.0,
        tries=("`f` ran out of memory.", "graded"),
    )


def test_what_was_written_is_read(tmp_path):
    store = Store(tmp_path)
    store.write("ab12", a_grade())
    assert store.read("ab12").model_dump() == a_grade().model_dump()
    assert store.seconds("ab12") == 2.5
    known = {"seconds": 2.5, "own_seconds": 1.5, "judging_seconds": 0.25, "counted_seconds": 1.25, "slowdown": 2.0}
    assert store.times("ab12") == known
    assert store.tries("ab12") == ("`f` ran out of memory.", "graded")
    assert store.times("cd34") == {} and store.seconds("cd34") == 0 and store.tries("cd34") == ()
    assert store.picture_path(FIGURE).read_bytes() == b"\x89PNG picture"
    assert store.notebook_path("ab12").read_bytes() == b"{}"


def test_equal_grades_are_equal_bytes_however_long_they_took(tmp_path):
    first, second = Store(tmp_path / "1"), Store(tmp_path / "2")
    first.write("ab12", a_grade())
    second.write("ab12", a_grade().model_copy(update={"seconds": 9.0, "slowdown": 1.0, "tries": ()}))
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


# -- damage ----------------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def flipped(path: Path) -> None:
    """One bit in the middle, and the file looks as old as before."""
    data, status = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n{}")


def of_another(path: Path) -> None:
    """What a copy gone wrong leaves: a whole file, but of something else."""
    path.write_bytes(path.read_bytes()[::-1])


def away(path: Path) -> None:
    path.unlink()


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "precious").write_bytes(b"somebody's")


def pipe_instead(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link_instead(path: Path) -> None:
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def closed(path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root reads everything")
    path.chmod(0)


DAMAGE = (
    cut, emptied, flipped, longer, of_another, away, folder_instead, pipe_instead, link_instead, link_to_nowhere, closed
)  # fmt: skip
FILES = ("grades/ab/ab12.json", "grades/ab/ab12.seconds", f"pictures/{FIGURE}", "notebooks/ab12.ipynb")


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("file", FILES)
def test_damage_is_told_and_writing_again_mends_it(tmp_path, file, damage: Callable[[Path], None]):
    Store(tmp_path).write("ab12", a_grade())
    whole = {name: (tmp_path / name).read_bytes() for name in FILES}
    damage(tmp_path / file)
    if file.endswith(".json") and damage in (away, link_to_nowhere):
        assert Store(tmp_path).read("ab12") is None  # as if it had never been graded
    else:
        store = Store(tmp_path)
        assert store.read("ab12") is None and store.damage("ab12").startswith(f"{file} ")
        shown = store.read("ab12", whole=False)  # the points of whose picture is lost are known all the same
        assert shown is None if file.endswith(".json") else shown.model_dump() == a_grade().model_dump()
    Store(tmp_path).write("ab12", a_grade())
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == whole
    assert Store(tmp_path).damage("ab12") == "" and Store(tmp_path).read("ab12") is not None
    kept = [path for path in tmp_path.rglob("precious") if path.read_bytes() == b"somebody's"]
    assert len(kept) == (damage is folder_instead)


def test_cuts_and_flipped_bits_all_over_a_grade_are_noticed(tmp_path):
    """A digit that became another one is valid JSON, and would be a wrong grade."""
    Store(tmp_path).write("ab12", a_grade())
    path = tmp_path / FILES[0]
    data = path.read_bytes()
    for place in range(0, len(data), 5):
        path.write_bytes(data[:place])
        assert Store(tmp_path).read("ab12") is None, place
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        assert Store(tmp_path).read("ab12") is None, place
    path.write_bytes(data)
    assert Store(tmp_path).read("ab12") is not None


def newer_than_its_pictures(grade: Path) -> None:
    """As it always is where writing takes longer than a tick of the clock."""
    time.sleep(0.02)
    os.utime(grade)


def test_a_change_that_left_no_trace_is_noticed_when_a_picture_is_shown(tmp_path, monkeypatch):
    """Bits that fell over on the disk change no time; the picture is not shown, and the grade is made anew."""
    Store(tmp_path).write("ab12", a_grade())
    flipped(tmp_path / f"pictures/{FIGURE}")
    newer_than_its_pictures(tmp_path / FILES[0])
    store = Store(tmp_path)
    assert store.read("ab12") is not None
    with pytest.raises(OSError, match="was changed"):
        store.picture(FIGURE)
    assert Store(tmp_path).read("ab12") is None  # also for the next process


def test_whole_pictures_are_not_read_again_to_know_it(tmp_path, monkeypatch):
    Store(tmp_path).write("ab12", a_grade())
    newer_than_its_pictures(tmp_path / FILES[0])
    read, real = [], files.read_regular_file

    def watched(path: Path) -> bytes:
        read.append(path.suffix)
        return real(path)

    monkeypatch.setattr("netlens_core.grading.store.read_regular_file", watched)
    assert Store(tmp_path).read("ab12") is not None and sorted(read) == [".json", ".seconds"]


@pytest.mark.parametrize("file", FILES)
def test_what_cannot_be_read_is_told_with_the_reason(tmp_path, file, monkeypatch):
    """A disk that is failing, or rights that are gone."""
    Store(tmp_path).write("ab12", a_grade())
    os.utime(tmp_path / file)
    real = files.read_regular_file

    def failing(path: Path) -> bytes:
        if path == tmp_path / file:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path)

    monkeypatch.setattr("netlens_core.grading.store.read_regular_file", failing)
    assert Store(tmp_path).read("ab12") is None
    assert Store(tmp_path).damage("ab12") == f"{file} cannot be read (Input/output error)"


def test_a_picture_that_was_never_there_is_missing(tmp_path):
    Store(tmp_path).write("ab12", a_grade().model_copy(update={"pictures": {}}))
    assert Store(tmp_path).damage("ab12") == f"pictures/{FIGURE} is missing"


# -- who writes at the same time, and who may read -------------------------------------------------------

WRITER = """
import os, sys, time
from pathlib import Path
from netlens_core.grading import files
path, mine, begin = Path(sys.argv[1]), sys.argv[2].encode(), float(sys.argv[3])
def refuse(*_, **__): raise PermissionError(1, "Operation not permitted")
os.link = refuse  # a file system without hard links
if sys.argv[4] == "slow":  # held up wherever others may get in between
    real, rename = files._content, Path.rename
    def slowly(there):
        found = real(there); time.sleep(0.02); return found
    files._content = slowly
time.sleep(max(0, begin - time.time()))
print(files.write_once(path, mine, 0o600).decode())
"""


@pytest.mark.parametrize("speed", ["fast", "slow"])
@pytest.mark.parametrize("before", [None, b"", b"\n"])
def test_of_many_processes_that_write_a_secret_at_once_one_does(tmp_path, before, speed):
    """Also where a full disk left an empty file, and without hard links or locks: everybody goes on with the same."""
    path = tmp_path / "secret"
    if before is not None:
        path.write_bytes(before)
    begin = str(time.time() + 1.0)
    many = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(number), begin, speed], stdout=subprocess.PIPE, text=True
        )
        for number in range(6)
    ]
    told = {process.communicate(timeout=600)[0].strip() for process in many}
    assert [process.returncode for process in many] == [0] * 6
    assert len(told) == 1 and path.read_text() == told.pop()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", range(4))
def test_however_two_writers_of_a_secret_take_turns_both_have_the_same(tmp_path, place, monkeypatch):
    """A second one writes all it has to write, at each moment at which the first one has just looked."""
    path, looks, second = tmp_path / "secret", [], []
    path.write_bytes(b"")
    real = files._content

    def looked(there: Path) -> bytes:
        found = real(there)
        looks.append(there)
        if len(looks) == place + 1 and not second:
            second.append(write_once(path, b"second", 0o600))
        return found

    monkeypatch.setattr(files, "_content", looked)
    first = write_once(path, b"first", 0o600)
    assert len(looks) > place
    assert not second or (first == second[0] == path.read_bytes())
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_of_a_secret_is_in_nobodys_way(tmp_path, monkeypatch):
    path = tmp_path / "secret"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "_give_up", killed)
        write_once(path, b"killed", 0o600)
    path.write_bytes(b"")
    assert write_once(path, b"mine", 0o600) == b"killed" == path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_secrets_are_at_no_moment_readable_by_others(tmp_path, monkeypatch):
    """Whatever is on the disk while a file is written is its owner's alone, also with a generous umask."""
    seen = set()

    def look(descriptor: int) -> None:
        seen.update(path.stat().st_mode & 0o077 for path in tmp_path.rglob("*") if path.is_file())
        assert os.fstat(descriptor).st_size

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    try:
        write_once(tmp_path / "secret", b"secret", 0o600)
        Store(tmp_path / "store").write("ab12", a_grade())
        write_atomically(tmp_path / "private", b"x", 0o600)
    finally:
        os.umask(before)
    assert seen == {0}
    write_atomically(tmp_path / "public", b"x")
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644


def test_the_hidden_folder_is_closed_to_others(tmp_path):
    """Made so, and mended where it is open; a link to a larger disk stays one."""
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "made" / "hidden")
    finally:
        os.umask(before)
    assert (tmp_path / "made" / "hidden").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o2775)
    (tmp_path / "link").symlink_to("open")
    make_private_folder(tmp_path / "link")
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o700 and (tmp_path / "link").is_symlink()
    for name in ("dangling", "file"):
        path = tmp_path / name
        path.symlink_to("nowhere") if name == "dangling" else path.write_bytes(b"")
        with pytest.raises(OSError, match="no folder"):
            make_private_folder(path)
