"""Temporary folders: what a killed owner leaves behind goes away, what is in use stays."""

from __future__ import annotations

import errno
import fcntl
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from netlens_core.grading import pool, scratch
from netlens_core.grading.scratch import (
    TemporaryFolderError,
    check_temporary_folder,
    owned_folder,
    remove_folder,
    temporary_files,
)

_OWNER = (
    "from netlens_core.grading.scratch import owned_folder\n"
    "folder, lock = owned_folder('owned-'); print(folder, flush=True); input()"
)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_folders_of_the_dead_are_removed_and_those_of_the_living_stay(temporary):
    owner = subprocess.Popen([sys.executable, "-c", _OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    theirs = Path(owner.stdout.readline().strip())
    assert theirs.parent == temporary
    ours, lock = owned_folder("owned-")
    with lock:
        assert theirs.is_dir() and ours.is_dir() and ours != theirs
        os.kill(owner.pid, signal.SIGKILL)
        owner.communicate()
        third, other = owned_folder("owned-")
        with other:
            assert third.is_dir() and ours.is_dir() and not theirs.exists()


def test_a_folder_without_a_lock_belongs_to_someone_else(temporary):
    (temporary / "owned-by-hand").mkdir()
    _, lock = owned_folder("owned-")
    with lock:
        assert (temporary / "owned-by-hand").is_dir()


# -- what others left there ------------------------------------------------------------------------------


def foreign_things(temporary: Path) -> list[Path]:
    """What anybody may make in /tmp, under names that netlens uses."""
    precious = temporary / "precious"
    precious.mkdir()
    (precious / "lock").write_bytes(b"")
    (precious / "kept").write_bytes(b"kept")
    os.mkfifo(temporary / "owned-pipe")
    (temporary / "owned-file").write_bytes(b"")
    (temporary / "owned-link").symlink_to(precious)
    (temporary / "owned-loop").symlink_to("owned-loop")
    kinds = {
        "pipe": lambda lock: os.mkfifo(lock),
        "link": lambda lock: lock.symlink_to(precious / "lock"),
        "folder": lambda lock: lock.mkdir(),
        "nowhere": lambda lock: lock.symlink_to("nowhere"),
        "terminal": lambda lock: lock.symlink_to("/dev/tty"),
    }
    for name, make in kinds.items():
        folder = temporary / f"owned-with-{name}"
        folder.mkdir()
        make(folder / "lock")
    return sorted(temporary.rglob("*"))


def test_foreign_folders_neither_hang_nor_trick_a_start(temporary):
    """Pipes are not waited on, links not followed, and nothing that is not a folder with a free lock is removed."""
    before = foreign_things(temporary)
    signal.alarm(20)  # a start that waits would wait for ever
    try:
        folder, lock = owned_folder("owned-")
    finally:
        signal.alarm(0)
    with lock:
        assert sorted(set(temporary.rglob("*")) - {folder, folder / "lock"}) == before


def test_another_users_folder_is_left_alone(temporary, monkeypatch):
    left, lock = owned_folder("owned-")
    lock.close()  # nobody holds it
    real = os.geteuid()
    monkeypatch.setattr(scratch.os, "geteuid", lambda: real + 1)
    _, other = owned_folder("owned-")
    with other:
        assert left.is_dir()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    _, third = owned_folder("owned-")
    with third:
        assert not left.exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_does(temporary, number, monkeypatch):
    """Nothing can be told to be in use there, so nothing is removed."""

    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    (first, lock), (second, other) = owned_folder("owned-"), owned_folder("owned-")
    with lock, other:
        assert first.is_dir() and second.is_dir() and first != second


# -- a folder that cannot be used ------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path, monkeypatch) -> Iterator[Path]:
    """A small disk without room for temporary files; only root can mount one."""
    place = tmp_path / "full"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"mounting needs root: {done.stderr.strip()}")
    with pytest.raises(OSError, match="No space"), (place / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def says_what_to_do(error: OSError, folder: Path, reason: str) -> bool:
    told = error.strerror
    return error.filename == str(folder) and reason in told and "set TMPDIR" in told and "\n" not in told


def test_a_full_folder_is_named_with_what_to_do(full):
    def write() -> None:
        with temporary_files():
            (full / "grader").write_bytes(bytes(1 << 16))

    for use in (write, check_temporary_folder):
        with pytest.raises(TemporaryFolderError) as caught:
            use()
        assert says_what_to_do(caught.value, full, "No space left on device")
        assert says_what_to_do(pickle.loads(pickle.dumps(caught.value)), full, "No space")  # out of a worker


@pytest.mark.parametrize(("kind", "reason"), [("missing", "No such file"), ("a file", "Not a directory")])
def test_a_tmpdir_that_is_no_folder_is_told(tmp_path, monkeypatch, kind, reason):
    """Python would take another folder, without a word."""
    place = tmp_path / "place"
    if kind == "a file":
        place.write_bytes(b"")
    monkeypatch.setenv("TMPDIR", str(place))
    with pytest.raises(TemporaryFolderError) as caught:
        check_temporary_folder()
    assert says_what_to_do(caught.value, place, reason)


def test_a_command_ends_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "netlens_core.cli", "grade", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "nowhere")},
    )
    [told] = [line for line in done.stderr.splitlines() if line.startswith("netlens: ")]
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    assert str(tmp_path / "nowhere") in told and "set TMPDIR" in told


def faulty(*_: object, **__: object) -> SimpleNamespace:
    return SimpleNamespace(checks=[SimpleNamespace(fault="OSError: [Errno 28] No space left on device")])


def failing(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("grade", [faulty, failing])
def test_a_folder_that_becomes_full_costs_no_grade(full, grade):
    """It ends the run in a line: no submission is told to have met a fault, and the next run grades it."""
    with pytest.raises(TemporaryFolderError):
        pool._guarded(grade, False, b"", None, None, 1, "x.py", "full")


def nested(folder: Path, depth: int) -> None:
    """Folders in folders: far more than a path can name, or a function call itself."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_whatever_lies_in_a_folder_it_is_removed(temporary):
    """Nested 1,100 deep, closed to its owner, links out of it, pipes, names that are no text; and nothing outside."""
    beside, folder = temporary / "beside", temporary / "folder"
    (beside / "kept").mkdir(parents=True)
    beside.chmod(0o500)
    folder.mkdir()
    nested(folder, 1100)
    for mode in (0o000, 0o300, 0o500):
        (folder / f"closed{mode}").mkdir()
        (folder / f"closed{mode}" / "file").touch()
        (folder / f"closed{mode}" / "below").mkdir()
        (folder / f"closed{mode}").chmod(mode)
    (folder / "link").symlink_to(beside)
    (folder / "nowhere").symlink_to("missing")
    os.mkfifo(folder / "pipe")
    (folder / os.fsdecode(b"\xff")).mkdir()
    remove_folder(folder)
    assert not folder.exists()
    assert (beside / "kept").is_dir() and beside.stat().st_mode & 0o777 == 0o500
    remove_folder(temporary / "missing")


def test_a_link_in_place_of_a_folder_is_not_followed(temporary):
    (temporary / "other").mkdir()
    (temporary / "other" / "kept").touch()
    (temporary / "link").symlink_to("other")
    remove_folder(temporary / "link")
    assert (temporary / "other" / "kept").exists()


def test_what_a_killed_owner_left_nested_deep_stops_no_start(temporary):
    """A submission at the reduced level can leave that."""
    left, lock = owned_folder("owned-")
    nested(left, 1100)
    lock.close()
    ours, lock = owned_folder("owned-")
    lock.close()
    assert ours.exists() and not left.exists()
