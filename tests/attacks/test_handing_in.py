"""Attacks by what is handed in: archives, special files, and names that mean something to who reads them.

Each costs its student the points, in words; the honest file beside it is read as ever, in the same run.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import unicodedata
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from pyarrow import parquet
from rich.console import Console
from typer.testing import CliRunner

from netlens_core.cli import app
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CheckSpec, Exercise, ExerciseSheet, Networks
from netlens_core.grading.gradebook import Gradebook
from netlens_core.grading.intake import read_submission
from netlens_core.grading.pipeline import grade
from netlens_core.grading.tables import class_table
from tests.faults.small_class import build

HONEST = b'{"cells": [{"cell_type": "code", "source": "a = 1", "metadata": {}}]}'
EXERCISE = Exercise(
    "noise", ExerciseSheet(title="x", functions={}), (CheckSpec("test_it", "It works.", 4.0, False),), {}
)
NETWORKS = Networks("a", ("b",), {"a": "0", "b": "1"})


def zipped(*entries: tuple[str, bytes], mode: int = 0) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return held.getvalue()


def understated(size: int) -> bytes:
    """A bomb whose directory claims a few bytes."""
    data = bytearray(zipped(("noise.ipynb", bytes(size))))
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = data.index(mark) + at
        data[start : start + 4] = (100).to_bytes(4, "little")
    return bytes(data)


FILES = {
    "zip slip": zipped(("../../../.netlens/gradebook.ipynb", HONEST)),
    "zip slip by backslashes": zipped(("..\\..\\noise.ipynb", HONEST)),
    "absolute path": zipped(("/etc/cron.d/noise.ipynb", HONEST)),
    "drive": zipped(("C:/noise.ipynb", HONEST)),
    "link": zipped(("noise.ipynb", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777),
    "character device": zipped(("noise.ipynb", b""), mode=stat.S_IFCHR | 0o666),
    "block device": zipped(("noise.ipynb", b""), mode=stat.S_IFBLK | 0o666),
    "FIFO": zipped(("noise.ipynb", b""), mode=stat.S_IFIFO | 0o666),
    "socket": zipped(("noise.ipynb", b""), mode=stat.S_IFSOCK | 0o666),
    "nested": zipped(("inner.zip", zipped(("noise.ipynb", HONEST)))),
    "bomb": zipped(("noise.ipynb", bytes(40 << 20))),
    "bomb that understates itself": understated(40 << 20),
    "bomb inside a bomb": zipped(("a.zip", zipped(("noise.ipynb", bytes(40 << 20))))),
    "10,000 files": zipped(*((f"{n}.txt", b"") for n in range(10_000))),
    "case collision": zipped(("Noise.ipynb", HONEST), ("NOISE.IPYNB", HONEST)),
    "the same name twice": zipped(("noise.ipynb", HONEST), ("noise.ipynb", b"{}")),
    "no notebook but a picture": zipped(("noise.png", b"\x89PNG\r\n\x1a\n")),
    "an ELF program": b"\x7fELF" + bytes(200),
    "a pickle": b"\x80\x04\x95" + bytes(40),
    "deeply nested JSON": b'{"cells":' + b"[" * 100_000,
    "a number of 10,000 digits": b'{"cells": ' + b"9" * 10_000 + b"}",
    "HTML that poses as a notebook": b"<script>alert(1)</script>\x00",
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", FILES)
def test_hostile_files_are_refused_in_words(name):
    """A refusal is a grade: no points, the reason in every check, and the next file is read as ever."""
    found = grade(FILES[name], EXERCISE, NETWORKS, 1, name="noise.zip" if FILES[name][:2] == b"PK" else "noise.ipynb")
    assert (found.status, found.points, len(found.checks)) == ("refused", 0, 1)
    assert found.message and found.checks[0].message == found.message and len(found.message) < 500
    assert harmless(found.message)
    assert [cell.source for cell in read_submission(HONEST, "noise.ipynb").code_cells] == ["a = 1"]


# -- names -----------------------------------------------------------------------------------------------

STUDENTS = [
    "=cmd|' C calc'!A0", "+1+1", "@SUM(A1)", "-2", "<script>alert(1)<script>", '"><img src=x onerror=alert(1)>',
    "\x1b[2J\x1b]0;owned\x07", "\u202egnp.exe", "\u200b", "{{7*7}}", "[x](javascript:alert(1))", "javascript:alert(1)",
    "index", "Index", "CON", "A", "a", "x" * 200, "a b", "%2e%2e%2f", "100%", "ä", "a\u0308", "[red]x",
]  # fmt: skip


class Page(HTMLParser):
    """Notes what could run, and where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key.startswith("on") or (value or "").strip().lower().startswith(("javascript:", "data:text")):
                self.bad.append(f"{tag} {key}={value}")
            if key == "href" and value:
                self.links.append(value)
        if tag in ("iframe", "object", "embed", "base", "form"):
            self.bad.append(tag)

    handle_startendtag = handle_starttag


