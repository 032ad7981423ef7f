"""Names that anybody gave a folder: no bytes and no locale stop a command, and every student keeps an own grade."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from netlens_core.grading.course import Course
from netlens_core.grading.course_folder import misplaced_work
from netlens_core.own_inputs import student_seed
from tests.nbgrader.sky import build, hand_in, opened

NO_UTF8 = (b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80", b"half\xc5")
STORABLE = (
    "ada", "ADA", "Žofie", "ä", "a\u0308", "CON", "nul.txt", "com1", "trail.", "a:b", 'q"uote', "back\\slash", "-rf",
    "~", "$(id)", "a · sky", "ž" * 127,
)  # fmt: skip
OTHERS = ("two\nlines", "unit\x1fseparator", "e" * 255, "\u202e", "\x1b[2J")
NAMES = [*map(os.fsdecode, NO_UTF8), *STORABLE, *OTHERS]
PLACE = b"d\xe9partement"

RUN = """
import json, os, sys
from pathlib import Path
from netlens_core.grading.course import Course
Course.fingerprints = property(lambda self: {"a": "weights of a", "b": "weights of b"})
from netlens_core.cli import main
folder, commands = sys.argv[1], json.loads(sys.argv[2])
statuses = []
for command in commands:
    sys.argv = ["netlens", *(part.replace("COURSE", folder) for part in command)]
    try:
        main()
    except SystemExit as ended:
        statuses.append(ended.code or 0)
    sys.stdout.flush()
