"""Testing the graders: the reference earns everything, the template nothing, each wrong solution loses what it names;
and calibrated thresholds stand as far from reference and wrong solutions as they stood when they were measured.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.course_folder import solutions_of_no_exercise
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.grade import Check, Grade
from netlens_core.grading.pool import Work
from netlens_core.grading.thresholds import Calibrated, Threshold, measured
from netlens_core.grading.trials import REFERENCE, Trial, run_all, trials, work_of


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        works: every trial as every student; `trials` has them by the work's label.
        incomplete: exercise -> why it cannot be tested at all.
        thresholds: exercise -> its calibrated thresholds.
        reference_only: whether neither template nor wrong solutions are among the trials.
    """

    course: Course
    works: list[Work] = field(default_factory=list)
    trials: dict[str, Trial] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)
    thresholds: dict[str, dict[str, Threshold]] = field(default_factory=dict)
    reference_only: bool = False


@dataclass(frozen=True)
class Verdict:
    """How a trial went: `problems` tells in words where the grader and the expectation part, empty if nowhere.

    `known` tells that an earlier run found it out.
    """

    trial: Trial
    grade: Grade
    problems: tuple[str, ...]
    known: bool = False

    def as_json(self) -> dict[str, Any]:
        """The verdict as `netlens verify --json` prints it."""
        return {
            "exercise": self.trial.slug,
            "trial": self.trial.name,
            "loses": sorted(self.trial.loses),
            "points": self.grade.points,
            "max_points": self.grade.max_points,
            "problems": list(self.problems),
            "seconds": round(self.grade.seconds, 3),
            "known": self.known,
        }


@dataclass(frozen=True)
class Standing:
    """Where a calibrated threshold stands: the reference's worst value here, and the best one that it has to reject.

    None where nothing was measured by it.
    """

    slug: str
    name: str
    calibrated: Calibrated
    reference: float | None
    wrong: float | None
    by: str
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As `netlens verify --json` prints it."""
        return {
            "exercise": self.slug,
            "threshold": self.name,
            "required": self.calibrated.required,
            "margin": self.calibrated.margin,
            "reference": self.reference,
            "wrong": self.wrong,
            "by": self.by,
            "problems": list(self.problems),
        }


def plan(course: Course, slugs: Iterable[str], sandbox: str, flowers: int = 1, reference_only: bool = False) -> Plan:
    """Every trial of the exercises, or only their reference solutions, each as `flowers` different students.

    Raises CourseError for an unknown exercise or networks that are not here; an exercise of which something is missing
    is told in `incomplete`.
    """
    planned = Plan(course, reference_only=reference_only)
    names = list(dict.fromkeys(slugs))
    for slug in names:
        course.refuse_unknown(slug)
    _ = course.fingerprints
    for slug in names:
        try:
            _add(planned, slug, sandbox, flowers)
        except CourseError as error:
            planned.incomplete[slug] = str(error)
    return planned


def add_solutions_of_no_exercise(planned: Plan) -> None:
    """Note reference solutions of the course folder that no exercise uses."""
    planned.incomplete.update(solutions_of_no_exercise(planned.course.folder, shipped_course()))


def _add(planned: Plan, slug: str, sandbox: str, flowers: int) -> None:
    course = planned.course
    exercise = course.exercise(slug)
    found = trials(slug, exercise, course.root(slug), course.sheet.networks.target)
    planned.thresholds[slug] = course.threshold_sheet(slug)
    for trial in found:
        if planned.reference_only and trial.name != REFERENCE:
            continue
        for number in range(flowers):
            label = f"{slug} · {trial.name} · {number}"
            planned.trials[label] = trial
            seed = course.seed(f"verify {number}", slug)
            planned.works.append(work_of(trial, label, exercise, course, seed, sandbox))


def verify(planned: Plan, workers: int, again: bool = False) -> Generator[Verdict, None, None]:
    """Grade every trial and compare with what it must lose.

    What went as it must is remembered: a second run, or one after a stop, only runs the rest, unless `again`.
    """

    def as_named(work: Work, grade: Grade) -> bool:
        return not any(_problems(planned.trials[work.label], grade))

    for run in run_all(planned.works, planned.course, workers, again, keep=as_named):
        trial = planned.trials[run.work.label]
        yield Verdict(trial, run.grade, tuple(_problems(trial, run.grade)), run.known)


def _problems(trial: Trial, grade: Grade) -> Iterator[str]:
    if grade.status != "graded":
        yield f"ended as {grade.status}: {grade.message}"
    for check in grade.checks:
        if check.fault:
            yield f"{check.name}: the grader failed: {check.fault.strip().splitlines()[-1]}"
        elif _lost(check) and check.name not in trial.loses:
            yield f"{check.name}: lost, should be earned ({_why(check)})"
        elif not _lost(check) and check.name in trial.loses:
            yield f"{check.name}: earned, should be lost ({_why(check)})"
        elif trial.name == "template" and check.points:
            yield f"{check.name}: the untouched template earns {check.points:g}"


def _lost(check: Check) -> bool:
    return check.points < check.max_points and check.status != "needs_manual_grade"


def _why(check: Check) -> str:
    numbers = [f"{m.name} {m.value}" for m in check.measurements]
    return "; ".join(filter(None, [check.status, check.message, *numbers]))


# -- calibrated thresholds -------------------------------------------------------------------------------


def standings(planned: Plan, verdicts: Iterable[Verdict]) -> list[Standing]:
    """Where every calibrated threshold stands among the values that the verdicts' grades measured."""
    target = planned.course.sheet.networks.target
    by_slug: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_slug.setdefault(verdict.trial.slug, []).append(verdict)
    return [
        _standing(slug, name, threshold, threshold.networks[target], by_slug.get(slug, []), planned.reference_only)
        for slug, sheet in planned.thresholds.items()
        for name, threshold in sheet.items()
    ]


