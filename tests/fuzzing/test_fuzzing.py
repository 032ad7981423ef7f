"""Every reader of foreign bytes meets some hundred odd inputs: no crash, no hang. `make fuzz` tries a million."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzzing.targets import REFUSED, TAKEN, TARGETS


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_odd_inputs_are_taken_or_refused_in_words(target):
    seen = set()

    @settings(max_examples=250, deadline=10_000, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def run(data):
        seen.add(target.run(data))

    run()
    assert seen == {TAKEN, REFUSED}  # else the inputs are too odd, or not odd enough, to test anything
