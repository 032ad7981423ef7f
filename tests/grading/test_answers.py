"""Written answers reach a person in one place, with or without names, and marks come back to the right students."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from netlens_core.grading import course as course_module
from netlens_core.grading.answers import MarkSheet, answers_table, grouped, written_answers
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError, read_exercise
from netlens_core.grading.grade import Check, FigureNote, Grade
from netlens_core.grading.gradebook import Gradebook, grade_json
from netlens_core.grading.marks import Mark, Marks, pseudonym
from netlens_core.grading.report.reading import render_answers
from netlens_core.grading.spreadsheets import as_written, defused
from netlens_core.grading.tables import class_table, grade_table
from netlens_core.grading.unrun import facts
from netlens_core.images import encode_png
from netlens_core.languages import speaking

SHEET = """
title: A question
functions: {f: {arguments: {image: image}, returns: image}}
answers:
  why:
    question: Why is the sky <b>blue</b>?
    rubric:
      - {points: 1.5, text: Scattering}
      - {points: 0.5, text: "of <short> waves"}
"""
GRADER = '''
from netlens_core.grading.marking import check

@check(points=3)
def test_it(submission):
    """It works."""

@check(points=2, manual=True)
def test_why(submission):
    """Your answer: why?"""
'''
HOSTILE = '=HYPERLINK("http://x")\n<script>alert(1)</script><img src=x onerror=y>\\x1b[2J\u202e,;\t\'{{7*7}}'
ANSWERS = {
    "ada": "Rayleigh, who scatters.",
    "Žofie": "Protože, “modrá”;\ntak.",
    "=1+1": HOSTILE,
    "<b>eve": "-2+3",
    "zed": "   indented, 'quoted'",
}


def picture(shade: float) -> bytes:
    import torch

    return encode_png(torch.full((3, 8, 8), shade))


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A course with one question, everybody graded: no sandbox, no networks."""
    monkeypatch.setattr(course_module, "fingerprint", lambda name, cache: f"weights of {name}")
    folder = tmp_path / "course"
    texts = {
        "course.yaml": "title: A course\nseed: 7\nnetworks: {target: a, jury: [b]}\nexercises: [sky]\n",
        ".netlens/secret": "4711",
        "graders/conftest.py": "",
        "graders/test_sky.py": GRADER,
        "assignments/sky/exercise.yaml": SHEET,
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for student, answer in ANSWERS.items():
        hand_in(folder, student, answer)
    return folder


def hand_in(folder: Path, student: str, answer: str) -> None:
    """Hand in an answer and grade it, as `netlens grade` would."""
    place = folder / "submitted" / student / "sky"
    place.mkdir(parents=True, exist_ok=True)
    (place / "sky.py").write_text(repr(answer))
    book = opened(folder)
    [entry] = [entry for entry in book.entries if entry.student == student]
    status, message = ("needs_manual_grade", "A person reads and marks this answer.") if answer else ("failed", "empty")
    figures = {"common.png": picture(0.5), f"{len(student)}{student[0] == 'a'}.png": picture(0.1 * len(student))}
    checks = [
        Check(name="test_it", description="It.", points=3, max_points=3, status="passed", figures=list(figures)),
        Check(
            name="test_why", description="Why?", points=0, max_points=2, status=status, message=message, answer=answer
        ),
    ]
    work = entry.work
    grade = Grade(
        **facts(work.sha256, work.exercise, work.networks, work.seed, "full"),
        points=3,
        status="graded",
        checks=checks,
        figure_notes={name: FigureNote(caption=f"caption of {name}") for name in figures},
        pictures=figures,
    )
    book.course.store.write(entry.key, grade)


def opened(folder: Path) -> Gradebook:
    return Gradebook(Course(folder), "full")


def sheet(folder: Path, blind: bool = False) -> list[dict[str, str]]:
    data = answers_table(written_answers(opened(folder), blind))
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def filled_in(path: Path, rows: list[dict[str, str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def keep(folder: Path, path: Path) -> None:
    book = opened(folder)
    for mark in MarkSheet(book).read(path):
        book.course.marks.write(mark)


def marked(folder: Path) -> dict[str, Check]:
    return {entry.student: grade.checks[1] for entry, grade in opened(folder).graded()}


def give(folder: Path, student: str, points: str, comment: str = "") -> None:
    book = opened(folder)
    book.course.marks.write(MarkSheet(book).mark(student, "sky", "", points, comment))


# -- reading ---------------------------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


def page(folder: Path, blind: bool = False) -> tuple[str, Page]:
    html = render_answers(grouped(written_answers(opened(folder), blind)), "A course", blind)
    return html, Page(html)


def test_the_page_shows_every_answer_with_question_rubric_and_pictures(course):
    html, read = page(course)
    for text in (*ANSWERS, "Why is the sky <b>blue</b>?", "Scattering", "of <short> waves", "caption of common.png"):
        assert text in read.words, text
    assert ANSWERS["Žofie"] in read.words and "<script>alert(1)</script>" in read.words
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "form", "iframe", "link"})
    assert not [a for _, attributes in read.tags for a in attributes if a.startswith("on")]
    assert "\x1b" not in html and "\u202e" not in html and "http://" not in re.sub(r"HYPERLINK[^<]*", "", html)
    sources = [attributes["src"] for tag, attributes in read.tags if tag == "img"]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert len(sources) == 1 + len(ANSWERS)  # what everybody had stands once, beside the question
    assert html == page(course)[0]


def test_a_blind_page_and_table_name_nobody(course):
    names = {student: pseudonym("4711", student, "sky") for student in ANSWERS}
    assert len(set(names.values())) == len(ANSWERS)
    assert all(pseudonym("4711", student, "noise") != name for student, name in names.items())
    assert all(pseudonym("4712", student, "sky") != name for student, name in names.items())
    _, read = page(course, blind=True)
    text = answers_table(written_answers(opened(course), blind=True)).decode()
    for name in names.values():
        assert name in read.words and name in text
    for student in ("ada", "Žofie", "<b>eve", "zed"):
        assert student not in read.words.replace(HOSTILE, "") and student not in text
    order = [row["student"] for row in sheet(course, blind=True)]
    assert order == [row["student"] for row in sheet(course, blind=True)]
    assert order not in (sorted(order), [names[row["student"]] for row in sheet(course) if row["student"] in names])


def test_no_cell_becomes_a_formula(course):
    rows = sheet(course)
    assert len(rows) == len(ANSWERS)
    for row in rows:
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@")), cell
    for text in ("=1", " =1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "plain", "'", "'plain", ""):
        assert as_written(defused(text)) == text


# -- marking ---------------------------------------------------------------------------------------------


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
    grader.write_text(grader.read_text() + "\n# another version\n")
    assert opened(course).pending() and "ada" not in marked(course)
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


def test_views_show_points_and_comment(course):
    give(course, "ada", "1.5", "Nearly <i>\n=there")
    give(course, "zed", "2", "")
    hand_in(course, "zed", "changed")
    book = opened(course)
    index = book.write_views()
    kept = json.loads((course / "grades" / "ada" / "sky.json").read_text())
    assert kept["points"] == 4.5 and kept["checks"][1]["status"] == "partial" and kept["checks"][1]["points"] == 1.5
    mark = kept["checks"][1]["mark"]
    assert mark == {"comment": "Nearly <i>\n=there", "outdated": False, "scored": True, "extra_credit": 0}
    assert "mark" not in kept["checks"][0]
    student, whole = Page((index.parent / "ada.html").read_text()), Page(index.read_text())
    assert "Marked by a person" in student.words and "Nearly <i>" in student.words and "still wait" not in student.words
    assert "Nearly <i>" in whole.words and "Changed since it was marked" in whole.words
    from rich.console import Console

    shown = Console(file=io.StringIO(), width=160, record=True)
    grades = {entry.student: grade for entry, grade in book.graded()}
    shown.print(class_table(book.works(), book.maximum()), grade_table(grades["ada"]))
    text = shown.export_text()
    assert "4.5/5" in text and "an answer changed since it was marked" in text and "Nearly <i>" in text
    assert grade_json(grades["ada"], "ada", {})["status"] == "graded"


def test_rubrics_and_plain_lists(course):
    def read(text: str):
        (course / "assignments" / "sky" / "exercise.yaml").write_text(text)
        return read_exercise("sky", course / "assignments", course / "graders")

    exercise = read(SHEET)
    assert sum(item.points for item in exercise.answer_of("test_why").rubric) == 2
    better = read(SHEET.replace("Scattering", "Rayleigh scattering"))
    assert better.sha256 == exercise.sha256  # no reason to grade again
    listed = read(re.sub(r"answers:(.|\n)*", "answers: [why]\n", SHEET))
    assert listed.answer_of("test_why").rubric == [] and listed.answer_of("test_it").question == ""
    assert read(re.sub(r"answers:(.|\n)*", "answers: {why: {check: test_why}, other: }\n", SHEET)).sheet.answers[
        "other"
    ]
    for text, said in (
        (SHEET.replace("points: 1.5", "points: 1"), "the rubric gives 1.5 points in all, test_why 2"),
        (SHEET.replace("why:", "how:"), "'test_how' is no check that a person marks; those are test_why"),
        (SHEET.replace("question:", "check: test_it\n    question:"), "'test_it' is no check that a person marks"),
        (SHEET.replace("1.5", "-1"), "greater than 0"),
        (re.sub(r"answers:(.|\n)*", "answers: 7\n", SHEET), "answers"),
    ):
        with pytest.raises(CourseError, match=said):
            read(text)


# -- the command line ------------------------------------------------------------------------------------


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
    command = [sys.executable, "-m", "netlens_core.cli", *map(str, arguments)]
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


def test_marks_are_files_of_their_own(tmp_path):
    marks = Marks(tmp_path)
    one = Mark("\udcff/..", "sky", "test_why", 1.0, "“ok”", "0")
    marks.write(one)
    marks.write(replace(one, student="b"))
    marks.write(replace(one, points=2.0))
    assert marks.read() == {one.place: replace(one, points=2.0), ("b", "sky", "test_why"): replace(one, student="b")}
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "marks"}
    assert marks.withdraw(one.place) and not marks.withdraw(one.place) and len(marks.read()) == 1
