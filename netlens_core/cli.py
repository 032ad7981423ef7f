"""The command line of netlens. Heavy libraries are imported by the commands that need them, so that help is instant."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from netlens_core import __version__, commands
from netlens_core.commands.answers import answers, mark
from netlens_core.commands.calibrate import calibrate
from netlens_core.commands.check import check
from netlens_core.commands.collect import collect
from netlens_core.commands.displays import progress
from netlens_core.commands.export import export, gradescope_zip
from netlens_core.commands.grade_news import (
    Again,
    DryRun,
    Only,
    asked_again,
    due_of,
    tell_changes,
    tell_outdated,
    tell_plan,
    told_problems,
)
from netlens_core.commands.grading import (
    LeastLevel,
    Level,
    NoSandbox,
    OnlyExercises,
    OnlyStudents,
    Workers,
    cores,
    course_at,
    told_damage,
    told_misplaced,
    told_troubles,
    usable_level,
)
from netlens_core.commands.history import history
from netlens_core.commands.inputs import inputs
from netlens_core.commands.networks import networks
from netlens_core.commands.new_exercise import new_exercise
from netlens_core.commands.once import Commands
from netlens_core.commands.shared import DONE, FAILED, INTERRUPTED, AsJson, err, out, print_json, run
from netlens_core.commands.times import Times, times_table
from netlens_core.commands.verify import verify
from netlens_core.languages import speaking
from netlens_core.progress import VARIABLE, activity, quiet, start_heartbeat, watched

if TYPE_CHECKING:
    from netlens_core.grading.grade import Grade
    from netlens_core.grading.gradebook import Entry, Gradebook

app = typer.Typer(
    cls=Commands,
    help=(
        "An auto-graded course in looking inside convolutional networks and making images with them.\n\n"
        "What takes long says what it does on standard error: with a bar on a terminal, else with a line at least "
        f"every ten seconds ({VARIABLE}=SECONDS for another interval, --quiet for none)."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


CourseFolder = Annotated[Path, typer.Argument(metavar="COURSE", help="The folder that holds course.yaml.")]


def main() -> None:
    """Run the command line; a user's mistake ends in one clear line, never in a traceback."""
    start_heartbeat(sys.argv[1:])
    run(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netlens {__version__}")
        raise typer.Exit(DONE)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress: neither bars nor lines on standard error.")
    ] = False,
) -> None:
    """Progress is told on standard error: by a bar on a terminal, else by a line at least every ten seconds."""


# -- what works here -------------------------------------------------------------------------------------


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What works here: sandbox level, networks and their weights, device, disk. Exit status 1 if grading would not."""
    from netlens_core.grading.doctor import diagnose

    with activity("Looking at what works here"):
        findings = diagnose()
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        marks = {True: Text("✓", "green"), False: Text("✗", "bold red"), None: Text("·", "yellow")}
        table = Table(box=None, pad_edge=False, show_header=False)
        for finding in findings:
            advice = f"\n→ {finding.advice}" if finding.advice else ""
            table.add_row(marks[finding.ok], finding.name, Text(f"{finding.detail}{advice}"))
        out.print(table)
    raise typer.Exit(FAILED if any(finding.ok is False for finding in findings) else DONE)


app.command()(networks)


# -- grading ---------------------------------------------------------------------------------------------


@app.command()
def grade(
    course: CourseFolder,
    exercise: OnlyExercises = None,
    student: OnlyStudents = None,
    workers: Workers = None,
    sandbox: LeastLevel = Level.full,
    no_sandbox: NoSandbox = False,
    again: Again = False,
    only: Only = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Grade what a class handed in: a table, a report page a student and one for the class, and where the time went.

    What is graded already is not graded again, unless what determines its grade changed: `--dry-run` tells what would
    be graded, and why. A run that was stopped goes on where it was. COURSE/.netlens/times.json has where the time went,
    as JSON.

    Example: netlens grade my-course --dry-run
    Example: netlens grade my-course --again --only timed-out --only out-of-memory
    Example: netlens grade my-course --again --exercise dream --student ada --student ben
    """
    from netlens_core.grading.alone import working_alone
    from netlens_core.grading.course import Course
    from netlens_core.grading.gradebook import Gradebook
    from netlens_core.grading.store import write_atomically

    if only and not again:
        raise typer.BadParameter("--only says which grades to make again: give --again too")
    if dry_run:
        level = "none" if no_sandbox else sandbox.value
        raise typer.Exit(
            tell_plan(Gradebook(Course(course), level, exercise, student, writes=False), again, only, as_json)
        )
    level = usable_level(sandbox, no_sandbox)
    opened, times = Course(course), Times(workers or cores())
    with working_alone(opened, waiting=_told_to_wait):
        with times.stage("preparing"), activity("Looking for what is new"):
            book = Gradebook(opened, level, exercise, student)
            asked = asked_again(book, only) if again else []
            pending = [entry for entry, _ in due_of(book, asked, only)]
        told_damage(book, "graded again")
        misplaced = told_misplaced(opened, student)
        with times.stage("grading"):
            try:
                failures = _grade_pending(book, pending, asked, times)
            finally:
                book.keep_changes()
        with times.stage("reports"), activity("Writing reports"):
            # Pages show the whole class, also where only a part of it was graded now.
            whole = Gradebook(opened, level) if exercise or student else book
            page = whole.write_views()
        if pending:
            write_atomically(opened.hidden_folder / "times.json", json.dumps(times.as_json(), indent=1).encode())
    if as_json:
        print_json(book.as_json())
    else:
        _print_class(book, page, times)
    wrong = [told_problems(book), told_troubles(whole), misplaced]
    raise typer.Exit(FAILED if failures or any(wrong) else DONE)


