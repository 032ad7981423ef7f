"""A limit that one call hits costs that call's checks, is told in words, and leaves the others their points."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Networks
from netlens_core.grading.pipeline import grade
from netlens_core.grading.sandbox.limits import Limits

MIX = """
def mix(flower, noise):
    return (flower + 0.12 * (2 * noise - 1)).clamp(0, 1)
"""
NEVER = MIX + "\ndef craft(network, flower):\n    while True:\n        pass\n"
TOO_MUCH = MIX + "\ndef craft(network, flower):\n    return flower.repeat(1, 400, 400)\n"
DIES = MIX + "\ndef craft(network, flower):\n    import os\n    os._exit(3)\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (NEVER, "`craft` used its 2 s"),
        (TOO_MUCH, "`craft` ran out of memory: 512 MiB are allowed"),
        (DIES, "`craft` ended its own process"),
    ],
)
def test_other_checks_still_count(source, words):
    course = Course.shipped()
    exercise = course.exercise("adversarial")
    limits = Limits(start_seconds=30, call_seconds=2, total_seconds=60, memory_mb=512)
    exercise = replace(exercise, sheet=exercise.sheet.model_copy(update={"limits": limits}))
    names = course.sheet.networks
    networks = Networks(names.target, tuple(names.jury), course.fingerprints)
    marked = grade(source.encode(), exercise, networks, seed=1, name="adversarial.py")
    checks = {check.name: check for check in marked.checks}
    for name in ("test_mix_fools_the_network", "test_mix_shows_the_flower"):
        assert checks[name].status == "passed", checks[name]
    assert words in checks["test_network_is_fooled"].message
    assert checks["test_network_is_fooled"].points == 0 and marked.status == "graded"
    assert not any(check.fault for check in marked.checks)
