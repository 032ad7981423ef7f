"""`netlens export`: every platform's files from a course, marks of people and lateness included."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from nbgrader.api import Gradebook as NbgraderBook
from pyarrow import parquet
from rich.console import Console

from netlens_core.grading import course as course_module
from netlens_core.grading.course import Course
from netlens_core.grading.marks import Mark, answer_sha256
from netlens_core.grading.nbgrader.config import database_url
from netlens_core.grading.tables import class_table
from tests.nbgrader.sky import build, hand_in, opened, write


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """Three students of one exercise; Ada's written answer has a mark, Zed's waits, and Žofie has all other points."""
    monkeypatch.setattr(course_module, "fingerprint", lambda name, cache: f"weights of {name}")
    folder = build(tmp_path / "course")
    hand_in(folder, "ada", "Scattering", 1.5)
    hand_in(folder, "zed", "Don't know", 0)
    hand_in(folder, "Žofie", "", 3)
    [(_, grade)] = [pair for pair in opened(folder).graded() if pair[0].student == "ada"]
    subject = answer_sha256(grade.checks[1])
    opened(folder).course.marks.write(Mark("ada", "sky", "test_why", 2.0, "Well said", subject))
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def test_every_format_tells_the_same_points(course, shell):
    expected = {"ada": 3.5, "zed": 0.0, "Žofie": 3.0}
    for platform in ("csv", "parquet", "canvas", "gradescope"):
        status, said, told = shell("export", course, "--to", platform)
        assert status == 0 and "3 grades of 3 students." in said
        assert "still waiting for a person" in told and "zed (sky)" in told and "ada (sky)" not in told
    assert shell("export", course, "--to", "moodle", "--exercise", "sky")[0] == 0
    place = course / "exports"
    assert {row["student"]: float(row["score"]) for row in rows(place / "grades.csv")} == expected
    assert {row["SIS Login ID"]: float(row["A question"]) for row in rows(place / "canvas.csv")[1:]} == expected
    moodle = {row["Username"]: row for row in rows(place / "moodle.csv")}
    assert {student: float(row["A question"]) for student, row in moodle.items()} == expected
    assert "Well said" in moodle["ada"]["A question (feedback)"]
    assert "<script>" not in moodle["ada"]["A question (feedback)"]
    table = parquet.read_table(place / "grades.parquet").to_pylist()
    assert {row["student"]: row["score"] for row in table} == expected
    results = {path.parts[-3]: json.loads(path.read_text()) for path in place.rglob("results.json")}
    assert {student: content["score"] for student, content in results.items()} == expected
    assert "data:image/png" in results["ada"]["tests"][0]["output"]


def test_the_sheet_that_canvas_exported_is_filled_in(course, shell, tmp_path):
    sheet, filled = tmp_path / "sheet.csv", tmp_path / "filled.csv"
    sheet.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Sky (7),Final Score\n    Points Possible,,,,,10.00,(read only)\n"
        '"Lovelace, Ada",1,,ada,x,,\n"Nobody, At All",2,,nobody,x,4.00,\n'
    )
    status, said, told = shell("export", course, "--to", "canvas", "--template", sheet, "--into", filled)
    assert status == 0 and "as far as they are in the sheet" in said
    assert "zed, Žofie" in told and "Nobody, At All" in told and "scaled" in told
    assert [row["Sky (7)"] for row in rows(filled)] == ["10.00", "7.00", "4.00"]


def test_only_finished_grades_if_wished(course, shell, tmp_path):
    assert shell("export", course, "--to", "csv", "--finished", "--into", tmp_path / "out")[0] == 0
    assert [row["student"] for row in rows(tmp_path / "out" / "grades.csv")] == ["ada", "Žofie"]


@pytest.fixture
def late_course(course):
    """Ada is late, which costs 0.7499… points by the course's plugin."""
    (course / "late.py").write_text(
        "from nbgrader.plugins import BasePlugin\n\nclass Some(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n        return 0.7499999\n"
    )
    (course / "nbgrader_config.py").write_text('c = get_config()\nc.AssignLatePenalties.plugin_class = "late.Some"\n')
    (course / "submitted" / "ada" / "sky" / "timestamp.txt").write_text("2026-01-02 00:00:00 UTC")
    assert write(course) == []
    with NbgraderBook(database_url(Course(course)), "course") as book:
        book.update_or_create_assignment("sky", duedate="2026-01-01 00:00:00 UTC")
    assert write(course) == []
    return course