def _told_to_wait() -> None:
    err.print("Another netlens works on this course; waiting until it is done …")


def _grade_pending(book: Gradebook, pending: list[Entry], asked: list[Entry], times: Times) -> int:
    """Grade with a progress bar, or plain lines without a terminal; returns how many had a fault of ours."""
    faults = 0
    with _progress(len(pending)) as told, contextlib.closing(book.grade(pending, times.workers, asked)) as graded:
        done = 0
        try:
            for entry, result in graded:
                done += 1
                faults += any(check.fault for check in result.checks)
                times.add(result)
                told(entry, result)
        except KeyboardInterrupt:
            err.print(f"\nStopped: {done} of {len(pending)} graded and kept. The same command goes on from here.")
            raise typer.Exit(INTERRUPTED) from None
    book.remember()
    return faults


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[Entry, Grade], None]]:
    numbers = itertools.count(1)
    with progress("Grading", total) as count:

        def told(entry: Entry, result: Grade) -> None:
            count(f"{entry.label}: {_short(result)}")
            if not (watched() or quiet()):
                said = f"{_safe(entry.label)}: {_short(result)} in {result.seconds:.1f} s"
                err.print(Text(f"[{next(numbers)}/{total}] {said}"), soft_wrap=True)
            elif result.tries and not quiet():  # a bar forgets what it said
                err.print(Text(f"{_safe(entry.label)}{_both_tries(result)}"), soft_wrap=True)

        yield told


def _short(result: Grade) -> str:
    ended = "" if result.status == "graded" else f" ({result.status.replace('_', ' ')})"
    return f"{result.points:g}/{result.max_points:g}{ended}{_both_tries(result)}"


def _both_tries(result: Grade) -> str:
    if not result.tries:
        return ""
    first, then = (_safe(ended).rstrip(".") for ended in result.tries)
    return f", tried twice (first: {first}; then: {then})"


def _safe(text: str) -> str:
    from netlens_core.grading.plain_text import one_line

    return one_line(text, 200)


def _print_class(book: Gradebook, page: Path, times: Times) -> None:
    from netlens_core.grading.tables import class_table

    with speaking(book.course.catalog()):
        works = book.works()
        out.print(class_table(works, book.maximum()))
    waiting = sum(check.status == "needs_manual_grade" for work in works for check in work.grade.checks)
    new = len(times.grades)
    known = len(works) - new
    out.print(times_table(times) if new else times.in_one_line())
    judged = sum(graded.judged_only for graded in times.grades)
    again = f" ({judged} of them judged again by what they returned before, without running)" if judged else ""
    out.print(f"{len(works)} submissions: {new} graded now{again}, {known} known from before. Sandbox: {book.sandbox}.")
    tell_changes(book)
    tell_outdated(book)
    if waiting:
        out.print(f"{waiting} {'check waits' if waiting == 1 else 'checks wait'} for a person.", style="yellow")
    out.print(Text(f"Report: {page}"), soft_wrap=True)


