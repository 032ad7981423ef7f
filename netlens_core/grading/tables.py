"""Grades as tables for terminals; whatever students wrote is shown as it is, never as markup or escape sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from netlens_core.grading.grade import Check, CheckStatus, Grade
from netlens_core.grading.plain_text import plain
from netlens_core.grading.report.numbers import measured, points, requirement
from netlens_core.grading.report.words import check_words, grade_word, late_words
from netlens_core.grading.report.work import GradedWork, exercises_of, students_of
from netlens_core.languages import ngettext, translate

_SYMBOLS: dict[CheckStatus, tuple[str, str]] = {
    "passed": ("✓", "green"),
    "partial": ("◐", "yellow"),
    "failed": ("✗", "red"),
    "skipped": ("–", "dim"),
    "needs_manual_grade": ("?", "magenta"),
}


def class_table(works: Sequence[GradedWork], maximum: Mapping[str, float]) -> Table:
    """A line for each student and exercise that anyone handed in.

    Args:
        maximum: exercise -> its points, in the course's order.
    """
    table = Table(translate("Student"), translate("Exercise"), header_style="bold")
    table.add_column(translate("Points"), justify="right", no_wrap=True)
    table.add_column(translate("Status"))
    table.add_column(translate("Note"), overflow="fold")
    by_place = {(work.student, work.grade.exercise): work for work in works}
    slugs = exercises_of(works, maximum)
    for student in students_of(works):
        for place, slug in enumerate(slugs):
            work = by_place.get((student, slug))
            name = _line(student, 40, "bold") if place == 0 else Text()
            table.add_row(name, _line(slug, 40), *_grade_cells(work, maximum.get(slug)), end_section=slug == slugs[-1])
    return table


def grade_table(grade: Grade) -> Table:
    """A line for each check of one grade, with what was measured and what is wrong."""
    sum_of_points = translate("{points} of {most} points", points=points(grade.points), most=points(grade.max_points))
    table = Table(
        header_style="bold",
        title=Text.assemble(_line(grade.title, 120), f": {sum_of_points}"),
        title_justify="left",
        title_style="bold",
        caption=_block(grade.message, 1000, "" if grade.status == "graded" else "red") if grade.message else None,
        caption_justify="left",
    )
    table.add_column(translate("Check"), overflow="fold", ratio=3)
    table.add_column(translate("Points"), justify="right", no_wrap=True)
    table.add_column(translate("How it went"), overflow="fold", ratio=4)
    for check in grade.checks:
        said = "" if check.message == grade.message else check.message
        table.add_row(
            _line(check.description or check.name, 300),
            Text(f"{points(check.points)}/{points(check.max_points)}"),
            _how_it_went(check, said),
            end_section=True,
        )
    return table


def _grade_cells(work: GradedWork | None, most: float | None) -> tuple[Text, Text, Text]:
    if work is None:
        return Text("–", "dim"), Text(translate("not handed in"), "dim"), Text()
    grade = work.grade
    earned = f"{points(grade.points)}/{points(grade.max_points if most is None else most)}"
    status = Text(grade_word(grade.status).split(":")[0].lower(), "" if grade.status == "graded" else "red")
    return Text(earned), status, _note(work)


def _note(work: GradedWork) -> Text:
    grade = work.grade
    faults = sum(bool(check.fault) for check in grade.checks)
    waiting = sum(check.status == "needs_manual_grade" and not check.fault for check in grade.checks)
    notes = [_line(translate("outdated: {reasons}", reasons=work.outdated), 300, "yellow")] if work.outdated else []
    if faults:
        said = ngettext("the grader failed at {count} check", "the grader failed at {count} checks", faults)
        notes.append(Text(said, "red"))
    if waiting:
        said = ngettext("{count} check waits for a person", "{count} checks wait for a person", waiting)
        notes.append(Text(said, "magenta"))
    if work.late_penalty:
        notes.append(Text(late_words(work.late_penalty), "yellow"))
    if grade.marked_before_it_changed:
        notes.append(Text(translate("an answer changed since it was marked"), "magenta"))
    if grade.status != "graded" and grade.message:
        notes.append(_line(grade.message, 160))
    return Text("; ").join(notes)


def _how_it_went(check: Check, message: str) -> Text:
    symbol, style = _SYMBOLS[check.status]
    lines = [Text(f"{symbol} {check_words()[check.status]}", style)]
    for measurement in check.measurements:
        line = f"{measurement.name} {measured(measurement)}, {requirement(measurement)}"
        met: CheckStatus = "passed" if measurement.passed else "partial" if measurement.credit > 0 else "failed"
        lines.append(_line(f"{_SYMBOLS[met][0]} {line}", 400))
    if message:
        lines.append(_block(message, 1000))
    if check.mark is not None:
        lines.append(_line(translate("marked by a person") if check.mark.scored else translate("comment"), 100, "dim"))
        lines += [_block(check.mark.comment, 1000)] if check.mark.comment else []
        lines += [Text(translate("The answer changed since it was marked."), "magenta")] if check.mark.outdated else []
    if check.fault:
        last = check.fault.strip().splitlines()[-1:]
        lines.append(_line(translate("fault of the grader: {error}", error="".join(last)), 400, "red"))
    return Text("\n").join(lines)


def _line(text: str, limit: int, style: str = "") -> Text:
    return Text(" ".join(plain(text, limit).split()), style)


def _block(text: str, limit: int, style: str = "") -> Text:
    return Text(plain(text, limit), style)