def test_lateness_by_nbgraders_plugin_is_taken_off(late_course, shell, tmp_path):
    assert shell("export", late_course, "--to", "csv", "--into", tmp_path / "out")[0] == 0
    found = {row["student"]: row for row in rows(tmp_path / "out" / "grades.csv")}
    assert (found["ada"]["score"], found["ada"]["points"], found["ada"]["late_penalty"]) == ("2.75", "3.5", "0.75")
    assert found["Žofie"]["late_penalty"] == "0"


def test_lateness_is_the_same_number_in_the_same_words_wherever_it_is_told(late_course, shell, tmp_path):
    """Terminal, class page, student page, JSON, exports and nbgrader's gradebook."""
    said = r"Handed in late: ([\d.]+) points are taken off in the end"
    book = opened(late_course)
    console = Console(file=io.StringIO(), width=200)
    console.print(class_table(book.works(), book.maximum()))
    assert shell("export", late_course, "--to", "moodle", "--exercise", "sky", "--into", tmp_path / "m.csv")[0] == 0
    shell("export", late_course, "--to", "gradescope", "--into", tmp_path / "g")
    shell("export", late_course, "--to", "canvas", "--into", tmp_path / "c.csv")
    shell("export", late_course, "--to", "csv", "--into", tmp_path / "csv")
    reports = late_course / "reports"
    moodle = {row["Username"]: row for row in rows(tmp_path / "m.csv")}
    texts = {
        "terminal": console.file.getvalue(),
        "class page": (reports / "index.html").read_text(),
        "student page": (reports / "ada.html").read_text(),
        "Moodle": moodle["ada"]["A question (feedback)"],
        "Gradescope": json.loads((tmp_path / "g/ada/sky/results.json").read_text())["output"],
    }
    assert {place: re.findall(said, text) for place, text in texts.items()} == {place: ["0.75"] for place in texts}
    files = [json.loads((late_course / "grades" / who / "sky.json").read_text()) for who in ("ada", "zed")]
    printed = {each["student"]: each.get("late_penalty") for each in book.as_json()}
    with NbgraderBook(database_url(Course(late_course)), "course") as kept:
        nbgrader = kept.find_submission("sky", "ada").late_submission_penalty
    assert [files[0]["late_penalty"], printed["ada"], nbgrader] == [0.75] * 3
    assert "late_penalty" not in files[1] and printed["zed"] is None
    table = {row["student"]: float(row["late_penalty"]) for row in rows(tmp_path / "csv" / "grades.csv")}
    assert table == {"ada": 0.75, "zed": 0.0, "Žofie": 0.0}
    canvas = {row["SIS Login ID"]: row["A question"] for row in rows(tmp_path / "c.csv")[1:]}
    assert (moodle["ada"]["A question"], canvas["ada"]) == ("2.75", "2.75")  # 3.5 less 0.75


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "moodle"], "--exercise SLUG"),
        (["--to", "csv", "--template", "x.csv"], "no sheet to fill in"),
        (["--to", "canvas", "--template", "missing.csv"], "cannot be read"),
        (["--to", "canvas", "--column", "sky"], "NAME=HEADING"),
        (["--to", "csv", "--exercise", "moon"], "no exercise 'moon'"),
        (["--to", "csv", "--student", "nobody"], "handed in nothing"),
        (["--to", "csv", "--students", "missing.csv"], "cannot be read"),
        (["--to", "blackboard"], "blackboard"),
    ],
)
def test_mistakes_are_told_in_one_line(course, shell, arguments, words):
    status, _, told = shell("export", course, *arguments)
    assert status == 2 and words in told and "Traceback" not in told
    assert not (course / "exports").exists()


