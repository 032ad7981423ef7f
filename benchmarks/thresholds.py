"""How far every threshold stands from the solutions that must pass it and from those that must not.

    python benchmarks/thresholds.py adversarial --flowers 20 [--json]

Runs the reference and every wrong solution over many students' flowers, through the exercise's own grader, but without
the sandbox: it executes the course's own solutions in this process, so never give it a student's file.
For each measurement: what is required, the reference's worst value, and the nearest value of a wrong solution that the
measurement rejects. Also tells where a solution's grade is not the one that it names.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from netlens_core.grading.course import Course, cache_folder
from netlens_core.grading.exercise import Exercise
from netlens_core.grading.grade import Check, Measurement
from netlens_core.grading.inputs import with_materials
from netlens_core.grading.trusted import Judges, judged, ran
from netlens_core.grading.verify import Trial, trials

NOISES = 3  # forging takes long: so many different ones are spread over the flowers


@dataclass
class Seen:
    """All values of one measurement: solution -> values over the flowers."""

    required: Measurement
    values: dict[str, list[float | str]] = field(default_factory=dict)

    def worst(self, solution: str) -> float | str:
        """The value nearest to failing, or the word most often not as required."""
        values = self.values.get(solution, [])
        numbers = [value for value in values if not isinstance(value, str)]
        if len(numbers) < len(values) or not numbers:
            return ", ".join(sorted({str(value) for value in values}))
        return min(numbers) if self.required.at_least is not None else max(numbers)

    def nearest_rejected(self, reference: str) -> tuple[str, float | str]:
        """The wrong solution, and its value, that comes nearest to passing and does not."""
        found: list[tuple[float, str, float | str]] = []
        for solution, values in self.values.items():
            for value in values if solution != reference else ():
                distance = _short_of(self.required, value)
                if distance > 0:
                    found.append((distance, solution, value))
        return min(found)[1:] if found else ("none", "")


def _short_of(required: Measurement, value: float | str) -> float:
    """By how much a value misses a requirement; 0 where it does not."""
    if required.equal_to is not None:
        return 0.0 if value == required.equal_to else 1.0
    if isinstance(value, str):
        return math.inf
    if required.at_least is not None:
        return max(0.0, required.at_least - value)
    assert required.at_most is not None
    return max(0.0, value - required.at_most)


def survey(course: Course, slug: str, flowers: int, only: str) -> tuple[dict[tuple[str, str], Seen], list[str]]:
    """Every measurement over the flowers, by check and name; and where grades are not as named."""
    judges = Judges.load(course.sheet.networks.target, course.sheet.networks.jury)
    seen: dict[tuple[str, str], Seen] = {}
    problems = []
    for number in range(flowers):
        exercise, seed = _variant(course, slug, number)
        for trial in trials(slug, exercise, course.root(slug)):
            if only not in trial.name or trial.name == "template":
                continue
            with ran(trial.data, trial.file, exercise, seed) as names:
                checks, _ = judged(exercise, names, judges, seed)
            problems += [f"flower {number}, {trial.name}: {problem}" for problem in _problems(trial, checks.values())]
            for check in checks.values():
                for measurement in check.measurements:
                    kept = seen.setdefault((check.name, measurement.name), Seen(measurement))
                    kept.values.setdefault(trial.name, []).append(measurement.value)
        print(f"flower {number + 1} of {flowers}, {len(problems)} problems", file=sys.stderr, flush=True)
    return seen, problems


def _variant(course: Course, slug: str, number: int) -> tuple[Exercise, int]:
    """The exercise with another student's flower, other hidden flowers and every third time the same noise."""
    exercise = replace(course.exercise(slug), materials={})
    noisy = any(spec.draw == "noise" and spec.whose == "hidden" for spec in exercise.sheet.inputs.values())
    secret = f"thresholds {number % NOISES if noisy else number}"
    course_seed = course.sheet.seed + number % NOISES
    made = with_materials(exercise, course_seed, secret, course.forging_networks(), cache_folder() / "thresholds")
    return made, course.seed(f"thresholds {number}", slug)


def _problems(trial: Trial, checks: Iterable[Check]) -> Iterator[str]:
    for check in checks:
        lost = check.points < check.max_points and check.status != "needs_manual_grade"
        if check.fault:
            yield f"{check.name}: the grader failed: {check.fault.strip().splitlines()[-1]}"
        elif lost != (check.name in trial.loses):
            numbers = "; ".join(f"{m.name} {m.value}" for m in check.measurements)
            yield f"{check.name} {'lost' if lost else 'earned'}: {check.message}{numbers}"


def rows(seen: dict[tuple[str, str], Seen]) -> list[dict[str, Any]]:
    """One row a measurement: check, measurement, required, reference, wrong solution and its value."""
    table = []
    for (check, name), kept in seen.items():
        required = kept.required
        if not required.required:  # told for information only
            continue
        word, limit = next(
            (word, value)
            for word in ("at_least", "at_most", "equal_to")
            if (value := getattr(required, word)) is not None
        )
        solution, value = kept.nearest_rejected("reference")
        row = {"check": check, "measurement": name, "required": f"{word.replace('_', ' ')} {limit}"}
        row |= {"partial_from": required.partial_from, "reference": kept.worst("reference")}
        table.append(row | {"nearest_rejected": solution, "its_value": value})
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slug")
    parser.add_argument("--flowers", type=int, default=20)
    parser.add_argument("--only", default="", help="only solutions whose name contains this")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    seen, problems = survey(Course.shipped(), options.slug, options.flowers, options.only)
    table = rows(seen)
    if options.json:
        print(json.dumps({"measurements": table, "problems": problems}, indent=1))
    else:
        print("| check | measurement | required | partial from | reference, worst | nearest rejected | its value |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for row in table:
            print("| " + " | ".join("" if value is None else str(value) for value in row.values()) + " |")
        print("\n".join(["", *problems]) if problems else "\nEvery solution lost exactly what it names.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
