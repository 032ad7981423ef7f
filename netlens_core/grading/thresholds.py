"""Thresholds that follow the network: what `graders/<slug>.yaml` says was measured, and what a grader requires.

Logits, and with them whatever is measured in logits, differ from network to network. Such a threshold is not written
into the grader but measured by `netlens calibrate`, for each network that is to be a target, between the reference
solution and the wrong solutions that it has to reject.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from netlens_core.grading.exercise import CourseError, read_yaml
from netlens_core.grading.grade import Check, Grade


class _Sheet(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Calibrated(_Sheet):
    """One threshold on one network.

    Attributes:
        required: where full credit begins.
        partial_from: where credit begins.
        reference: the reference solution's worst value over all flowers.
        wrong: the best value of a wrong solution that must be rejected.
        by: that wrong solution.
        margin: how far `required` must at least stand from both; `netlens verify` fails where it does not.
        flowers: over how many students' inputs this was measured.
    """

    required: float
    partial_from: float
    reference: float
    wrong: float
    by: str
    margin: float = Field(ge=0)
    flowers: int = Field(ge=1)


class Threshold(_Sheet):
    """A threshold: which way it points, what it separates, and its value on each network."""

    direction: Literal["at_least", "at_most"]
    separates: str = Field(min_length=1, description="what from what, in words")
    networks: dict[str, Calibrated] = Field(default_factory=dict)

    def upwards(self, value: float) -> float:
        """A value, mirrored where less is better: more is better then."""
        return value if self.direction == "at_least" else -value

    def ahead(self, value: float, other: float) -> float:
        """By how much a value is better than another one."""
        return self.upwards(value) - self.upwards(other)

    def requirement(self, name: str, network: str) -> dict[str, Any]:
        """Arguments for `expect`. Raises KeyError for a network that it was not calibrated on."""
        found = self.networks[network]
        return {self.direction: found.required, "partial_from": found.partial_from, "calibrated": name}


class ThresholdSheet(RootModel[dict[str, Threshold]]):
    """What stands in `graders/<slug>.yaml`: name -> threshold."""


def thresholds_path(graders: Path, slug: str) -> Path:
    """Where an exercise's calibrated thresholds stand."""
    return graders / f"{slug}.yaml"


def read_thresholds(graders: Path, slug: str) -> dict[str, Threshold]:
    """An exercise's calibrated thresholds by name; none where it has no such file. Raises CourseError."""
    path = thresholds_path(graders, slug)
    return read_yaml(path, ThresholdSheet).root if path.is_file() else {}


def requirements(thresholds: Mapping[str, Threshold], network: str, path: Path, slug: str) -> dict[str, dict[str, Any]]:
    """What a grader finds under `thresholds`: name -> arguments for `expect`, for one target network.

    Raises CourseError where a threshold was not calibrated on that network.
    """
    missing = [name for name, threshold in thresholds.items() if network not in threshold.networks]
    if missing:
        raise CourseError(
            f"{path} has no value of {', '.join(missing)} for {network}: measure it with "
            f"`netlens calibrate {slug} --network {network}`"
        )
    return {name: threshold.requirement(name, network) for name, threshold in thresholds.items()}


# -- what a grade says about a threshold -----------------------------------------------------------------


def measured(grade: Grade, name: str, threshold: Threshold, loses: Collection[str] = ()) -> float | None:
    """The value with which a solution met a threshold; None where it was not measured by it.

    A check is lost by its worst value. A solution that `loses` checks has to miss the threshold in each of them in
    which it is measured, so that the best of them counts; one that earns everything has to reach it everywhere.
    """
    by_check = {check.name: _worst(check, name, threshold) for check in grade.checks}
    if not loses:
        return min((v for v in by_check.values() if v is not None), key=threshold.upwards, default=None)
    lost = (by_check.get(check) for check in loses)
    return max((v for v in lost if v is not None), key=threshold.upwards, default=None)


def _worst(check: Check, name: str, threshold: Threshold) -> float | None:
    values = [m.value for m in check.measurements if m.calibrated == name]
    numbers = [value for value in values if not isinstance(value, str)]
    # NaN and infinities are words: whatever is required, they miss it, and say nothing about where to require it.
    return min(numbers, key=threshold.upwards) if numbers and len(numbers) == len(values) else None
