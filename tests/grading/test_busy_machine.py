"""A busy machine costs nobody points: references of the exercises that compute longest, beside eight busy processes.

Takes a quarter of an hour on two cores, so it runs where NETLENS_LOAD is set, as in .ci/run. What a call may use on a
busy machine is tried in small in `sandbox/test_sessions.py`, in every test run.
"""

from __future__ import annotations

import os
from functools import partial

import pytest

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Networks
from netlens_core.grading.pool import Work, grade_all
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.templates import solved_notebook


@pytest.mark.slow
@pytest.mark.skipif("NETLENS_LOAD" not in os.environ, reason="takes a quarter of an hour; .ci/run sets NETLENS_LOAD")
def test_references_keep_every_point_on_a_busy_machine(busy_machine):
    course = Course.shipped()
    names = course.sheet.networks
    networks = Networks(names.target, tuple(names.jury), course.fingerprints)
    level = Sandbox.best_level()[0]
    works = []
    for slug in ("dream", "style", "gan"):
        folder = course.folder
        data = solved_notebook(
            folder / "assignments" / slug / "template.py", folder / "reference_solutions" / slug / "reference.py"
        )
        load = partial(tuple, (data, f"{slug}.ipynb"))
        works.append(Work(slug, "", load, course.exercise(slug), networks, course.seed("ada", slug), level))
    graded = {work.label: grade for work, grade in grade_all(works, workers=2)}
    for slug, grade in graded.items():
        lost = [(check.name, check.message) for check in grade.checks if check.points < check.max_points]
        assert not lost and grade.status == "graded" and not grade.tries, (slug, lost, grade.tries)
        limits = course.exercise(slug).sheet.limits
        assert grade.counted_seconds < limits.total_seconds / 2, (slug, grade.times)
    assert len(graded) == 3
