"""Long work: a progress bar on a terminal, else lines of the heartbeat, and a Ctrl-C that keeps what there is so far.

for step in steps(160, "dreaming"):     # Ctrl-C ends the loop after this step; a second one raises
    ...
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from netlens_core.progress import activity, detail, quiet, shown


def steps(count: int, what: str = "working", console: Console | None = None) -> Iterator[int]:
    """The numbers 0 to count - 1, with a bar on standard error where that is a terminal (or in a notebook).

    The first Ctrl-C ends the iteration after the step that is under way, so that the loop's owner returns the best it
    has; a second one raises KeyboardInterrupt at once. (In the main thread; elsewhere signals are not ours.)
    """
    console = console or Console(stderr=True)
    shows_bar = (console.is_terminal and not quiet()) or console.is_jupyter
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
    bar = Progress(*columns, console=console, transient=True)
    with _Stop() as stop, activity(what), shown(bar) if shows_bar else contextlib.nullcontext():
        task = bar.add_task(what, total=count)
        for step in range(count):
            if stop.wished:
                console.print(f"{what}: stopped after {step} of {count} steps; what there is is kept.")
                return
            detail(f"step {step + 1} of {count}")
            yield step
            bar.advance(task)


class _Stop:
    """Remembers the first Ctrl-C while it is in force; restores what held before."""

    def __init__(self) -> None:
        self.wished = False

    def __enter__(self) -> _Stop:
        self.ours = threading.current_thread() is threading.main_thread()
        if self.ours:
            self.before = signal.signal(signal.SIGINT, self._asked)
        return self

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        if self.wished:
            raise KeyboardInterrupt
        self.wished = True

    def __exit__(self, *_: object) -> None:
        if self.ours:
            signal.signal(signal.SIGINT, self.before)
