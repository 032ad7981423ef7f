"""How far every threshold stands from the solutions that must pass it and from those that must not.

    python benchmarks/thresholds.py adversarial --flowers 20 [--json]

Runs the reference and every wrong solution over many students' flowers, through the exercise's own grader, as `netlens
calibrate` does; what an earlier run graded is not graded again.
For each measurement: what is required, the reference's worst value, and the nearest value of a wrong solution that the
measurement rejects. Also tells where a solution's grade is not the one that it names.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from netlens_core.grading.calibration import runs, tried
from netlens_core.grading.course import Course
from netlens_core.grading.grade import Check, Measurement
from netlens_core.grading.pool import usable_cores
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.trials import TEMPLATE, Trial


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
    level, _ = Sandbox.best_level()

    def chosen(trial: Trial) -> bool:
        return only in trial.name and trial.name != TEMPLATE

    planned = runs(course, slug, flowers, level, among=chosen)
    seen: dict[tuple[str, str], Seen] = {}
    problems = []
    done = sorted(tried(planned, usable_cores()), key=lambda one: (one.number, one.trial.name))
    for one in done:
        found = _problems(one.trial, one.grade.checks)
        problems += [f"flower {one.number}, {one.trial.name}: {problem}" for problem in found]
        for check in one.grade.checks:
            for measurement in check.measurements:
                kept = seen.setdefault((check.name, measurement.name), Seen(measurement))
                kept.values.setdefault(one.trial.name, []).append(measurement.value)
    return seen, problems


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
