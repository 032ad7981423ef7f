"""How safely the reference solutions pass: over many draws of inputs, hidden ones too, on two target networks.

    python benchmarks/references.py [SLUG …] [--network NAME …] [--draws 20] [--json]

Each draw is another student with inputs of their own and other hidden ones, graded by the exercise's grader in the
sandbox. These are the runs of `netlens calibrate`, in which thresholds that follow the network let everything pass;
the values are compared with `graders/SLUG.yaml` here, so that neither command runs again what the other has run.
For each measurement: what is required, and the worst value over the draws.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from netlens_core.grading.calibration import Tried, open_to_all, runs, tried
from netlens_core.grading.course import Course
from netlens_core.grading.grade import Grade, Measurement
from netlens_core.grading.pool import usable_cores
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.trials import REFERENCE

SLUGS = ("activations", "analysis", "noise", "adversarial", "dream", "style", "gan", "cam")
NETWORKS = ("efficientnet_lite0", "squeezenet1_1")
OF_NO_NETWORK = {"gan": "its grader trains no network but the student's two and asks no target network"}


@dataclass
class Survey:
    """One exercise on one network: what was required of each measurement, its values, and what was not as required."""

    slug: str
    network: str
    draws: int = 0
    seconds: list[float] = field(default_factory=list)
    required: dict[tuple[str, str], Measurement] = field(default_factory=dict)
    values: dict[tuple[str, str], list[float | str]] = field(default_factory=dict)
    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    passed: int = 0

    def add(self, one: Tried, limits: dict[str, dict[str, Any]]) -> None:
        found = [f"draw {one.number}: {problem}" for problem in self._seen(one.grade, limits)]
        self.draws += 1
        self.passed += not found
        self.problems += found
        self.seconds.append(one.grade.seconds)

    def _seen(self, grade: Grade, limits: dict[str, dict[str, Any]]) -> Iterator[str]:
        """Keep a grade's measurements; tells what was lost."""
        if grade.status != "graded":
            yield f"ended as {grade.status}: {grade.message}"
        for check in grade.checks:
            if check.points < check.max_points and check.status != "needs_manual_grade":
                yield f"{check.name} {check.status}: {check.fault or check.message}"
            for seen in check.measurements:
                measurement = seen.model_copy(update=limits[seen.calibrated]) if seen.calibrated else seen
                if measurement.required:
                    key = check.name, measurement.name
                    self.required[key] = measurement
                    self.values.setdefault(key, []).append(measurement.value)
                    self.held[key] += room(measurement, measurement.value) >= 0
                    if room(measurement, measurement.value) < 0:
                        yield f"{check.name}: {measurement.name} {measurement.value}, {wanted(measurement)}"

    def worst(self, key: tuple[str, str]) -> float | str:
        return min(self.values[key], key=lambda value: room(self.required[key], value))


def room(required: Measurement, value: float | str) -> float:
    """By how much a value is better than it must be; negative where it is not good enough."""
    if required.equal_to is not None:
        return 0.0 if value == required.equal_to else -1.0
    if isinstance(value, str):  # "not a number"
        return -float("inf")
    if required.at_least is not None:
        return value - required.at_least
    assert required.at_most is not None
    return required.at_most - value


def wanted(required: Measurement) -> str:
    """What is required, in words."""
    for word in ("at_least", "at_most", "equal_to"):
        if (limit := getattr(required, word)) is not None:
            return f"{word.replace('_', ' ')} {limit}"
    return ""


def survey(course: Course, slug: str, draws: int, workers: int) -> Survey:
    """The reference of an exercise over many draws; what an earlier run graded is not graded again."""
    level, _ = Sandbox.best_level()
    sheet = course.threshold_sheet(slug)
    planned = runs(course, slug, draws, level, open_to_all(sheet), lambda trial: trial.name == REFERENCE)
    found, limits = Survey(slug, course.sheet.networks.target), course.thresholds(slug)
    for one in sorted(tried(planned, workers), key=lambda one: one.number):
        found.add(one, limits)
    return found


def told(surveys: list[Survey]) -> Iterator[str]:
    """Markdown: one line an exercise and network, then the measurements of each exercise."""
    yield "| exercise | network | draws | all points | seconds a draw, median | most |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in surveys:
        seconds = f"{median(one.seconds):.1f} | {max(one.seconds):.1f}"
        yield f"| `{one.slug}` | {one.network} | {one.draws} | {one.passed} | {seconds} |"
    for slug in dict.fromkeys(one.slug for one in surveys):
        own = [one for one in surveys if one.slug == slug]
        yield from ["", f"### The reference of `{slug}`", ""]
        if slug in OF_NO_NETWORK:
            yield from [f"One network: {OF_NO_NETWORK[slug]}.", ""]
        yield from _measurements(own)
    problems = [f"{one.slug}, {one.network}, {problem}" for one in surveys for problem in one.problems]
    yield from ["", *problems] if problems else ["", "Every reference earned every point in every draw."]


def _measurements(own: list[Survey]) -> Iterator[str]:
    keys = list(dict.fromkeys(key for one in own for key in one.required))
    exact = [key for key in keys if all(one.required[key].equal_to is not None for one in own if key in one.required)]
    if numbers := [key for key in keys if key not in exact]:
        yield "| check | measurement | " + " | ".join(f"{one.network}: required | worst" for one in own) + " |"
        yield "| --- | --- |" + " --- | --- |" * len(own)
        for key in numbers:
            yield f"| {key[0]} | {key[1]} | " + " | ".join(_cells(one, key) for one in own) + " |"
    if exact:
        right = sum(one.held[key] for one in own for key in exact)
        count = sum(len(one.values.get(key, ())) for one in own for key in exact)
        yield from ["", f"{len(exact)} measurements have to be equal to something: {right} of {count} were."]


def _cells(one: Survey, key: tuple[str, str]) -> str:
    return f"{wanted(one.required[key])} | {one.worst(key)}" if key in one.required else " | "


def as_json(surveys: Iterable[Survey]) -> list[dict[str, Any]]:
    return [
        {
            "exercise": one.slug,
            "network": one.network,
            "draws": one.draws,
            "passed": one.passed,
            "seconds": one.seconds,
            "problems": one.problems,
            "measurements": [
                {"check": key[0], "measurement": key[1], "required": wanted(required), "values": one.values[key]}
                for key, required in one.required.items()
            ],
        }
        for one in surveys
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slug", nargs="*", choices=[[], *SLUGS])
    parser.add_argument("--network", nargs="+", default=NETWORKS)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    surveys = [
        survey(Course.shipped().about(network), slug, options.draws, options.workers)
        for slug in options.slug or SLUGS
        for network in options.network
        if not (slug in OF_NO_NETWORK and network != options.network[0])
    ]
    print(json.dumps(as_json(surveys), indent=1) if options.json else "\n".join(told(surveys)))
    return 1 if any(one.problems for one in surveys) else 0


if __name__ == "__main__":
    sys.exit(main())
