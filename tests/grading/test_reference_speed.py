"""Limits are longer where the machine is slower, never shorter, and measuring it changes nothing else."""

from __future__ import annotations

import pytest
import torch

from netlens_core.grading import reference_speed, workplace


@pytest.fixture
def measured(monkeypatch):
    """The slowdown of a machine that takes so many times as long as the reference."""

    def run(times: float) -> float:
        ticks = iter(range(1000))
        step = reference_speed.REFERENCE_SECONDS * times
        monkeypatch.setattr(reference_speed.time, "thread_time", lambda: (next(ticks) % 2) * step)
        return reference_speed.slowdown.__wrapped__()

    return run


@pytest.mark.parametrize(("times", "slowdown"), [(0.2, 1.0), (1, 1.0), (3.5, 3.5), (100, reference_speed.MOST)])
def test_limits_are_scaled_up_and_never_down(measured, times, slowdown):
    assert measured(times) == pytest.approx(slowdown)


def test_a_real_measurement_is_one_and_leaves_the_random_numbers_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert 1 <= reference_speed.slowdown.__wrapped__() <= reference_speed.MOST
    assert torch.equal(torch.get_rng_state(), before)


def test_a_workers_sandbox_knows_how_slow_the_machine_is(monkeypatch, lite0):
    monkeypatch.setattr(workplace, "load_network", lambda name, device: lite0)
    monkeypatch.setattr(workplace, "slowdown", lambda: 3.5)
    monkeypatch.setattr(workplace, "_SANDBOXES", [])
    made = workplace._workplace.__wrapped__("efficientnet_lite0", ("efficientnet_lite0",), "none")
    assert made.sandbox.slowdown == 3.5
    assert [made.sandbox] == workplace._SANDBOXES