Path(os.environ["STATUSES"]).write_text(json.dumps(statuses))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A graded class; what it was called by whoever made the folders is all that is odd."""
    root = Path(os.fsdecode(os.fsencode(tmp_path_factory.mktemp("names")) + b"/" + PLACE))
    folder = build(root / "course")
    for name in NAMES:
        hand_in(folder, name, f"Mine: {name!a}"[:200], 1.5)
    return folder


def run(folder: Path, tmp_path: Path, *commands: list[str], **environment: str) -> tuple[list[int], str]:
    """Commands in a process of their own with an environment; how each ended, and what was said."""
    statuses = tmp_path / "statuses"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), json.dumps(commands)],
        capture_output=True,
        env={**kept, "STATUSES": str(statuses), **environment},
        cwd=Path(__file__).parents[2],
    )
    said = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
    assert done.returncode == 0 and "Traceback" not in said, said
    return json.loads(statuses.read_text()), done.stdout.decode("utf-8")  # raises for anything that is no UTF-8


def test_every_view_has_every_student(folder, tmp_path):
    into = tmp_path / "out"
    exports = [["export", "COURSE", "--to", to, "--into", str(into / to)] for to in ("csv", "parquet", "gradescope")]
    sheets = [
        ["export", "COURSE", "--to", to, "--exercise", "sky", "--into", str(into / to)] for to in ("canvas", "moodle")
    ]
    tables = [["answers", "COURSE", "--to", str(tmp_path / name)] for name in ("read.html", "marks.csv")]
    statuses, said = run(folder, tmp_path, ["report", "COURSE"], *tables, ["answers", "COURSE"], *exports, *sheets)
    assert statuses == [1, 0, 0, 0, 0, 0, 0, 1, 1], said  # whom nbgrader, Canvas and Moodle cannot have is told

    for name in NAMES:
        kept = json.loads((folder / "grades" / name / "sky.json").read_bytes())
        assert (kept["student"], kept["points"]) == (name, 1.5)
    assert len(list((folder / "reports").glob("*.html"))) == len(NAMES) + 1
    with sqlite3.connect(Path(folder / "gradebook.db")) as opened:
        assert {name for (name,) in opened.execute("SELECT id FROM student")} == set(STORABLE)
    with (into / "csv" / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len({row["student"] for row in csv.DictReader(file)}) == len(NAMES)
    rows = parquet.read_table(into / "parquet" / "grades.parquet").to_pylist()
    assert {row["student"].encode("utf-8", "backslashreplace") for row in rows} == {
        name.encode("utf-8", "backslashreplace") for name in NAMES
    }
    assert len([path for path in (into / "gradescope").rglob("*") if path.is_file()]) == len(NAMES)
    assert "caf\\udce9" in (tmp_path / "read.html").read_text() and "caf\\udce9" in said


def test_a_table_comes_back_to_the_student_with_the_odd_name(folder, tmp_path):
    table = tmp_path / "marks.csv"
    run(folder, tmp_path, ["answers", "COURSE", "--to", str(table)])
    with table.open(encoding="utf-8-sig", newline="") as file:
        heading, *rows = csv.reader(file)
    for row in rows:
        row[heading.index("points")] = "2" if "caf" in row[0] else ""
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([heading, *rows])
    statuses, _ = run(folder, tmp_path, ["mark", "COURSE", str(table)])
    assert statuses == [1]  # for nbgrader's sake
    points = {name: json.loads((folder / "grades" / name / "sky.json").read_bytes())["points"] for name in NAMES}
    assert {name for name, got in points.items() if got != 1.5} == {os.fsdecode(b"caf\xe9")}


LOCALES = (
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONUTF8": "0"},
    {"LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
)


@pytest.mark.parametrize("environment", LOCALES)
def test_names_are_the_same_in_every_locale(folder, tmp_path, environment):
    """Another reading of the same bytes would be another student, with other inputs, and a grade that is not found."""
    [status], said = run(folder, tmp_path, ["answers", "COURSE", "--json"], **environment)
    assert status == 0
    found = json.loads(said)
    assert sorted(answer["student"] for answer in found) == sorted(NAMES)
    mine = {answer["student"]: answer["answer"] for answer in found}
    assert mine["Žofie"] == "Mine: '\\u017dofie'"


def test_accents_stored_in_two_ways_are_two_students_with_the_same_inputs():
    assert student_seed(7, "\u00e4", "sky") == student_seed(7, "a\u0308", "sky")


def test_work_that_is_never_looked_at_is_told(tmp_path, monkeypatch):
    """A full stop in front, a link, a folder that may not be read: what to do about it, and nobody else is stopped."""
    folder = build(tmp_path / "course")
    hand_in(folder, "ada", "Mine.")
    submitted = folder / "submitted"
    (submitted / "..ben" / "sky").mkdir(parents=True)
    (submitted / ".ipynb_checkpoints").mkdir()
    (submitted / "linked").symlink_to(submitted / "ada")
    (submitted / "carl").mkdir()
    (submitted / "carl" / "sky").symlink_to(submitted / "ada" / "sky")
    (submitted / "dora" / "sky").mkdir(parents=True)
    (submitted / "nowhere").symlink_to("nowhere")
    real, may_stat = os.access, Path.is_dir
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "dora" and real(path, mode))

    def is_dir(path: Path) -> bool:
        if path.parent.name == "dora":
            raise PermissionError(13, "Permission denied", str(path))
        return may_stat(path)

    monkeypatch.setattr(Path, "is_dir", is_dir)
    assert [found.student for found in Course(folder).handed_in()] == ["ada"]
    told = "\n".join(misplaced_work(folder, ["sky"]))
    assert "submitted/..ben begins with a full stop" in told and "rename it" in told
    assert "submitted/linked is a link" in told and "submitted/carl/sky is a link" in told
    assert "submitted/dora cannot be read" in told
    assert len(told.splitlines()) == 4


def test_a_name_with_a_line_feed_makes_no_second_line(folder, capsys):
    """Else a folder could be named so that it says something in netlens's name."""
    from netlens_core.commands.grading import told_damage

    book = opened(folder)
    [entry] = [entry for entry in book.entries if entry.student == "two\nlines"]
    (folder / ".netlens" / "notebooks" / f"{entry.key}.ipynb").write_bytes(b"")
    assert told_damage(book, "graded again")
    assert capsys.readouterr().err.count("\n") == 1
