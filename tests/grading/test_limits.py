"""A limit that one call hits costs that call's checks, is told in words, and leaves the others their points."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Networks
from netlens_core.grading.pipeline import grade
from netlens_core.grading.sandbox.limits import Limits

LAYER = """
def third_layer_activations(network, image):
    return network.activations(image, "blocks.0.0.conv_pw")
"""
NEVER = LAYER + "\ndef montage(activations):\n    while True:\n        pass\n"
TOO_MUCH = LAYER + "\ndef montage(activations):\n    return activations.repeat(1, 400, 400)\n"
DIES = LAYER + "\ndef montage(activations):\n    import os\n    os._exit(3)\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (NEVER, "`montage` used more than the 2 s"),
        (TOO_MUCH, "`montage` ran out of memory: 512 MiB are allowed"),
        (DIES, "`montage` ended its own process"),
    ],
)
def test_other_checks_still_count(source, words):
    course = Course.shipped()
    exercise = course.exercise("activations")
    limits = Limits(start_seconds=30, call_seconds=2, total_seconds=60, memory_mb=512)
    exercise = replace(exercise, sheet=exercise.sheet.model_copy(update={"limits": limits}))
    names = course.sheet.networks
    networks = Networks(names.target, tuple(names.jury), course.fingerprints)
    marked = grade(source.encode(), exercise, networks, seed=1, name="activations.py")
    checks = {check.name: check for check in marked.checks}
    for name in ("test_third_convolution", "test_other_sizes"):
        assert checks[name].status == "passed", checks[name]
    assert words in checks["test_montage_shows_every_channel"].message
    assert checks["test_montage_shows_every_channel"].points == 0 and marked.status == "graded"
    assert not any(check.fault for check in marked.checks)
