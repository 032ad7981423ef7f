"""`netlens calibrate`: thresholds that follow the network, measured."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from netlens_core.commands.displays import progress
from netlens_core.commands.grading import LeastLevel, Level, Workers, cores, course_at, usable_level
from netlens_core.commands.shared import DONE, FAILED, INTERRUPTED, AsJson, err, out, print_json
from netlens_core.progress import activity

if TYPE_CHECKING:
    from netlens_core.grading.calibration import Found
    from netlens_core.grading.course import Course


def calibrate(
    slugs: Annotated[list[str] | None, typer.Argument(metavar="[SLUG]…", help="Only these exercises.")] = None,
    network: Annotated[str | None, typer.Option("--network", help="The target network; default: the course's.")] = None,
    flowers: Annotated[int, typer.Option("--flowers", min=1, help="Measure as this many different students.")] = 20,
    course: Annotated[Path | None, typer.Option("--course", help="A course of your own.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also run what an earlier calibration ran.")] = False,
    workers: Workers = None,
    sandbox: LeastLevel = Level.full,
    as_json: AsJson = False,
) -> None:
    """Measure the thresholds that follow the network, between the reference and the wrong solutions that they reject.

    Writes them, with the margin that `netlens verify` guards, into graders/SLUG.yaml of the course. Exit status 1 where
    reference and wrong solutions cannot be parted; the file then stays as it was.
    """
    from netlens_core.grading.calibration import calibrated_exercises, write_down
    from netlens_core.grading.exercise import CourseError

    level, chosen = usable_level(sandbox), course_at(course).in_language("en")
    chosen = chosen.about(network) if network else chosen
    names = slugs or calibrated_exercises(chosen)
    if not names:
        raise CourseError(f"no exercise of {chosen.folder} has thresholds that follow the network")
    found: list[Found] = []
    for slug in names:
        of_this = _measured(chosen, slug, flowers, workers or cores(), level, again)
        found += of_this
        if not any(one.problem for one in of_this):
            path = write_down(chosen, slug, of_this)
            err.print(Text(f"Written: {path}"), soft_wrap=True)
    problems = [f"{one.slug}: {one.problem}" for one in found if one.problem]
    if as_json:
        print_json([one.as_json() for one in found])
    else:
        out.print(_table(found))
        for problem in problems:
            out.print(Text.assemble(("✗ ", "bold red"), problem), soft_wrap=True)
    raise typer.Exit(FAILED if problems else DONE)


def _measured(course: Course, slug: str, flowers: int, workers: int, level: str, again: bool) -> list[Found]:
    from netlens_core.grading.calibration import calibration, found_among, tried

    with activity(f"Preparing {slug}"):
        planned = calibration(course, slug, flowers, level)
    seen = []
    with (
        progress(f"Calibrating {slug}", len(planned.works)) as told,
        contextlib.closing(tried(planned, workers, again)) as running,
    ):
        try:
            for one in running:
                seen.append(one)
                told(f"{one.trial.name} as student {one.number}")
        except KeyboardInterrupt:
            err.print(f"\nStopped: {len(seen)} of {len(planned.works)} runs done. The same command goes on from here.")
            raise typer.Exit(INTERRUPTED) from None
    return found_among(course, slug, seen, flowers)


def _table(found: Sequence[Found]) -> Table:
    table = Table("Threshold", "Network", box=None, pad_edge=False, header_style="bold")
    for title in ("reference, worst", "wrong, best", "required", "before", "partial from", "margin"):
        table.add_column(title, justify="right")
    table.add_column("nearest wrong solution")
    for one in found:
        now, before = one.after, one.before
        if now is None:
            table.add_row(f"{one.slug} {one.name}", one.network, *["–"] * 6, "")
            continue
        word = one.threshold.direction.replace("_", " ")
        numbers = [f"{now.reference:g}", f"{now.wrong:g}", f"{word} {now.required:g}"]
        numbers += [f"{before.required:g}" if before else "–", f"{now.partial_from:g}", f"{now.margin:g}"]
        table.add_row(f"{one.slug} {one.name}", one.network, *numbers, now.by)
    return table
