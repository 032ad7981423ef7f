"""CPU accounting for one process: its computing and its sleeping count, waiting for a processor does not.

On a busy machine a process is runnable most of the time without running. The kernel tells for how long: the second
number in `/proc/<pid>/task/<tid>/schedstat` is a thread's run delay in nanoseconds. Wall time less run delay is what
the same process would have taken on an idle machine.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_BILLION = 1e9
_STANDS_STILL = 0.001  # seconds of CPU time between two looks


@dataclass(frozen=True)
class _Look:
    """What can be seen of a process at one moment.

    Attributes:
        processor: CPU time of all its threads together, ended ones included.
        moment: when that was, on a clock that does not jump.
        delay: how long the thread that looks has waited for a processor itself so far.
        threads: thread -> its CPU time, its run delay, and how often it was given a processor.
    """

    processor: float = 0.0
    moment: float = 0.0
    delay: float = 0.0
    threads: dict[str, tuple[float, float, int]] = field(default_factory=dict)


class CountedTime:
    """Measures a process from now on. For the thread that waits for it, whose computing counts as well: a process that
    keeps it busy, with a byte a time and many threads to look at, would otherwise sleep for nothing.

    Where the kernel tells no run delay, a process that is found runnable counts by its CPU time alone.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._clock = ~pid << 3 | 2  # as clock_getcpuclockid(3) numbers the clocks of processes
        self._begun = self._last = self._look(_Look())
        self._waited = 0.0  # for a processor
        self._stalled = 0.0  # the same, for what the kernel will only tell once the thread runs again

    def seconds(self) -> float:
        """What counts so far: the CPU time of all threads, or, where that is more, the time that it did not wait."""
        now = self._look(self._last)
        passed, computed = now.moment - self._last.moment, now.processor - self._last.processor
        own_delay = now.delay - self._last.delay  # which a process that has answered waits for, too
        if now.threads:
            # Mostly at the same time: taken together they would make sleep free on a busy machine.
            self._waited += max(_waiting(self._last, now), own_delay)
            # One that ran since the last look had slept before, whatever it is doing at the moment it is looked at.
            still = [thread for thread, seen in now.threads.items() if self._last.threads.get(thread) == seen]
            stands_still = computed < _STANDS_STILL and self._runnable(still)
            self._stalled = self._stalled + passed - own_delay if stands_still else 0.0
        elif self._runnable(_tasks(self._pid)):
            self._waited += max(passed - computed, 0.0)
        else:
            self._waited += own_delay
        self._last = now
        not_waited = now.moment - self._begun.moment - self._waited - self._stalled
        return max(now.processor - self._begun.processor, not_waited, 0.0)

    def _look(self, last: _Look) -> _Look:
        """The process now; as it was last seen where it has ended."""
        moment, delay = time.monotonic(), _own_delay()
        try:
            return _Look(time.clock_gettime(self._clock), moment, delay, self._threads())
        except OSError:
            return _Look(last.processor, moment, delay, last.threads)

    def _threads(self) -> dict[str, tuple[float, float, int]]:
        threads = {}
        for thread in _tasks(self._pid):
            with contextlib.suppress(OSError, ValueError):  # the thread has ended, or this kernel has no such file
                threads[thread] = _schedstat(Path(f"/proc/{self._pid}/task/{thread}/schedstat"))
        # Kernels without this accounting have either no file or zeros in it.
        return threads if any(ran for ran, _, _ in threads.values()) else {}

    def _runnable(self, threads: Iterable[str]) -> bool:
        """Whether any of these threads is running or waiting for a processor at this moment."""
        for thread in threads:
            with contextlib.suppress(OSError):
                if _after_the_name(Path(f"/proc/{self._pid}/task/{thread}/stat"))[0] == b"R":
                    return True
        return False


class WallTime:
    """The same for systems that tell nothing about other processes: all the time that passes counts."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def seconds(self) -> float:
        """What counts so far."""
        return time.monotonic() - self._begun


def _waiting(before: _Look, now: _Look) -> float:
    """How long a process waited for a processor between two looks: the longest of its threads' run delays.

    Less what its other threads computed meanwhile: a submission that starts many threads makes them wait for each
    other, and must not gain time by it.
    """
    computed = now.processor - before.processor
    waits = [0.0]
    for thread, (ran, delay, _) in now.threads.items():
        ran_before, delay_before, _ = before.threads.get(thread, (0.0, 0.0, 0))
        others = max(computed - (ran - ran_before), 0.0)
        waits.append(delay - delay_before - others)
    return max(waits)


def _tasks(pid: int) -> list[str]:
    try:
        return [task.name for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


def _schedstat(path: Path) -> tuple[float, float, int]:
    ran, delay, times = path.read_text().split()
    return int(ran) / _BILLION, int(delay) / _BILLION, int(times)


def _after_the_name(stat: Path) -> list[bytes]:
    """The fields of a process or thread from its state on. Its name before them is its own choice, in any bytes."""
    return stat.read_bytes().rpartition(b")")[2].split()


def _own_delay() -> float:
    try:
        return _schedstat(Path("/proc/thread-self/schedstat"))[1]
    except (OSError, ValueError):
        return 0.0


def processor_time_below(pid: int) -> float:
    """CPU time of a process and all below it that still live, in seconds; for telling whether they get on."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = _after_the_name(entry)
            one = int(entry.parent.name)
            children.setdefault(int(fields[1]), []).append(one)
            ticks[one] = int(fields[11]) + int(fields[12])
    spent, todo = 0, [pid]
    while todo:
        one = todo.pop()
        spent += ticks.get(one, 0)
        todo += children.get(one, [])
    return spent / os.sysconf("SC_CLK_TCK")
