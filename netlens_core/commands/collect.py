"""`netlens collect`: from a learning platform's download to the course folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from netlens_core.commands.shared import DONE, FAILED, AsJson, out, print_json
from netlens_core.progress import activity

if TYPE_CHECKING:
    from netlens_core.grading.collecting import Collection
    from netlens_core.grading.course import Course

_MOST_OTHERS = 50
_STYLES = {"new": "green", "newer": "green", "forced": "yellow", "kept": "yellow", "refused": "red"}


def collect(
    course: Annotated[Path, typer.Argument(metavar="COURSE", help="The folder that holds course.yaml.")],
    downloads: Annotated[
        Path, typer.Argument(metavar="DOWNLOADS", help="What the platform let you download: a zip, or it unpacked.")
    ],
    exercise: Annotated[str, typer.Option("--exercise", help="Which exercise it is.")],
    students: Annotated[
        Path | None,
        typer.Option("--students", help="Who is who: Moodle's worksheet, Canvas's gradebook, or a CSV with name,id."),
    ] = None,
    column: Annotated[str | None, typer.Option("--column", help="The heading of the IDs in that table.")] = None,
    pattern: Annotated[
        str | None,
        typer.Option("--pattern", help="How files are named, if by no platform: a regular expression, see below."),
    ] = None,
    code_page: Annotated[
        str | None, typer.Option("--code-page", help="How names are written in an old zip that does not tell: cp852.")
    ] = None,
    into: Annotated[Path | None, typer.Option("--into", help="Another folder than COURSE/submitted.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also replace what is not known to be older.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Collect an exercise from Moodle, Canvas, Gradescope, Blackboard, Brightspace or ILIAS into COURSE/submitted.

    Without --students, IDs are made from names. Of several files of a student the newest counts; what lies there
    already is replaced only by something newer. Exit status 1 where somebody's work could not be taken, a file is
    nobody's, or --students does not name somebody: they are named, with what to do.

    --pattern is matched with a file's whole path in the download, or else its name; the group student is the ID.

    Example: netlens collect my-course "CS101-Noise-4711.zip" --exercise noise --students grades.csv
    Example: netlens collect my-course mails.zip --exercise noise --pattern '(?P<student>[^/]+)/(?P<file>.+)'
    """
    from netlens_core.grading.alone import working_alone
    from netlens_core.grading.collecting import collect as collect_from
    from netlens_core.grading.course import Course
    from netlens_core.grading.roster import read_roster

    opened = Course(course)
    opened.refuse_unknown(exercise)
    roster = read_roster(students, column) if students else None
    with activity(f"Collecting {downloads.name}"), working_alone(opened, waiting=lambda: None):
        found = collect_from(
            downloads,
            exercise,
            into or course / "submitted",
            roster,
            force=force,
            dry_run=dry_run,
            pattern=pattern,
            code_page=code_page,
            titles=_titles(opened, exercise),
        )
    if as_json:
        print_json({"exercise": exercise, "dry_run": dry_run, **found.as_json()})
    else:
        _print(found, dry_run)
    raise typer.Exit(DONE if found.complete else FAILED)


def _titles(course: Course, slug: str) -> list[str]:
    from netlens_core import NetlensError

    try:
        return [course.exercise_sheet(slug).title]
    except NetlensError:  # told when it is graded
        return []


def _print(found: Collection, dry_run: bool) -> None:
    from netlens_core.grading.collecting import MADE

    table = Table(header_style="bold")
    for column, ratio in (("Student", 3), ("On the platform", 3), ("What became of it", 5)):
        table.add_column(column, ratio=ratio, overflow="fold")
    for work in found.works:
        told = Text(work.status, _STYLES.get(work.status, "dim"))
        told.append(f" {work.when} UTC" if work.when else "").append(" late" if work.late else "", "yellow")
        if any("passed over" in note for note in work.notes):
            told.append(f"\ntaken: {work.file}", "dim")
        for note in work.notes:
            if not note.startswith(MADE):
                told.append(f"\n{note}", "dim")
        table.add_row(Text(work.student or "?"), Text(work.person), told)
    out.print(table)
    made = sum(any(note.startswith(MADE) for note in work.notes) for work in found.works)
    if found.unlisted:
        shown = ", ".join(work.person for work in found.unlisted[:8]) + (", …" if len(found.unlisted) > 8 else "")
        reason = (
            f"{len(found.unlisted)} are not in the table of students, so their IDs may be others than at the release"
        )
        out.print(Text(f"{reason}: {shown}", "red"), soft_wrap=True)
    elif made:
        out.print(f"{made} IDs were made from names; --students takes a table that tells who is who.", style="yellow")
    for note in found.notes:
        out.print(Text(note, "yellow"), soft_wrap=True)
    if found.others:
        out.print(f"{len(found.others)} files were not taken:", style="red")
        for name, reason in found.others[:_MOST_OTHERS]:
            out.print(Text(f"  {name}: {reason}"), soft_wrap=True)
        if len(found.others) > _MOST_OTHERS:
            out.print(f"  and {len(found.others) - _MOST_OTHERS} more; --json lists them all")
    counts = Counter(work.status for work in found.works)
    said = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    out.print(f"{len(found.works)} students: {said}." + (" Nothing was written." if dry_run else ""))
