"""`netlens verify`: the graders' own test."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from netlens_core.commands.displays import progress
from netlens_core.commands.grading import (
    LeastLevel,
    Level,
    Workers,
    cores,
    course_at,
    usable_level,
)
from netlens_core.commands.shared import DONE, FAILED, INTERRUPTED, AsJson, err, out, print_json
from netlens_core.progress import activity

if TYPE_CHECKING:
    from netlens_core.grading.verify import Plan, Standing, Verdict


def verify(
    slugs: Annotated[list[str] | None, typer.Argument(metavar="[SLUG]…", help="Only these exercises.")] = None,
    course: Annotated[Path | None, typer.Option("--course", help="A course of your own.")] = None,
    flowers: Annotated[int, typer.Option("--flowers", min=1, help="Try as this many different students.")] = 1,
    reference_only: Annotated[
        bool, typer.Option("--reference-only", help="Neither template nor wrong solutions: for many students.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what an earlier run found as it must be.")] = False,
    workers: Workers = None,
    sandbox: LeastLevel = Level.full,
    as_json: AsJson = False,
) -> None:
    """Test the graders: the reference earns all, the template nothing, each wrong solution loses just what it names.

    Calibrated thresholds must keep their margins. What went as it must is not run again, also after Ctrl-C. Exit status
    1 where anything did not.
    """
    from netlens_core.grading.verify import add_solutions_of_no_exercise, plan, standings

    with activity("Preparing exercises"):
        level, chosen = usable_level(sandbox), course_at(course).in_language("en")
        planned = plan(chosen, slugs or chosen.sheet.exercises, level, flowers, reference_only)
        if not slugs:
            add_solutions_of_no_exercise(planned)
    verdicts = _run(planned, workers or cores(), again, as_json)
    stand = standings(planned, verdicts)
    failed = [verdict for verdict in verdicts if verdict.problems]
    shrunk = [standing for standing in stand if standing.problems]
    if as_json:
        print_json(
            {
                "trials": [verdict.as_json() for verdict in verdicts],
                "thresholds": [standing.as_json() for standing in stand],
                "incomplete": planned.incomplete,
            }
        )
    else:
        _tell_thresholds(stand)
        for slug, reason in planned.incomplete.items():
            out.print(Text.assemble(("✗ ", "bold red"), f"{slug}: {reason}"), soft_wrap=True)
        if verdicts:
            out.print(_times(verdicts))
        _summarise(verdicts, failed, shrunk, planned)
    raise typer.Exit(FAILED if failed or shrunk or planned.incomplete else DONE)


def _run(planned: Plan, workers: int, again: bool, as_json: bool) -> list[Verdict]:
    from netlens_core.grading.verify import verify as run_trials

    verdicts: list[Verdict] = []
    total = len(planned.works)
    with (
        progress("Verifying", total) as told,
        contextlib.closing(run_trials(planned, workers, again)) as running,
    ):
        try:
            for verdict in running:
                verdicts.append(verdict)
                told(f"{verdict.trial.slug} {verdict.trial.name}")
                if not as_json:
                    _tell(verdict)
        except KeyboardInterrupt:
            err.print(f"\nStopped: {len(verdicts)} of {total} trials done. The same command goes on from here.")
            raise typer.Exit(INTERRUPTED) from None
    return verdicts


def _tell(verdict: Verdict) -> None:
    mark = ("✗ ", "bold red") if verdict.problems else ("✓ ", "green")
    trial, grade = verdict.trial, verdict.grade
    lost = ", ".join(sorted(trial.loses)) or "nothing"
    ended = "" if grade.status == "graded" else f" ({grade.status.replace('_', ' ')})"
    known = " (known)" if verdict.known else f" in {grade.seconds:.1f} s"
    said = f"{trial.slug} {trial.name}: {grade.points:g}/{grade.max_points:g}{ended}, must lose {lost}"
    out.print(Text.assemble(mark, said, (known, "dim")), soft_wrap=True)
    for problem in verdict.problems:
        out.print(Text(f"    {problem}", "red"), soft_wrap=True)


def _tell_thresholds(stand: Sequence[Standing]) -> None:
    for standing in stand:
        mark = ("✗ ", "bold red") if standing.problems else ("✓ ", "green")
        said = f"{standing.slug} threshold {standing.name}: required {standing.calibrated.required:g}"
        if standing.reference is not None:
            said += f", reference {standing.reference:g}"
        if standing.wrong is not None:
            said += f", {standing.by} {standing.wrong:g}"
        out.print(
            Text.assemble(mark, said, (f"; margin {standing.calibrated.margin:g}", "dim")),
            soft_wrap=True,
        )
        for problem in standing.problems:
            out.print(Text(f"    {problem}", "red"), soft_wrap=True)


def _times(verdicts: Sequence[Verdict]) -> Table:
    """Where the time goes: a line for each exercise, in seconds of a worker, those of earlier runs included."""
    table = Table("Exercise", box=None, pad_edge=False, header_style="bold")
    for title in ("trials", "run now", "seconds", "longest"):
        table.add_column(title, justify="right")
    table.add_column("")
    for slug in dict.fromkeys(verdict.trial.slug for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.trial.slug == slug]
        longest = max(own, key=lambda verdict: verdict.grade.seconds)
        table.add_row(
            slug,
            str(len(own)),
            str(sum(not verdict.known for verdict in own)),
            f"{sum(verdict.grade.seconds for verdict in own):.1f}",
            f"{longest.grade.seconds:.1f}",
            longest.trial.name,
        )
    return table


def _summarise(
    verdicts: Sequence[Verdict], failed: Sequence[Verdict], shrunk: Sequence[Standing], planned: Plan
) -> None:
    known = sum(verdict.known for verdict in verdicts)
    said = f"{len(verdicts)} trials ({known} known from before), {len(failed)} not as they must be."
    if shrunk:
        said += f" {len(shrunk)} thresholds have lost their margin: netlens calibrate."
    if planned.incomplete:
        said += f" Not complete: {', '.join(planned.incomplete)}."
    bad = failed or shrunk or planned.incomplete
    out.print(Text(said, "red" if bad else "green"), soft_wrap=True)
