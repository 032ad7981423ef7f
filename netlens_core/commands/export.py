"""`netlens export` and `netlens gradescope-zip`: grades, and a whole autograder, for other platforms."""

from __future__ import annotations

import difflib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.grade_news import tell_outdated, told_problems
from netlens_core.commands.grading import (
    LeastLevel,
    Level,
    OnlyExercises,
    OnlyStudents,
    course_at,
    told_troubles,
)
from netlens_core.commands.shared import DONE, FAILED, err, out, said
from netlens_core.progress import activity

if TYPE_CHECKING:
    from netlens_core.grading.exports.matching import Person
    from netlens_core.grading.exports.scores import Exported, Scored
    from netlens_core.grading.gradebook import Gradebook

CourseFolder = Annotated[Path, typer.Argument(metavar="COURSE", help="The folder that holds course.yaml.")]


class Platform(StrEnum):
    """What an export is for."""

    canvas = "canvas"
    moodle = "moodle"
    gradescope = "gradescope"
    csv = "csv"
    parquet = "parquet"


class Seen(StrEnum):
    """When students see results on Gradescope."""

    visible = "visible"
    hidden = "hidden"
    after_due_date = "after_due_date"
    after_published = "after_published"


Visible = Annotated[Seen, typer.Option("--visibility", help="Gradescope: when students see results.")]


class Decimal(StrEnum):
    """What stands before a sheet's decimals."""

    point = "."
    comma = ","


Pictures = Annotated[bool, typer.Option("--pictures/--no-pictures", help="Gradescope: with small pictures.")]
Students = Annotated[
    Path | None,
    typer.Option("--students", help="A list of students: an ID a line, or a CSV that also tells names, e-mail, IDs."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="Which heading means what: student=Login, noise='Homework 3', grade=Známka."),
]


def export(
    course: CourseFolder,
    to: Annotated[Platform, typer.Option("--to", help="What it is for.")],
    into: Annotated[
        Path | None,
        typer.Option("--into", help="A folder, or the file where there is only one; default: COURSE/exports."),
    ] = None,
    exercise: OnlyExercises = None,
    student: OnlyStudents = None,
    template: Annotated[
        Path | None, typer.Option("--template", help="The sheet that Canvas or Moodle exported, to be filled in.")
    ] = None,
    students: Students = None,
    column: Columns = None,
    decimal: Annotated[
        Decimal | None,
        typer.Option("--decimal", help="The decimal mark of --template, where its numbers do not tell: . or ,"),
    ] = None,
    finished: Annotated[
        bool, typer.Option("--finished", help="Leave out grades that still wait for a person.")
    ] = False,
    visibility: Visible = Seen.visible,
    pictures: Pictures = True,
    sandbox: LeastLevel = Level.full,
) -> None:
    """Grades as Canvas, Moodle or Gradescope import them, as plain CSV, or as Parquet.

    For Canvas and Moodle, give the sheet that the platform itself exported: it is filled in, all else stays. Points are
    those of reports, marks of people included, less what lateness costs. Students without a grade keep what the sheet
    says; whoever is not in the sheet is named. Exit status 1 where a grade had to stay out, or nothing could be filled
    in, so that no file was written; messages say whose and why. Exit status 2 where nothing was tried.

    Example: netlens export my-course --to canvas --template gradebook.csv
    Example: netlens export my-course --to moodle --exercise noise --template worksheet.csv
    Example: netlens export my-course --to parquet --into grades.parquet
    """
    from netlens_core.grading.course import Course
    from netlens_core.grading.exports.scores import scored_works
    from netlens_core.grading.gradebook import Gradebook

    names = _columns(column or [])
    if to is Platform.moodle and len(exercise or []) != 1:
        raise NetlensError("a sheet of Moodle is about one assignment: say which exercise, --exercise SLUG")
    if template and to not in (Platform.canvas, Platform.moodle):
        raise NetlensError(f"--template is for canvas and moodle; {to.value} has no sheet to fill in")
    if decimal and not template:
        raise NetlensError("--decimal is about the numbers of --template: give that too")
    opened = Course(course)
    with activity("Reading the gradebook"):
        book = Gradebook(opened, sandbox.value, exercise, student)
    _refuse_unknown(names, _known_columns(to, template, students, list(book.exercises)))
    with activity("Reading grades"):
        works = [work for work in scored_works(book) if not (finished and work.grade.needs_manual_grade)]
    people = _people(students, names, works)
    mark = decimal.value if decimal else ""
    exported = _exported(book, works, to, template, people, names, mark, visibility, pictures)
    for note in exported.notes:
        err.print(Text(note, "yellow"), soft_wrap=True)
    if not works:
        raise NetlensError(f"{course} has no grades to export yet: run netlens grade {course}")
    filled = {(work.student, work.grade.exercise) for work in works} if exported.filled is None else exported.filled
    if not filled:
        told = f"Nothing was filled in{f' of {template}' if template else ''}, so no file was written."
        hint = " If its students are the course's, --students takes a list that tells who is who." if template else ""
        err.print(Text(told + hint, "red"), soft_wrap=True)
        raise typer.Exit(FAILED)
    place = course / "exports"
    paths = exported.write(into or (place / to.value if to is Platform.gradescope else place))
    for path in paths[:5]:
        said(path)
    reach = ", as far as they are in the sheet" if template else ""
    of_all = f" of {len(works)}" if len(filled) < len(works) else ""
    out.print(f"{len(filled)}{of_all} grades of {len({name for name, _ in filled})} students{reach}.")
    tell_outdated(book)
    wrong = [told_problems(book), told_troubles(book), exported.left_out]
    raise typer.Exit(FAILED if any(wrong) else DONE)


