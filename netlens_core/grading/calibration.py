"""Measuring the thresholds that follow the network, and writing them down.

Reference and wrong solutions run as many students would, each with inputs of their own and other hidden ones, through
the exercise's own grader in the sandbox. `required` then goes between the reference's worst value and the best one
that a wrong solution reaches which the threshold has to reject.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError, Exercise
from netlens_core.grading.grade import Grade
from netlens_core.grading.inputs import with_materials
from netlens_core.grading.pool import Work
from netlens_core.grading.store import write_atomically
from netlens_core.grading.thresholds import (
    Calibrated,
    Threshold,
    ThresholdSheet,
    measured,
    read_thresholds,
    thresholds_path,
)
from netlens_core.grading.trials import REFERENCE, TEMPLATE, Trial, run_all, trials, work_of

# Where `required` stands on the way from the wrong solutions to the reference. Honest students' ways differ more from
# the reference than cheats differ from the wrong solutions, which are the best cheats we know: so below the middle.
SHARE = 0.4
# The part of the distance from `required` to the nearer side that must stay: a verification with other inputs than
# those of the calibration may use up the rest.
KEPT = 0.5
NOISES = 3  # forging takes long: so many different ones are spread over the students

_NEVER = 1e30  # a requirement that everything fulfils, so that no check is skipped because of another


@dataclass(frozen=True)
class Tried:
    """One solution as one student: their number from 0, and what the grader made of it."""

    trial: Trial
    number: int
    grade: Grade


@dataclass
class Runs:
    """What is to be run: works, and the solution and student of each by its label."""

    course: Course
    works: list[Work] = field(default_factory=list)
    of: dict[str, tuple[Trial, int]] = field(default_factory=dict)


def runs(
    course: Course,
    slug: str,
    flowers: int,
    sandbox: str,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    among: Callable[[Trial], bool] = lambda trial: trial.name != TEMPLATE,
) -> Runs:
    """The solutions of an exercise that `among` chooses, each as `flowers` students.

    `thresholds` stands in for those that were calibrated. Raises CourseError for an exercise that is not complete.
    """
    planned = Runs(course)
    for number in range(flowers):
        exercise, seed = _variant(course, slug, number, thresholds)
        for trial in trials(slug, exercise, course.root(slug), course.sheet.networks.target):
            if among(trial):
                label = f"{slug} · {trial.name} · {number}"
                planned.of[label] = trial, number
                planned.works.append(work_of(trial, label, exercise, course, seed, sandbox))
    return planned


def tried(planned: Runs, workers: int, again: bool = False) -> Generator[Tried, None, None]:
    """Run what was planned; what an earlier run found is not run again, unless `again`."""
    for run in run_all(planned.works, planned.course, workers, again):
        yield Tried(*planned.of[run.work.label], run.grade)


def _variant(
    course: Course, slug: str, number: int, thresholds: Mapping[str, Mapping[str, Any]] | None
) -> tuple[Exercise, int]:
    """The exercise with one student's inputs and hidden ones of its own, and the student's seed."""
    exercise = course.plain_exercise(slug, thresholds)
    noisy = any(spec.draw == "noise" and spec.whose == "hidden" for spec in exercise.sheet.inputs.values())
    secret = f"calibration {number % NOISES if noisy else number}"
    course_seed = course.sheet.seed + number % NOISES
    cache = course.hidden_folder / "inputs"
    made = with_materials(exercise, course_seed, secret, course.forging_networks(), cache)
    return made, course.seed(f"calibration {number}", slug)


# -- finding thresholds ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """What was measured of one threshold.

    Attributes:
        before: what the file said, if anything.
        after: what it will say; None where reference and wrong solutions cannot be parted.
        problem: why not, in words.
    """

    slug: str
    name: str
    network: str
    threshold: Threshold
    before: Calibrated | None
    after: Calibrated | None
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """As `netlens calibrate --json` prints it."""
        told = {"exercise": self.slug, "threshold": self.name, "network": self.network, "problem": self.problem}
        for when, value in (("before", self.before), ("after", self.after)):
            told[when] = value and value.model_dump()  # type: ignore[assignment]
        return told


def calibrated_exercises(course: Course) -> list[str]:
    """The exercises that have thresholds to calibrate."""
    return [slug for slug in course.sheet.exercises if course.threshold_sheet(slug)]


def calibration(course: Course, slug: str, flowers: int, sandbox: str) -> Runs:
    """What has to run to measure an exercise's thresholds on the course's target network.

    Raises CourseError where the exercise has none.
    """
    course.refuse_unknown(slug)
    sheet = course.threshold_sheet(slug)
    if not sheet:
        wanted = thresholds_path(course.folder / "graders", slug)
        raise CourseError(f"{slug} has no thresholds that follow the network: name them in {wanted}")
    return runs(course, slug, flowers, sandbox, open_to_all(sheet), _has_its_say)


def open_to_all(sheet: Mapping[str, Threshold]) -> dict[str, dict[str, Any]]:
    """Thresholds that measure and let everything pass, so that what was required before changes nothing."""
    return {
        name: {threshold.direction: -threshold.upwards(_NEVER), "calibrated": name} for name, threshold in sheet.items()
    }


def _has_its_say(trial: Trial) -> bool:
    return trial.name == REFERENCE or bool(trial.caught_by)


def found_among(course: Course, slug: str, seen: Collection[Tried], flowers: int) -> list[Found]:
    """What the runs of `calibration` say of each threshold of an exercise."""
    target = course.sheet.networks.target
    sheet = course.threshold_sheet(slug)
    return [_found(slug, name, target, threshold, seen, flowers) for name, threshold in sheet.items()]


def _found(slug: str, name: str, target: str, threshold: Threshold, seen: Collection[Tried], flowers: int) -> Found:
    before = threshold.networks.get(target)

    def failed(problem: str) -> Found:
        return Found(slug, name, target, threshold, before, None, f"{name} on {target}: {problem}")

    own: list[tuple[float, int]] = []
    others: list[tuple[float, str, int]] = []
    for one in sorted(seen, key=lambda one: (one.trial.name, one.number)):
        if one.trial.name != REFERENCE and name not in one.trial.caught_by:
            continue
        value = measured(one.grade, name, threshold, one.trial.loses)
        if one.trial.name != REFERENCE:
            others += [] if value is None else [(value, one.trial.name, one.number)]
        elif value is None:
            return failed(f"the reference solution was not measured by it as student {one.number} ({_ended(one)})")
        else:
            own.append((value, one.number))
    if not others:
        return failed(f'no wrong solution that names it, CAUGHT_BY = ["{name}"], was measured by it')
    worst, whose = min(own, key=lambda pair: threshold.upwards(pair[0]))
    best, by, others_whose = max(others, key=lambda triple: threshold.upwards(triple[0]))
    if threshold.ahead(worst, best) <= 0:
        return failed(
            f"nothing parts the reference solution, {worst:g} as student {whose}, from {by}, {best:g} as student "
            f"{others_whose}: {threshold.direction.replace('_', ' ')} is wished, {threshold.separates}"
        )
    return Found(slug, name, target, threshold, before, between(worst, best, by, flowers))


def _ended(one: Tried) -> str:
    lost = [f"{check.name}: {check.fault or check.message}" for check in one.grade.checks if check.message]
    return one.grade.message or "; ".join(lost) or "the grader takes no requirement from it"


def between(reference: float, wrong: float, by: str, flowers: int) -> Calibrated:
    """The threshold between two values, rounded to a hundredth of their distance or finer."""
    digits = max(0, 2 - math.floor(math.log10(abs(reference - wrong))))
    required = round(wrong + SHARE * (reference - wrong), digits)
    nearest = min(abs(reference - required), abs(required - wrong))
    scale = 10**digits
    return Calibrated(
        required=required,
        partial_from=wrong,  # what is better than every cheat begins to count
        reference=reference,
        wrong=wrong,
        by=by,
        margin=math.floor(KEPT * nearest * scale) / scale,
        flowers=flowers,
    )


# -- writing them down -----------------------------------------------------------------------------------

_HEADER = """\
# Thresholds that follow the network. `direction` and `separates` are written by hand, `networks` by
# `netlens calibrate {slug}`: `required` stands at {share} of the way from the best value of a wrong solution (`by`) to
# the reference's worst, `partial_from` at that wrong value; `netlens verify` fails where either comes nearer to
# `required` than `margin`.
"""
_KEY = re.compile(r"^([A-Za-z_]\w*) *:")


def write_down(course: Course, slug: str, found: Iterable[Found]) -> Path:
    """Write what was found into the course's `graders/<slug>.yaml`; the rest of the file stays as it is, with
    everything that was written by hand. Returns the path. Raises OSError where it cannot be written."""
    sheet = course.threshold_sheet(slug)
    text = course.threshold_text(slug)
    for one in found:
        if one.after:
            old = sheet[one.name]
            networks = {**old.networks, one.network: one.after}
            sheet[one.name] = old.model_copy(update={"networks": networks})
    path = thresholds_path(course.folder / "graders", slug)
    write_atomically(path, rendered(slug, sheet, text).encode())
    if read_thresholds(path.parent, slug) != sheet:  # a mistake of ours, not of the user
        raise CourseError(f"{path} could not be written so that it says what was found")
    return path


def rendered(slug: str, sheet: Mapping[str, Threshold], before: str = "") -> str:
    """Thresholds as YAML: comments at the file's top and above `networks:` are kept as they stood in `before`."""
    head, blocks, tail = _blocks(before)
    parts = [head or _HEADER.format(slug=slug, share=SHARE)]
    for name, threshold in sheet.items():
        parts.append(_by_hand(name, threshold, blocks.get(name, "")))
        content = {network: calibrated.model_dump() for network, calibrated in threshold.networks.items()}
        if content:
            listed = yaml.safe_dump({"networks": content}, sort_keys=False, width=120, allow_unicode=True)
            parts.append("".join(f"  {line}\n" for line in listed.splitlines()))
    return "".join([*parts, tail])


