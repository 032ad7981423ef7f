"""Marks come back to the right students, whole tables or none, and stay."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from netlens_core.grading.answers import answers_table, written_answers
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.marks import Mark, Marks, pseudonym
from netlens_core.grading.spreadsheets import defused
from netlens_core.languages import speaking
from tests.grading.answers.sky_course import (
    ANSWERS,
    filled_in,
    give,
    hand_in,
    keep,
    marked,
    opened,
    picture,
    sheet,
)


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")])
def test_a_table_comes_back_to_the_right_students(course, tmp_path, blind, delimiter, encoding):
    rows = sheet(course, blind)
    by_name = {pseudonym("4711", s, "sky") if blind else defused(s): s for s in ANSWERS}
    wanted = dict(zip(ANSWERS, ("2", "1,5", "0", "0.25", "1"), strict=True))
    for row in rows:
        student = by_name[row["student"]]
        row["points"], row["comment"] = wanted[student], defused(f"=for {student}: <b>\x1b[2J")
    keep(course, filled_in(tmp_path / "marks.csv", rows, delimiter, encoding))
    found = marked(course)
    assert {s: check.points for s, check in found.items()} == {s: float(p.replace(",", ".")) for s, p in wanted.items()}
    assert [found[s].status for s in ANSWERS] == ["passed", "partial", "failed", "partial", "partial"]
    assert all(found[s].mark.comment == f"=for {s}: <b>\\x1b[2J" for s in ANSWERS)
    grades = {entry.student: grade for entry, grade in opened(course).graded()}
    assert grades["ada"].points == 5 and not grades["ada"].needs_manual_grade
    # The same table once more, as it would be exported now, changes nothing.
    before = marked(course)
    keep(course, filled_in(tmp_path / "again.csv", sheet(course, blind)))
    assert marked(course) == before


def test_a_czech_spreadsheet_changes_neither_numbers_nor_names(course, tmp_path):
    for student in ("007", "1e5", "1-2"):
        hand_in(course, student, f"Mine: {student}")
    with speaking("cs"):
        give(course, "007", "1,5", "-")
        data = answers_table(written_answers(opened(course)))
    (path := tmp_path / "marks.csv").write_bytes(data)
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))
    [row] = [row for row in rows if row["student"] == "'007"]
    assert (row["points"], row["max_points"], row["comment"], row["rubric"][:3]) == ("1,5", "2", "'-", "1,5")
    assert not [row for row in rows if row["student"][0].isdigit()]
    before = marked(course)
    keep(course, path)
    assert marked(course) == before
    for row in rows:
        row["points"] = "0,5"
    keep(course, filled_in(path, rows, ";"))
    assert {check.points for check in marked(course).values()} == {0.5}


def test_what_is_not_filled_in_waits(course, tmp_path):
    rows = sheet(course)
    rows[0]["points"] = "1"
    keep(course, filled_in(tmp_path / "marks.csv", rows))
    assert sorted(check.status for check in marked(course).values()) == ["needs_manual_grade"] * 4 + ["partial"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"points": "2.5"}, r"row 3: 2.5 points are outside 0 to 2"),
        ({"points": "-1"}, "row 3: -1 points are outside"),
        ({"points": "nan"}, "row 3: 'nan' is no number"),
        ({"points": "1e999"}, "row 3: '1e999' is no number"),
        ({"points": "1_5"}, "row 3: '1_5' is no number"),
        ({"points": "two"}, "row 3: 'two' is no number"),
        ({"points": ""}, "row 3: there is a comment, but no points"),
        ({"student": "nobody"}, "row 3: 'nobody' is no student"),
        ({"student": "a\x1b[2J"}, r"row 3: 'a\\\\x1b\[2J' is no student"),
        ({"exercise": "sea"}, "row 3: there is no exercise 'sea'; there are sky"),
        ({"check": "test_it"}, "row 3: no check 'test_it' of sky is marked by a person; those are test_why"),
        ({"student": "ada"}, "row 3: marks the same answer as row 2, differently"),
    ],
)
def test_a_table_with_a_mistake_is_refused_as_a_whole(course, tmp_path, changes, said):
    first = {"student": "ada", "exercise": "sky", "check": "test_why", "points": "1", "comment": "a"}
    second = {**first, "student": "zed", "comment": "b"} | changes
    path = filled_in(tmp_path / "marks.csv", [first, second, {**first, "student": "Žofie"}])
    with pytest.raises(CourseError, match=said) as error:
        keep(course, path)
    assert str(path) in str(error.value) and str(error.value).isprintable()
    assert not Course(course).marks.read()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no column student, exercise, check, points"),
        (b"student,points\nada,1\n", "no column exercise, check"),
        ("student,exercise,check,points\nŽofie,sky,,1\n".encode("cp1250"), "not UTF-8"),
        (b"student,exercise,check,points\nada,sky,test_why,3\nben,sky,test_why,1\n", "1 more of its rows"),
    ],
)
def test_files_that_are_no_table_of_marks(course, tmp_path, data, said):
    (path := tmp_path / "marks.csv").write_bytes(data)
    with pytest.raises(CourseError, match=said):
        keep(course, path)


def test_a_mark_stays_when_graded_again_and_tells_when_its_answer_changed(course, tmp_path):
    give(course, "ada", "1.5", "Nearly.")
    grader = course / "graders" / "test_sky.py"
    grader.write_text(grader.read_text().replace("It works.", "It works well."))
    assert [entry.student for entry in opened(course).pending()] and marked(course)["ada"].points == 1.5
    hand_in(course, "ada", ANSWERS["ada"])
    check = marked(course)["ada"]
    assert (check.points, check.mark.comment, check.mark.outdated) == (1.5, "Nearly.", False)

    hand_in(course, "ada", "Another answer.")
    check = marked(course)["ada"]
    assert (check.points, check.mark.outdated) == (1.5, True)
    [answer] = [answer for answer in written_answers(opened(course)) if answer.student == "ada"]
    assert answer.state == "changed"
    [row] = [row for row in sheet(course) if row["student"] == "ada"]
    assert (row["points"], row["comment"], row["marked_before"]) == ("", "", "1.5 Nearly.")
    keep(course, filled_in(tmp_path / "marks.csv", sheet(course)))
    assert marked(course)["ada"].mark.outdated

    hand_in(course, "ada", "")  # nothing is left of it: the mark is kept until a person says otherwise
    check = marked(course)["ada"]
    assert (check.status, check.points, check.mark.outdated) == ("partial", 1.5, True)
    with pytest.raises(CourseError, match="'Žofie' gave no answer for test_why of sky"):
        hand_in(course, "Žofie", "")
        give(course, "Žofie", "1")
    hand_in(course, "ada", ANSWERS["ada"])
    assert (marked(course)["ada"].points, marked(course)["ada"].mark.outdated) == (1.5, False)


def test_a_mark_for_the_answer_that_was_read_not_for_the_one_that_came_since(course, tmp_path):
    rows = [row for row in sheet(course, blind=True) if row["answer"] == ANSWERS["ada"]]
    rows[0]["points"] = "2"
    hand_in(course, "ada", "No idea, in fact.")
    keep(course, filled_in(tmp_path / "marks.csv", rows))
    assert marked(course)["ada"].mark.outdated


def test_faults_and_what_is_not_graded_cannot_be_marked(course):
    book = opened(course)
    [(entry, grade)] = [(e, g) for e, g in book.graded() if e.student == "ada"]
    broken = grade.checks[1].model_copy(update={"fault": "Trace", "answer": ""})
    pictures = {name: picture(0.5) for name in grade.figure_notes}
    changed = grade.model_copy(update={"checks": [grade.checks[0], broken], "pictures": pictures})
    book.course.store.write(entry.key, changed)
    with pytest.raises(CourseError, match="grader itself failed"):
        give(course, "ada", "1")
    hidden = pseudonym("4711", "ada", "sky")
    with pytest.raises(CourseError, match=f"'{hidden}' cannot be marked"):  # does not tell whose pseudonym it is
        give(course, hidden, "1")
    (course / "submitted" / "new" / "sky").mkdir(parents=True)
    (course / "submitted" / "new" / "sky" / "sky.py").write_text("1")
    with pytest.raises(CourseError, match="not graded yet"):
        give(course, "new", "1")


def test_an_id_that_is_somebody_elses_pseudonym_is_not_guessed_at(course):
    hand_in(course, pseudonym("4711", "ada", "sky"), "Mine.")
    with pytest.raises(CourseError, match="could be several"):
        give(course, pseudonym("4711", "ada", "sky"), "1")
    give(course, "ada", "1")


def test_a_damaged_mark_is_told_not_passed_over(course):
    give(course, "ada", "1")
    [path] = (course / ".netlens" / "marks").iterdir()
    path.write_text("{")
    with pytest.raises(CourseError, match="is damaged"):
        opened(course).graded()


def test_marks_are_files_of_their_own(tmp_path):
    marks = Marks(tmp_path)
    one = Mark("\udcff/..", "sky", "test_why", 1.0, "“ok”", "0")
    marks.write(one)
    marks.write(replace(one, student="b"))
    marks.write(replace(one, points=2.0))
    assert marks.read() == {one.place: replace(one, points=2.0), ("b", "sky", "test_why"): replace(one, student="b")}
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "marks"}
    assert marks.withdraw(one.place) and not marks.withdraw(one.place) and len(marks.read()) == 1