def harmless(text: str) -> bool:
    return all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)


@pytest.fixture(scope="module")
def named_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Students whose names are attacks; what they hand in are links, pipes, devices, folders, nothing."""
    folder = build(tmp_path_factory.mktemp("names") / "course", honest=0)
    for entry in (folder / "submitted").iterdir():
        for file in sorted(entry.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        entry.rmdir()
    for number, name in enumerate(STUDENTS):
        place = folder / "submitted" / name / "tiny"
        place.mkdir(parents=True)
        file = place / "tiny.py"
        match number % 5:
            case 0:
                file.symlink_to("/etc/passwd")
            case 1:
                os.mkfifo(file)
            case 2:
                file.mkdir()
            case 3 if os.getuid() == 0:
                os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 5))
            case _:
                (place / "\x1b[2J<b>\u202e.py.txt").write_text("")
    (folder / "submitted" / "linked").symlink_to(folder / ".netlens")
    return folder


def test_names_and_special_files_reach_nobody(named_class):
    """Terminal, gradebook and report show the names and open none of the files; every student has an own page."""
    book = Gradebook(Course(named_class), "full")
    assert sorted(entry.student for entry in book.entries) == sorted(STUDENTS)
    graded = list(book.grade(book.pending(), workers=1))
    assert {found.status for _, found in graded} == {"refused"}
    assert all(harmless(found.message) for _, found in graded)
    page = book.write_views()
    shown = io.StringIO()
    Console(file=shown, width=200, color_system=None).print(class_table(book.works(), book.maximum()))
    assert harmless(shown.getvalue()) and "[red]x" in shown.getvalue()
    pages = sorted(page.parent.glob("*.html"))
    assert len(pages) == len(STUDENTS) + 1
    for path in pages:
        text = path.read_text()
        read = Page(text)
        assert read.bad == [] and "<script>alert" not in text and "\x1b" not in text and "\u202e" not in text
        for link in read.links:
            assert link.startswith("#") or (path.parent / unquote(link.partition("#")[0])).is_file(), link
    for name in STUDENTS:
        kept = json.loads((named_class / "grades" / name / "tiny.json").read_text())
        assert (kept["student"], kept["status"], kept["points"]) == (name, "refused", 0)


def formulas(path: Path) -> list[str]:
    """Cells that a spreadsheet would run, or that do more to a terminal than show text."""
    rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
    cells = [cell for row in rows for cell in row if not re.fullmatch(r"-?[0-9]*[.]?[0-9]*", cell)]
    assert len(cells) > len(STUDENTS)
    return [cell for cell in cells if cell.lstrip(" ")[:1] in "=+-@\t\r\n＝＋－＠" or not harmless(cell)]


def test_names_and_messages_are_text_in_every_export(named_class):
    """Spreadsheets run nothing, terminals obey nothing, no file lands elsewhere; whoever is left out is told."""
    book = Gradebook(Course(named_class), "full")
    list(book.grade(book.pending(), workers=1))
    into, told = named_class / "out", {}
    for to in ("canvas", "moodle", "gradescope", "csv", "parquet"):
        ran = CliRunner().invoke(
            app, ["export", str(named_class), "--to", to, "--exercise", "tiny", "--into", str(into / to)]
        )
        assert ran.exit_code in (0, 1) and not isinstance(ran.exception, Exception), (to, ran.exception)
        assert harmless(ran.output), to
        told[to] = ran.output
    for path in [*into.rglob("*.csv")]:
        assert formulas(path) == [], path
    results = sorted((into / "gradescope").rglob("*"))
    assert len([path for path in results if path.is_file()]) == len(STUDENTS)
    for path in results:
        assert path.is_dir() or (harmless(path.read_text()) and json.loads(path.read_text())["score"] == 0)
    rows = parquet.read_table(into / "parquet" / "grades.parquet").to_pylist()
    assert {row["student"] for row in rows} == set(STUDENTS) and {row["points"] for row in rows} == {0.0}
    assert "enter these by hand" in told["canvas"] and "enter these by hand" in told["moodle"]
