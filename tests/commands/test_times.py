"""Where the time of a run went: rows that add up, also where workers die and nobody graded."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from netlens_core.commands.times import Times, times_table
from netlens_core.grading.grade import Grade


def a_grade(exercise: str, began: float, seconds: float, worker: int) -> Grade:
    return Grade(
        exercise=exercise,
        title="A test",
        points=0,
        max_points=4,
        status="graded",
        checks=[],
        submission_sha256="0" * 64,
        exercise_sha256="1" * 64,
        networks={},
        netlens_version="0",
        sandbox="full",
        seed=1,
        seconds=seconds,
        own_seconds=seconds / 2,
        judging_seconds=seconds / 4,
        began=began,
        worker=worker,
    )


@pytest.fixture
def times() -> Times:
    made = Times(workers=2, stages={"preparing": 3.0, "grading": 20.0, "reports": 1.0}, began=100.0)
    for grade in (
        a_grade("noise", 102, 8, 11),
        a_grade("cam", 103, 12, 12),  # this worker then dies with what it held
        a_grade("noise", 110, 6, 11),
        a_grade("noise", 0, 0, 0),  # refused at the door
        a_grade("cam", 117, 2, 13),
    ):
        made.add(grade)
    return made


def test_rows_add_up_to_the_time_of_all_workers(times):
    found = times.as_json()
    rows = {row["exercise"]: row for row in found["exercises"]}
    assert (rows["noise"]["submissions"], rows["noise"]["seconds"], rows["noise"]["longest"]) == (3, 14, 8)
    assert (rows["cam"]["own"], rows["cam"]["judging"], rows["cam"]["around"]) == (7, 3.5, 3.5)
    assert found["starting"] == 5  # two workers; that which followed a dead one counts as waiting
    assert sum(row["seconds"] for row in rows.values()) + found["starting"] + found["idle"] == 40
    assert found["worker_seconds"] == 40 and found["seconds"] == 24
    assert [worker["busy"] for worker in found["by_worker"]] == [0.7, 0.6, 0.1]


def test_the_table_tells_the_same(times):
    out = io.StringIO()
    Console(file=out, width=120).print(times_table(times))
    said = " ".join(out.getvalue().split())
    assert "noise 3 7.0 3.5 3.5 14.0 35% 8.0" in said
    assert "workers starting 5.0 12%" in said and "workers waiting 7.0 18%" in said
    assert "2 x 20.0 s 5 14.0 7.0 7.0 40.0 100%" in said
    assert "busy for 70%, 60%, 10% of that time" in said
    assert "In all 24.0 s: preparing 3.0 s, grading 20.0 s, reports 1.0 s." in said


def test_a_run_that_only_refuses_has_a_table_as_well():
    times = Times(workers=2, stages={"grading": 0.0}, began=1.0)
    times.add(a_grade("noise", 0, 0, 0))
    found = times.as_json()
    assert found["starting"] == found["idle"] == 0 and found["by_worker"] == []
    Console(file=io.StringIO()).print(times_table(times))


def test_stages_are_measured_also_where_they_are_left_early():
    times = Times()
    with pytest.raises(KeyboardInterrupt), times.stage("grading"):
        raise KeyboardInterrupt
    assert times.stages["grading"] >= 0 and times.began > 0