@app.command("grade-file")
def grade_file(
    file: Annotated[Path, typer.Argument(help="A notebook, a Python file or a zip.")],
    exercise: Annotated[str, typer.Option("--exercise", help="Which exercise it solves.")],
    student: Annotated[str, typer.Option("--student", help="Whose inputs to use.")] = "student",
    course: Annotated[Path | None, typer.Option("--course", help="A course of your own.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write an HTML report to this file.")] = None,
    sandbox: LeastLevel = Level.full,
    no_sandbox: NoSandbox = False,
    as_json: AsJson = False,
) -> None:
    """Grade one submission; no course needed."""
    from netlens_core.grading.gradebook import grade_json
    from netlens_core.grading.report import GradedWork, render_student
    from netlens_core.grading.single import grade_one
    from netlens_core.grading.store import write_atomically
    from netlens_core.grading.tables import grade_table

    level = usable_level(sandbox, no_sandbox)
    with activity(f"Grading {file.name}"):
        opened = course_at(course)
        result = grade_one(opened, file, exercise, student, level)
    if report:
        work = GradedWork(student, result, result.pictures.__getitem__, result.seconds)
        with speaking(opened.catalog()):
            write_atomically(report, render_student(student, [work], exercise).encode())
    if as_json:
        print_json(grade_json(result, student, result.times))
    else:
        with speaking(opened.catalog()):
            out.print(grade_table(result))
        if result.tries:
            out.print(Text(f"{_safe(file.name)}{_both_tries(result)}"), style="yellow", soft_wrap=True)
        if report:
            out.print(Text(f"Report: {report}"), soft_wrap=True)


@app.command()
def report(course: CourseFolder, sandbox: LeastLevel = Level.full) -> None:
    """Write the report pages again from the stored grades."""
    from netlens_core.grading.alone import working_alone
    from netlens_core.grading.course import Course
    from netlens_core.grading.gradebook import Gradebook

    opened = Course(course)
    with activity("Writing reports"), working_alone(opened, waiting=_told_to_wait):
        book = Gradebook(opened, sandbox.value)
        page = book.write_views()
    out.print(Text(f"Report: {page}"), soft_wrap=True)
    tell_outdated(book)
    wrong = [told_problems(book), told_troubles(book)]
    raise typer.Exit(FAILED if any(wrong) else DONE)


# -- for course maintainers ------------------------------------------------------------------------------


@app.command()
def release(
    course: CourseFolder,
    student: Annotated[list[str] | None, typer.Option("--student", help="Also make this student's own inputs.")] = None,
    students: Annotated[
        Path | None, typer.Option("--students", help="Those of all in this file: an ID a line, or a CSV with a column.")
    ] = None,
    column: Annotated[str | None, typer.Option("--column", help="The heading of that column.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="The notebooks' language, such as cs; default: the course's.")
    ] = None,
) -> None:
    """Student notebooks and their inputs, into COURSE/release, where nbgrader's exchange finds them.

    COURSE is a course folder of nbgrader's: its settings (nbgrader_config.py) are written where they are missing, each
    notebook goes from COURSE/source through `nbgrader generate_assignment`, and every check stands in nbgrader's
    gradebook with its points. Releasing again keeps what the gradebook holds of students.
    """
    from netlens_core.grading.alone import working_alone
    from netlens_core.grading.course import Course
    from netlens_core.grading.release import release as write_release
    from netlens_core.grading.students import read_students

    everyone = [*(student or []), *(read_students(students, column) if students else [])]
    opened = Course(course)
    with working_alone(opened, waiting=_told_to_wait), activity("Making notebooks and inputs"):
        written = write_release(opened.in_language(language or opened.sheet.language), everyone)
    for path in written:
        out.print(Text(str(path)), soft_wrap=True)


@app.command("sample-course")
def sample_course(
    folder: Annotated[Path, typer.Argument(help="Where to write it.")],
    exercises: Annotated[
        str | None, typer.Option("--exercises", help="Only these, such as noise,adversarial; default: all.")
    ] = None,
) -> None:
    """Write the sample course to try `netlens grade` on: eight students, with good, wrong, hostile and broken work."""
    from netlens_core.grading.sample import build_sample_course

    slugs = [slug.strip() for slug in exercises.split(",")] if exercises else None
    with activity("Writing the sample course"):
        written = build_sample_course(folder, slugs)
    out.print(Text(f"Sample course: {written}"), soft_wrap=True)


app.command()(history)
app.command()(verify)
app.command()(calibrate)
app.command("new-exercise")(new_exercise)
app.command()(check)
app.command()(collect)
app.command()(inputs)
app.command()(answers)
app.command()(mark)
app.command()(export)
app.command("gradescope-zip")(gradescope_zip)
commands.register(app)
for each in app.registered_commands:
    each.epilog = f"Progress is told on standard error; {VARIABLE}=SECONDS and netlens --quiet change how often."

if __name__ == "__main__":
    main()
