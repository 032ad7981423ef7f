"""Written answers reach a person in one place, with question and rubric, with or without names."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from netlens_core.grading.answers import answers_table, grouped, written_answers
from netlens_core.grading.exercise import CourseError, read_exercise
from netlens_core.grading.gradebook import grade_json
from netlens_core.grading.marks import pseudonym
from netlens_core.grading.report.reading import render_answers
from netlens_core.grading.spreadsheets import as_written, defused
from netlens_core.grading.tables import class_table, grade_table
from tests.grading.answers.sky_course import (
    ANSWERS,
    HOSTILE,
    SHEET,
    give,
    hand_in,
    opened,
    sheet,
)


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
