"""Thresholds that follow the network: what `graders/<slug>.yaml` says was measured, and what a grader requires.

Logits, and with them whatever is measured in logits, differ from network to network. Such a threshold is not written
into the grader but measured by `netlens calibrate`, for each network that is to be a target, between the reference
solution and the wrong solutions that it has to reject.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from netlens_core.grading.exercise import CourseError, read_yaml


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