def _blocks(text: str) -> tuple[str, dict[str, str], str]:
    """A file's lines before the first threshold, each threshold's with the comments right above it, and those after."""
    blocks: dict[str, str] = {}
    head = name = pending = ""
    for line in text.splitlines(keepends=True):
        if key := _KEY.match(line):
            if not name:
                head, pending = pending, ""
            name = key[1]
            blocks[name], pending = pending + line, ""
        elif line.startswith("#") or not line.strip():
            pending += line
        else:
            blocks[name], pending = blocks.get(name, "") + pending + line, ""
    return head, blocks, pending


def _by_hand(name: str, threshold: Threshold, block: str) -> str:
    """The part of a threshold that is written by hand, word for word where `networks` comes last in it."""
    kept, _, _ = block.partition("\n  networks:")
    kept = f"{kept.rstrip()}\n"
    plain = Threshold(direction=threshold.direction, separates=threshold.separates)
    try:
        if ThresholdSheet.model_validate(yaml.safe_load(kept)).root == {name: plain}:
            return kept
    except Exception:  # in another order, or in one line: written anew
        pass
    dumped = yaml.safe_dump(
        {name: {"direction": plain.direction, "separates": plain.separates}},
        sort_keys=False,
        width=110,
        allow_unicode=True,
    )
    return str(dumped)