def _known_columns(to: Platform, template: Path | None, students: Path | None, slugs: list[str]) -> list[str]:
    """What `--column` can name in this export."""
    from netlens_core.grading.exports.moodle import COLUMNS

    known = ["student"] if students else []
    if template:
        known += slugs if to is Platform.canvas else COLUMNS
    return known


def _refuse_unknown(names: dict[str, str], known: list[str]) -> None:
    for name in names:
        if name in known:
            continue
        if name == "student":
            raise NetlensError("--column student=… is the column of IDs in a list of students: give it with --students")
        close = difflib.get_close_matches(name, known, 1)
        meant = f"; did you mean {close[0]}=…?" if close else ""
        there = (
            f"it can be {', '.join(known)}" if known else "nothing has columns here without --template or --students"
        )
        raise NetlensError(f"--column {name}={names[name]}: {name!r} names nothing, {there}{meant}")


def _columns(given: list[str]) -> dict[str, str]:
    pairs = {name.strip(): heading.strip() for name, _, heading in (text.partition("=") for text in given)}
    wrong = [name for name, heading in pairs.items() if not (name and heading)]
    if wrong:
        raise NetlensError(f'--column {wrong[0]}: it takes NAME=HEADING, such as --column noise="Homework 3"')
    return pairs


def _people(path: Path | None, columns: dict[str, str], works: list[Scored]) -> list[Person]:
    """The students of a list, and those with a grade whom it does not name."""
    from netlens_core.grading.exports.matching import Person, read_people

    people = read_people(path, columns.get("student")) if path else []
    named = {person.student for person in people}
    others = dict.fromkeys(work.student for work in works if work.student not in named)
    if path and others:
        from netlens_core.grading.exports.scores import listed

        err.print(Text(f"{path} does not name: {listed(list(others))}", "yellow"), soft_wrap=True)
    return people + [Person(student) for student in others]


def _exported(
    book: Gradebook,
    works: list[Scored],
    to: Platform,
    template: Path | None,
    people: list[Person],
    columns: dict[str, str],
    decimal: str,
    visibility: Seen,
    pictures: bool,
) -> Exported:
    from netlens_core.grading.exports import canvas, gradescope, moodle
    from netlens_core.grading.exports.parquet import exported_parquet
    from netlens_core.grading.exports.plain_csv import exported_csv
    from netlens_core.languages import speaking, translate

    store = book.course.store
    with speaking(book.course.catalog()):
        if to is Platform.csv:
            return exported_csv(works)
        if to is Platform.parquet:
            return exported_parquet(works)
        if to is Platform.gradescope:
            return gradescope.exported_results(works, store.picture, visibility.value, pictures)
    assignments = []
    for slug, exercise in book.exercises.items():
        with speaking(exercise.catalog):
            titles = dict.fromkeys((translate(exercise.sheet.title), exercise.sheet.title))
        assignments.append(canvas.Assignment(slug, tuple(titles), exercise.max_points))
    if to is Platform.canvas:
        if template:
            return canvas.filled_sheet(template, works, people, assignments, columns, decimal)
        return canvas.new_sheet(works, people, assignments)
    [only] = assignments
    with speaking(book.course.catalog()):
        if template:
            return moodle.filled_worksheet(template, works, people, only.most, columns, decimal)
        return moodle.gradebook_file(works, people, only.titles[0])


def gradescope_zip(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Which exercise.")],
    into: Annotated[Path, typer.Option("--into", help="The zip to write.")],
    course: Annotated[Path | None, typer.Option("--course", help="A course of your own.")] = None,
    students: Students = None,
    column: Columns = None,
    visibility: Visible = Seen.visible,
    pictures: Pictures = True,
) -> None:
    """A complete Gradescope autograder for one exercise: scripts, netlens, grader, hidden inputs, networks' weights.

    Upload it under "Configure Autograder". Gradescope's default memory of 768 MB is too small for PyTorch: choose 3 GB
    or more in the assignment's settings. A student's own inputs derive from their ID: what stands before the @ of their
    e-mail address, or what a list with the columns student and email says. The zip holds hidden inputs: keep it.

    Example: netlens gradescope-zip noise --into noise-autograder.zip --course my-course
    """
    from netlens_core.grading.exports.gradescope_zip import autograder_zip
    from netlens_core.grading.exports.matching import read_people
    from netlens_core.grading.files import PRIVATE, write_atomically

    names = _columns(column or [])
    _refuse_unknown(names, ["student"] if students else [])
    people = read_people(students, names.get("student")) if students else []
    opened = course_at(course)
    with activity(f"Packing {slug}"):
        data = autograder_zip(opened, slug, people, visibility.value, pictures)
        limit = opened.exercise_sheet(slug).limits.total_seconds
    write_atomically(into, data, PRIVATE)  # it holds hidden inputs
    said(into)
    out.print(
        f"{len(data) / 1e6:.0f} MB. On Gradescope, choose at least 3 GB of memory (the default, 768 MB, is not enough)."
    )
    if limit > 600:
        out.print(f"A submission may run {limit / 60:.0f} minutes: raise Gradescope's limit of 10 minutes.")
