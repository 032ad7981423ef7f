"""`netlens answers` and `netlens mark` as people use them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from netlens_core.grading.marks import Marks
from tests.grading.answers.sky_course import (
    ANSWERS,
    filled_in,
    hand_in,
)
from tests.quick_python import quick_python


@pytest.fixture
def installed(course, monkeypatch) -> Path:
    """The same course for processes of their own, which know real networks only."""
    monkeypatch.undo()
    text = (course / "course.yaml").read_text()
    (course / "course.yaml").write_text(text.replace("target: a, jury: [b]", "target: LITE0, jury: [LITE1]"))
    for name, network in (("LITE0", "efficientnet_lite0"), ("LITE1", "efficientnet_lite1")):
        text = (course / "course.yaml").read_text()
        (course / "course.yaml").write_text(text.replace(name, network))
    for student, answer in ANSWERS.items():
        hand_in(course, student, answer)
    return course


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [*quick_python(), "-m", "netlens_core.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def netlens(*arguments: object) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.mark.slow
def test_two_people_mark_at_once_and_nothing_is_lost(installed, tmp_path):
    page = tmp_path / "answers.html"
    assert netlens("answers", installed, "--blind", "--to", page)[0] == 0 and "anon-" in page.read_text()
    table = tmp_path / "marks.csv"
    assert netlens("answers", installed, "--blind", "--to", table)[0] == 0
    rows = list(csv.DictReader(io.StringIO(table.read_bytes().decode("utf-8-sig"), newline="")))
    mine, theirs = rows[:2], rows[2:]
    for row in rows:
        row["points"] = "1"
    running = [
        start("mark", installed, filled_in(tmp_path / "mine.csv", mine)),
        start("mark", installed, filled_in(tmp_path / "theirs.csv", theirs)),
    ]
    said = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert len(Marks(installed / ".netlens").read()) == len(ANSWERS)
    kept = [json.loads(path.read_text())["points"] for path in (installed / "grades").glob("*/sky.json")]
    assert kept == [4.0] * len(ANSWERS)

    arguments = ("--student", "ada", "--exercise", "sky", "--check", "test_why")
    code, out, _ = netlens("mark", installed, *arguments, "--points", "1.5", "--comment", "Why?")
    assert code == 0 and "0 new, 1 changed" in out
    code, out, _ = netlens("answers", installed, "--json")
    assert {a["student"]: a["points"] for a in json.loads(out)}["ada"] == 1.5
    assert netlens("mark", installed, *arguments, "--withdraw")[0] == 0
    code, out, _ = netlens("answers", installed)
    assert "1 not marked yet, 4 marked, 0 changed" in " ".join(out.split())
    for wrong, told in (
        (["--student", "nobody", "--exercise", "sky", "--points", "1"], "'nobody' is no student"),
        (["--student", "ada", "--exercise", "sky", "--points", "7"], "outside 0 to 2"),
        (["--student", "ada", "--exercise", "sky"], "--points or --withdraw"),
        ([], "give a table"),
        (["nothing.csv"], "nothing.csv cannot be read"),
    ):
        code, _, err = netlens("mark", installed, *wrong)
        assert code == 2 and told in " ".join(err.split()) and "Traceback" not in err
    code, _, err = netlens("answers", installed, "--to", "answers.pdf")
    assert code == 2 and ".html" in err
