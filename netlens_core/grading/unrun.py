"""Grades of submissions that never ran: refused at the door, or lost to a fault of ours."""

from __future__ import annotations

from typing import Any

from netlens_core import __version__
from netlens_core.grading.exercise import Exercise, Networks
from netlens_core.grading.grade import Check, Grade
from netlens_core.languages import speaking, translate


def facts(submission_sha256: str, exercise: Exercise, networks: Networks, seed: int, sandbox: str) -> dict[str, Any]:
    """The fields of a Grade that tell what was graded, and with what."""
    return {
        "exercise": exercise.slug,
        "title": exercise.sheet.title,
        "max_points": exercise.max_points,
        "submission_sha256": submission_sha256,
        "exercise_sha256": exercise.sha256,
        "networks": dict(networks.fingerprints),
        "netlens_version": __version__,
        "sandbox": sandbox,
        "seed": seed,
    }


def refused(
    reason: str, submission_sha256: str, exercise: Exercise, networks: Networks, seed: int, sandbox: str
) -> Grade:
    """A file that could not be taken: no points, and the reason in every check."""
    checks = [
        Check(
            name=spec.name,
            description=spec.description,
            points=0,
            max_points=spec.points,
            status="failed",
            message=reason,
        )
        for spec in exercise.checks
    ]
    shared = facts(submission_sha256, exercise, networks, seed, sandbox)
    return Grade(**shared, points=0, status="refused", message=reason, checks=checks)


def lost(fault: str, submission_sha256: str, exercise: Exercise, networks: Networks, seed: int, sandbox: str) -> Grade:
    """A submission that our own processes could not grade: every check needs a person, no point is lost."""
    with speaking(exercise.catalog):
        message = translate("The grader failed here, not you: a person will look at it, and you lose nothing.")
    checks = [
        Check(
            name=spec.name,
            description=spec.description,
            points=0,
            max_points=spec.points,
            status="needs_manual_grade",
            message=message,
            fault=fault,
        )
        for spec in exercise.checks
    ]
    shared = facts(submission_sha256, exercise, networks, seed, sandbox)
    return Grade(**shared, points=0, status="graded", message=message, checks=checks)
