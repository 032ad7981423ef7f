"""Whatever happens to any file that netlens keeps: no command waits for ever or ends in a traceback, and it is told."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from netlens_core import NetlensError
from netlens_core.grading.alone import working_alone
from netlens_core.grading.answers import MarkSheet
from netlens_core.grading.course import Course
from netlens_core.grading.history import Graded
from tests.nbgrader.sky import build, hand_in, opened


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """A class with everything that netlens keeps of one: grades, marks, histories, what nbgrader shows."""
    folder = build(tmp_path_factory.mktemp("damaged") / "course")
    for student in ("ada", "ben"):
        hand_in(folder, student, "Rayleigh.", 1.5)
    book = opened(folder)
    for student in ("ada", "ben"):
        book.course.marks.write(MarkSheet(book).mark(student, "sky", "", "1", "Good."))
    for entry in book.entries:
        grade = book.course.store.read(entry.key)
        book.history.append(entry.place, Graded.of(entry.key, grade, ["new"]))
    book.write_views()
    assert book.nbgrader.troubles == []
    (folder / ".netlens" / "changes.json").write_text("[]")
    with working_alone(book.course, waiting=lambda: None):
        pass
    return folder


@pytest.fixture
def folder(graded, tmp_path) -> Path:
    return shutil.copytree(graded, tmp_path / "course", symlinks=True)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" * 20)


def other_json(path: Path) -> None:
    path.write_bytes(b'{"left": [[]], "student": 3, "key": {}, "checks": [1e999]}\n')


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def used(folder: Path) -> None:
    """What grading and reporting do with what is kept."""
    course = Course(folder)
    with working_alone(course, waiting=lambda: None):
        book = opened(folder)
        book.pending()
        book.damaged()
        book.write_views()
        book.works()
        for entry in book.entries:
            book.history.append(entry.place, Graded.of(entry.key or "0" * 64, book.works()[0].grade, ["new"]))


@pytest.mark.parametrize(
    "damage", [emptied, cut, no_text, other_json, pipe, folder_instead, loop], ids=lambda damage: damage.__name__
)
def test_any_damage_to_any_file_is_borne_or_told(folder, damage: Callable[[Path], None]):
    kept = sorted(path.relative_to(folder) for path in (folder / ".netlens").rglob("*") if path.is_file())
    assert {path.suffix for path in kept} >= {"", ".json", ".seconds", ".png", ".ipynb", ".jsonl"}
    for name in kept:
        path, before = folder / name, (folder / name).read_bytes()
        damage(path)
        signal.alarm(60)  # whoever waits for the other end of a pipe waits for ever
        try:
            used(folder)
        except (NetlensError, OSError) as error:
            told = f"{getattr(error, 'filename', '')} {error}"
            assert path.name in told, f"{name}: {told}"
        finally:
            signal.alarm(0)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(before)


def test_damage_is_told_graded_again_and_shown_meanwhile(folder, capsys):
    """Whose picture is damaged keeps the points on every page; staff read whose it is, and what mends it."""
    from netlens_core.commands.grading import told_troubles

    [notebook, _] = sorted((folder / ".netlens" / "notebooks").iterdir())
    cut(notebook)
    book = opened(folder)
    [entry] = [entry for entry in book.entries if entry.key == notebook.stem]
    assert [work.grade.points for work in book.works()] == [2.5, 2.5]
    assert [pending.key for pending in book.pending()] == [entry.key]
    book.write_views()
    assert told_troubles(book)
    said = capsys.readouterr().err
    assert f"{entry.label}: notebooks/{notebook.name} is cut short" in said and "netlens grade" in said


def test_a_lock_that_is_no_file_and_a_course_on_a_link(folder, tmp_path):
    lock = folder / ".netlens" / "lock"
    for damage in (pipe, folder_instead):
        damage(lock)
        with pytest.raises(OSError, match=r"directory|no plain file"), working_alone(Course(folder), lambda: None):
            raise AssertionError
        lock.rmdir() if lock.is_dir() else lock.unlink()
        lock.write_bytes(b"")
    (folder / ".netlens").rename(tmp_path / "larger disk")
    (folder / ".netlens").symlink_to(tmp_path / "larger disk")
    with working_alone(Course(folder), lambda: None):
        assert [work.grade.points for work in opened(folder).works()] == [2.5, 2.5]


def test_the_next_command_closes_a_hidden_folder_that_is_open(folder):
    (folder / ".netlens").chmod(0o755)
    assert Course(folder).secret == "4711"
    assert (folder / ".netlens").stat().st_mode & 0o777 == 0o700
    marks = list((folder / ".netlens" / "marks").iterdir())
    assert marks and {path.stat().st_mode & 0o777 for path in marks} == {0o600}


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_course_on_a_file_system_without_locks_is_worked_on_all_the_same(folder, monkeypatch, number):
    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    with working_alone(Course(folder), waiting=lambda: pytest.fail("nobody else is there")):
        assert opened(folder).works()


def test_a_course_of_another_account_is_told(folder, monkeypatch):
    """Such as one that several assistants share: who graded it has its secret, and nobody else ever had."""
    mine = os.geteuid()

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("netlens_core.grading.course.read_regular_file", refuse)
    with pytest.raises(PermissionError, match=r"it belongs to the account .* work as that account"):
        Course(folder).known_secret()
    with pytest.raises(PermissionError, match="it belongs to the account"), working_alone(Course(folder), lambda: None):
        raise AssertionError