def _standing(
    slug: str,
    name: str,
    threshold: Threshold,
    calibrated: Calibrated,
    verdicts: list[Verdict],
    reference_only: bool,
) -> Standing:
    values = [(v.trial, measured(v.grade, name, threshold, v.trial.loses)) for v in verdicts]
    own = [value for trial, value in values if trial.name == REFERENCE and value is not None]
    others = [(value, trial.name) for trial, value in values if name in trial.caught_by and value is not None]
    worst = min(own, key=threshold.upwards, default=None)
    best, by = max(others, key=lambda other: threshold.upwards(other[0]), default=(None, ""))
    problems = [*_reference_too_near(name, threshold, calibrated, worst)]
    if not reference_only:
        problems += _wrong_too_near(name, threshold, calibrated, best, by)
    return Standing(slug, name, calibrated, worst, best, by, tuple(problems))


def _reference_too_near(name: str, threshold: Threshold, found: Calibrated, worst: float | None) -> Iterator[str]:
    limit = _limit(name, threshold, found)
    if worst is None:
        yield f"{limit}, but no measurement of the reference solution is taken from this threshold"
    elif threshold.ahead(worst, found.required) < found.margin:
        yield f"{limit}, and the reference solution reaches {worst:g}: nearer than the recorded margin {found.margin:g}"


def _wrong_too_near(name: str, threshold: Threshold, found: Calibrated, best: float | None, by: str) -> Iterator[str]:
    limit = _limit(name, threshold, found)
    if best is None:
        yield f'{limit}, but no wrong solution that names it, CAUGHT_BY = ["{name}"], is measured by it'
    elif threshold.ahead(found.required, best) < found.margin:
        yield f"{limit}, and {by} reaches {best:g}: nearer than the recorded margin {found.margin:g}"


def _limit(name: str, threshold: Threshold, found: Calibrated) -> str:
    return f"{name}: {threshold.direction.replace('_', ' ')} {found.required:g} is required"
