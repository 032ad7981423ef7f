"""Full disks, read-only folders, jumping clocks, two graders at once: told in a line, and nothing is lost by them."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.small_class import FEW, build, command, everything, graded, write

pytestmark = pytest.mark.slow


@pytest.fixture
def mounted() -> Iterator:
    """Mounts something for the time of a test; only root can."""
    places = []

    def mount(place: Path, *options: str) -> None:
        done = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting needs root: {done.stderr.strip()}")
        places.append(place)

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def few(undisturbed) -> dict[str, bytes]:
    """What the class earns when nothing goes wrong."""
    return everything(undisturbed())


def test_full_disks_and_read_only_folders_lose_nothing(tmp_path, few, mounted):
    """Told in a line; the same command goes on once there is room, and what cannot be written is left as it is."""
    folder = tmp_path / "course"
    (folder / ".netlens").mkdir(parents=True)
    mounted(folder / ".netlens", "-t", "tmpfs", "-o", "size=4M", "tmpfs")
    build(folder)
    filler = folder / ".netlens" / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - (60 << 10))  # room for some grades, not for all
    said = graded(folder, status=1)
    assert "No space left on device" in said and ".netlens" in said
    some = everything(folder)
    assert len(list((folder / ".netlens" / "grades").rglob("*.json"))) < FEW + 5
    filler.unlink()
    graded(folder)
    assert everything(folder) == few
    assert some.items() <= few.items()
    subprocess.run(["mount", "-o", "remount,ro", str(folder / ".netlens")], check=True)
    assert "Read-only file system" in graded(folder, status=1)
    assert everything(folder) == few


def test_jumping_clocks_and_damaged_files_change_nothing(tmp_path, undisturbed, few):
    """The wall clock leaps by years at every look, files are from 1970 and 2100; the damaged store heals."""
    folder = tmp_path / "course"
    shutil.copytree(undisturbed(), folder)
    write(
        tmp_path / "site" / "sitecustomize.py",
        "import random, time\nreal, dice = time.time, random.Random(4)\n"
        "time.time = lambda: real() + dice.uniform(-1e9, 1e9)\ntime.time_ns = lambda: int(time.time() * 1e9)\n",
    )
    path = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH")]))
    for place, file in enumerate(sorted((folder / "submitted").rglob("tiny.*"))):
        os.utime(file, (0, 0) if place % 2 else (4e9, 4e9))
    for file in (folder / ".netlens").rglob("*"):
        os.utime(file, (0, 0))
    assert "0 graded now" in graded(folder, PYTHONPATH=path)
    assert everything(folder) == few
    kept = sorted((folder / ".netlens" / "grades").rglob("*.json"))
    for file, content in zip(
        kept, itertools.cycle((b"", b"{", b"[]", b"\xff\xfe", b'{"points": 1e999}')), strict=False
    ):
        file.write_bytes(content)
    shutil.rmtree(folder / ".netlens" / "pictures")
    assert f"{FEW + 5} graded now" in graded(folder, PYTHONPATH=path)
    assert everything(folder) == few


def test_two_graders_at_once_do_the_work_once(tmp_path, few):
    """The second waits for the first, also where that is killed; the secret is made once."""
    folder = build(tmp_path / "course")
    both = [
        subprocess.Popen(command(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in "12"
    ]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(f"{FEW + 5} graded now" in words for words in said) == [False, True], said
    assert sum("waiting until it is done" in words and "0 graded now" in words for words in said) == 1, said
    assert everything(folder) == few


def test_stores_written_to_by_many_at_once_are_whole(tmp_path):
    """Without a lock (file systems have none sometimes) equal keys still hold equal, whole grades."""
    from netlens_core.grading.grade import Grade
    from netlens_core.grading.store import Store

    facts = dict(exercise="x", title="x", points=1, max_points=1, status="graded", checks=[], submission_sha256="0")
    facts |= dict(exercise_sha256="0", networks={}, netlens_version="0", sandbox="full", seed=1)
    grade = Grade(**facts, notes=["x" * 100_000], notebook=b"n" * 100_000)
    stop, bad = threading.Event(), []

    def write_it() -> None:
        while not stop.is_set():
            Store(tmp_path).write("ab", grade)

    def read_it() -> None:
        for _ in range(300):
            found = Store(tmp_path).read("ab")
            if found is not None and found.notes != grade.notes:
                bad.append(found)
        stop.set()

    threads = [threading.Thread(target=work) for work in (write_it, write_it, read_it)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not bad and Store(tmp_path).read("ab") is not None