def test_a_grade_that_had_to_stay_out_ends_with_status_one(course, shell, tmp_path):
    students = tmp_path / "students.csv"
    students.write_text("student,sis user id\nada,=1+1\nzed,7\nŽofie,8\n")
    status, _, told = shell("export", course, "--to", "canvas", "--students", students)
    assert status == 1 and "enter these by hand: ada" in told
    assert [row["Student"] for row in rows(course / "exports" / "canvas.csv")[1:]] == ["zed", "Žofie"]


MOODLE = "Identifier,Full name,Email address,Grade,Maximum Grade,Grade can be changed,Feedback comments\n"


@pytest.mark.parametrize(
    ("platform", "sheet"),
    [
        ("moodle", MOODLE + "Participant 1,Somebody Else,x@u.cz,,5.00,Yes,\nParticipant 2,Me,me@u.cz,1.00,5.00,No,\n"),
        ("moodle", MOODLE + "Participant 1,Ada,ada@u.cz,,5.00,No,\n"),
        ("canvas", "Student,ID,Section,Sky (7)\n    Points Possible,,,5.00\nNobody,1,x,\n"),
        ("canvas", "Student,ID,Section,Sky (7)\n    Points Possible,,,5.00\nada,1,x,EX\n"),
        ("canvas", "Student,ID,Section,Sky (7)\n    Points Possible,,,(read only)\nada,1,x,\n"),
    ],
)
def test_nothing_filled_in_is_a_failure_without_a_file(course, shell, tmp_path, platform, sheet):
    (tmp_path / "sheet.csv").write_text(sheet)
    into = tmp_path / "filled.csv"
    arguments = ("--to", platform, "--exercise", "sky", "--template", tmp_path / "sheet.csv", "--into", into)
    status, said, told = shell("export", course, *arguments)
    assert status == 1 and not into.exists() and "grades of" not in said
    assert "Nothing was filled in" in told and "no file was written" in told and "--students" in told
    assert "not in the" in told and "zed, Žofie" in told


def test_only_rows_that_were_filled_in_are_counted_and_the_others_named(course, shell, tmp_path):
    sheet = MOODLE + "Participant 1,Ada,ada@u.cz,,5.00,Yes,\nParticipant 2,Zed,zed@u.cz,1.00,5.00,No,\n"
    (tmp_path / "sheet.csv").write_text(sheet)
    arguments = ("--to", "moodle", "--exercise", "sky", "--template", tmp_path / "sheet.csv")
    status, said, told = shell("export", course, *arguments)
    assert status == 0 and "1 of 3 grades of 1 students" in said
    assert "without a grade there: Žofie" in told and "left as they are: zed" in told
    assert [row["Grade"] for row in rows(course / "exports" / "moodle.csv")] == ["3.50", "1.00"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--column", "skye=Sky (7)"], "'skye' names nothing, it can be sky; did you mean sky=…?"),
        (["--column", "sky=Skies (7)"], "did you mean 'Sky (7)'?"),
        (["--column", "grade=Sky (7)"], "'grade' names nothing"),
        (["--column", "student=Login"], "give it with --students"),
    ],
)
def test_a_column_that_names_nothing_is_an_error(course, shell, tmp_path, arguments, words):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("Student,ID,Section,Sky (7)\n    Points Possible,,,5.00\nada,1,x,\n")
    status, _, told = shell("export", course, "--to", "canvas", "--template", sheet, *arguments)
    assert status == 2 and words in told and not (course / "exports").exists()


def test_the_decimal_mark_is_asked_for_and_taken(course, shell, tmp_path):
    sheet, filled = tmp_path / "sheet.csv", tmp_path / "filled.csv"
    sheet.write_text('Student,ID,Section,Sky (7)\n    Points Possible,,,"1,000"\nada,1,x,\n')
    arguments = ("export", course, "--to", "canvas", "--template", sheet, "--into", filled)
    status, _, told = shell(*arguments)
    assert status == 2 and "'1,000' (row 2, column Sky (7)) can be 1000 or 1" in told and "--decimal" in told
    assert not filled.exists()
    assert shell(*arguments, "--decimal", ".")[0] == 0
    assert [row["Sky (7)"] for row in rows(filled)] == ["1,000", "700.00"]
    status, _, told = shell("export", course, "--to", "csv", "--decimal", ".")
    assert status == 2 and "--template" in told
