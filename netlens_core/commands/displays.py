"""Spinners and progress bars on a terminal; elsewhere the heartbeat of `netlens_core.progress` prints lines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.spinner import Spinner
from rich.text import Text

from netlens_core.commands.shared import err, out
from netlens_core.progress import activity, current, shown, watched


def spinner() -> Live:
    """A spinner that says what is being done."""
    spinning = Spinner("dots", text=_Current())
    return Live(spinning, console=err, transient=True, refresh_per_second=8, redirect_stdout=out.is_terminal)


class _Current:
    """What is being done at the moment when it is drawn."""

    def __rich__(self) -> RenderableType:
        return Text(f"{current()}…", no_wrap=True, overflow="ellipsis")


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Count finished work: `told("ada · noise: 10/10")` moves a bar on by one; what is printed stays above it."""
    if not total:
        yield lambda last: None
        return
    done = 0
    with activity(f"{what}, 0 of {total} done") as entry:

        def count(last: str) -> None:
            nonlocal done
            done += 1
            entry.text = f"{what}, {done} of {total} done"

        if not watched():
            yield count
            return
        columns = [TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        columns += [TextColumn("left"), TimeRemainingColumn(), _Last()]
        bar = Progress(*columns, console=err, redirect_stdout=out.is_terminal)
        task = bar.add_task("", total=total, last="")

        def move(last: str) -> None:
            count(last)
            bar.update(task, advance=1, last=last)

        with shown(bar):
            yield move


class _Last(ProgressColumn):
    """What is going on, or what was finished last."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """A task's column."""
        from netlens_core.grading.plain_text import plain

        return Text(current().partition(": ")[2] or plain(task.fields["last"], 200))
