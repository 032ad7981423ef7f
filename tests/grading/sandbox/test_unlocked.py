"""A student's own check, in a process without locks: limits count as in grading, and nothing is read after its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

import pytest

from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.session import Session
from netlens_core.grading.sandbox.unlocked import UnlockedChild
from tests.busy import busy_processes


def run(cells: Sequence[str], seconds: float, slowdown: float = 1.0) -> Session:
    limits = Limits(start_seconds=seconds, total_seconds=seconds)
    return Session(lambda: UnlockedChild(limits, slowdown), cells, {}, limits, seed=0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, all the time that passes counts")
def test_waiting_for_a_processor_does_not_count():
    busy = "import time\ndef f():\n    begun = time.process_time()\n    while time.process_time() < begun + 1: pass"
    with run([busy], seconds=300) as session:
        counted, wall = session.seconds, session.wall_seconds
        with busy_processes():
            assert session.call("f", []).status == "ok"
        assert 1 <= session.seconds - counted < 0.7 * (session.wall_seconds - wall)


def test_a_slower_machine_gives_more_time():
    began = time.monotonic()
    with run(["import time\ntime.sleep(1000)"], seconds=2, slowdown=2) as session:
        assert session.status == "timed_out"
    assert time.monotonic() - began >= 4


def test_what_the_notebook_leaves_running_holds_nothing_up():
    """It has the other end of our pipe, so the thread that reads there lives on, with a descriptor of its own."""
    program = "[sys.executable, '-c', 'import time; time.sleep(6)']"
    left = f"import subprocess, sys\nhelper = subprocess.Popen({program}, close_fds=False)"
    with run([left, "print('done')"], seconds=300) as session:
        assert session.status == "ok", session.message
        child = session._child
        assert isinstance(child, UnlockedChild)
    first, second = os.pipe()  # the numbers that were just set free
    os.write(second, b"another file's")
    for listener in child._listeners:
        listener.join(300)
        assert not listener.is_alive()
    assert os.read(first, 100) == b"another file's"
    os.close(first)
    os.close(second)
