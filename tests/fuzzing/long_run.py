"""The long run: `python -m tests.fuzzing.long_run [--inputs N]`; a Markdown table, and progress on standard error.

A find is written down with the input that shows it, and ends the run with status 1. Ctrl-C ends it early, with the
table of what was done.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzzing.targets import TARGETS

ROUND = 2000  # inputs of one seed: what Hypothesis remembers of a round, it forgets for the next
HANG = 20  # seconds


@dataclass
class Round:
    """What a round came to."""

    target: str
    seen: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    find: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: another one each time")
    wanted = parser.parse_args()
    rounds = max(1, wanted.inputs // (ROUND * len(TARGETS)))
    work = [(place, wanted.seed + turn) for turn in range(rounds) for place in range(len(TARGETS))]
    found: dict[str, list[Round]] = {target.name: [] for target in TARGETS}
    started = time.monotonic()
    with (
        multiprocessing.get_context("spawn").Pool(len(os.sched_getaffinity(0)), _leave_ctrl_c_to_us) as pool,
        contextlib.suppress(KeyboardInterrupt),
    ):
        for done, result in enumerate(pool.imap_unordered(one_round, work), 1):
            found[result.target].append(result)
            if result.find:
                print(f"{result.target}: {result.find}", file=sys.stderr)
            print(f"\r{done * ROUND:,} inputs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(found, wanted.seed, time.monotonic() - started))
    return int(any(result.find for results in found.values() for result in results))


def _leave_ctrl_c_to_us() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def one_round(work: tuple[int, int]) -> Round:
    place, number = work
    target, result = TARGETS[place], Round(TARGETS[place].name)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _hangs)

    @seed(number)
    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def run(data: object) -> None:
        began = time.perf_counter()
        signal.alarm(HANG)
        try:
            result.seen[target.run(data)] += 1
        finally:
            signal.alarm(0)
            result.slowest = max(result.slowest, time.perf_counter() - began)

    random.seed(number)
    try:
        run()
    except BaseException:
        result.find = traceback.format_exc()[-4000:]
    return result


def _hangs(*_: object) -> None:
    raise TimeoutError(f"one input took more than {HANG} s")


def table(found: dict[str, list[Round]], number: int, seconds: float) -> str:
    lines = ["| reader | inputs | taken | refused in words | slowest, s | crashes, hangs, tracebacks |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    total = finds = 0
    for name, results in found.items():
        seen = sum((result.seen for result in results), Counter[str]())
        total, finds = total + seen.total(), finds + sum(bool(result.find) for result in results)
        slowest = max((result.slowest for result in results), default=0)
        bad = sum(bool(result.find) for result in results)
        lines.append(f"| {name} | {seen.total():,} | {seen['taken']:,} | {seen['refused']:,} | {slowest:.2f} | {bad} |")
    lines += ["", f"{total:,} inputs in {seconds / 60:.0f} minutes, first seed {number}: {finds or 'no'} finds."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
