"""`netlens answers` and `netlens mark`: written answers for a person to read, and the marks that come back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.grading import LeastLevel, Level, OnlyExercises, told_troubles
from netlens_core.commands.shared import DONE, FAILED, AsJson, err, out, print_json, said
from netlens_core.progress import activity

if TYPE_CHECKING:
    from netlens_core.grading.answers import Answer, MarkSheet
    from netlens_core.grading.course import Course
    from netlens_core.grading.marks import Mark

CourseFolder = Annotated[Path, typer.Argument(metavar="COURSE", help="The folder that holds course.yaml.")]


def answers(
    course: CourseFolder,
    exercise: OnlyExercises = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Pseudonyms instead of IDs, in an order of their own.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--to", help="A page to read (.html), or a table to fill in (.csv).")
    ] = None,
    sandbox: LeastLevel = Level.full,
    as_json: AsJson = False,
) -> None:
    """Written answers in one place, for a person to mark: with question, rubric and the pictures beside them.

    Read the page, fill points and comments into the table, and give it to `netlens mark`. Pseudonyms stay the same, so
    that a blind table comes back to the right students.

    Example: netlens answers my-course --blind --to answers.html, and the same with --to marks.csv
    """
    from netlens_core.grading.answers import answers_table, grouped, written_answers
    from netlens_core.grading.course import Course
    from netlens_core.grading.gradebook import Gradebook
    from netlens_core.grading.report.reading import render_answers
    from netlens_core.grading.store import write_atomically
    from netlens_core.languages import speaking, translate

    if to and to.suffix.lower() not in (".html", ".csv"):
        raise NetlensError(f"{to}: --to takes a name that ends in .html, to read, or in .csv, to fill in")
    opened = Course(course)
    with activity("Reading answers"):
        found = written_answers(Gradebook(opened, sandbox.value, exercise), blind)
    if to:
        with speaking(opened.catalog()):
            title = translate(opened.sheet.title)
            if to.suffix.lower() == ".html":
                data = render_answers(grouped(found), title, blind).encode("utf-8", "replace")
            else:
                data = answers_table(found)
        write_atomically(to, data)
    if as_json:
        print_json([answer.as_json() for answer in found])
    elif not to:
        _print(found)
    if not as_json:
        states = Counter(answer.state for answer in found)
        out.print(
            f"{len(found)} answers: {states['waiting']} not marked yet, {states['marked']} marked, "
            f"{states['changed']} changed since they were marked."
        )
    if to:
        said(to)


def _print(found: list[Answer]) -> None:
    from netlens_core.grading.plain_text import plain

    def line(text: str, limit: int) -> Text:
        return Text(" ".join(plain(text, limit).split()))

    table = Table("Exercise", "Student", "Points", "Answer", header_style="bold")
    for answer in found:
        given = "?" if answer.state == "waiting" else f"{answer.check.points:g}"
        changed = "answer changed since it was marked: " if answer.state == "changed" else ""
        table.add_row(
            line(answer.exercise, 40),
            line(answer.shown_as, 40),
            f"{given}/{answer.check.max_points:g}",
            Text(changed, "yellow") + line(answer.check.answer, 300),
        )
    out.print(table)


def mark(
    course: CourseFolder,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE.csv]", help="A table from `netlens answers`, filled in.")
    ] = None,
    student: Annotated[str | None, typer.Option("--student", help="One mark: whose (an ID or a pseudonym).")] = None,
    exercise: Annotated[str | None, typer.Option("--exercise", help="For which exercise.")] = None,
    check: Annotated[str, typer.Option("--check", help="For which check, where a person marks several.")] = "",
    points: Annotated[str | None, typer.Option("--points", help="How many points.")] = None,
    comment: Annotated[str, typer.Option("--comment", help="What the student reads beside them.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take this mark back: the answer waits again.")] = False,
    sandbox: LeastLevel = Level.full,
    as_json: AsJson = False,
) -> None:
    """Mark written answers: a whole table, or one of them; then grades and reports are written anew.

    Marks stay when something is graded again. Where an answer changes, its mark still counts, and you are told.
    A table with any mistake is refused as a whole, with the row.

    Example: netlens mark my-course marks.csv
    Example: netlens mark my-course --student ada --exercise noise --points 1.5 --comment "Softmax?"
    """
    from netlens_core.grading.alone import working_alone
    from netlens_core.grading.answers import MarkSheet
    from netlens_core.grading.course import Course
    from netlens_core.grading.gradebook import Gradebook

    if (file is None) == (student is None):
        raise NetlensError(
            "give a table, netlens mark COURSE FILE.csv, or one mark with --student, --exercise, --points"
        )
    if student is not None and (exercise is None or (points is None) != withdraw):
        raise NetlensError("one mark needs --student and --exercise, and either --points or --withdraw")
    opened = Course(course)
    with working_alone(opened, waiting=lambda: err.print("Another netlens works on this course; waiting …")):
        book = Gradebook(opened, sandbox.value)
        book.take_over_marks()
        sheet = MarkSheet(book)
        if file is not None:
            marks = sheet.read(file)
        elif withdraw:
            marks = []
        else:
            marks = [sheet.mark(str(student), str(exercise), check, str(points), comment)]
        kept = _kept(opened, marks)
        if withdraw:
            kept = _taken_back(opened, sheet, str(student), str(exercise), check)
        page = book.write_views()
    if as_json:
        print_json([vars(mark) for mark in marks])
    else:
        out.print(kept)
        out.print(Text(f"Report: {page}"), soft_wrap=True)
    raise typer.Exit(FAILED if told_troubles(book) else DONE)


def _taken_back(course: Course, sheet: MarkSheet, student: str, exercise: str, check: str) -> str:
    answer = sheet.answer(student, exercise, check)
    if not course.marks.withdraw((answer.student, answer.exercise, answer.check.name)):
        raise NetlensError(f"{student!r} has no mark for {answer.check.name} of {exercise} that could be taken back")
    return "The mark is taken back; the answer waits again."


def _kept(course: Course, marks: list[Mark]) -> str:
    """Keep marks; what was new, in words."""
    before = course.marks.read()
    # Points on top of the check's own come from formgrader; who marks here says nothing of them.
    marks = [
        replace(given, extra_credit=before[given.place].extra_credit) if given.place in before else given
        for given in marks
    ]
    for given in marks:
        course.marks.write(given)
    new = sum(given.place not in before for given in marks)
    changed = sum(given.place in before and before[given.place] != given for given in marks)
    return f"{len(marks)} marks kept: {new} new, {changed} changed, {len(marks) - new - changed} as before."
