"""Progress reporting: long work names what it is doing, and a heartbeat thread prints that where nobody watches a bar.

    with activity("forging noise for what_is_it.png"):
        detail("step 140 of 200, the network is 0.93 sure")

Library code only names things; it prints nothing. A command starts a `Heartbeat`, which prints a line on standard
error in the first second and whenever nothing was printed for some seconds. This module imports neither rich nor
torch, so that the first line comes before either of them is loaded.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

FIRST = 0.5  # seconds until the first line, where a command does not print one itself
INTERVAL = 5.0  # seconds without a line until the next; below 10, since a loaded machine wakes threads late
SOON = 1.0  # a new activity is told at once, unless the last line is younger than this
LONGEST = 300  # characters of a line

VARIABLE = "NETLENS_PROGRESS"  # seconds between lines; 0 for none


# -- what is being done ----------------------------------------------------------------------------------


class Activity:
    """Something that is being done; `text` may change meanwhile."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.detail: str | Callable[[], str] = ""

    def __str__(self) -> str:
        said = self.detail() if callable(self.detail) else self.detail
        return f"{self.text}: {said}" if said else self.text


_under_way: list[Activity] = []


@contextlib.contextmanager
def activity(text: str) -> Iterator[Activity]:
    """Name what is done inside the `with` block, or in a function that is decorated with it.

    Activities nest; the outermost is told first. In a command, a terminal shows a spinner meanwhile: nothing should be
    printed on standard output then.
    """
    entry = Activity(text)
    _under_way.append(entry)
    if _heartbeat:
        _heartbeat.changed()
    try:
        with _spinner():
            yield entry
    finally:
        _under_way.remove(entry)


def detail(text: str | Callable[[], str]) -> None:
    """Say how far the innermost activity is; a function is called whenever somebody wants to know."""
    if _under_way:
        _under_way[-1].detail = text


def current() -> str:
    """What is being done, in one line of printable characters; empty where nothing was named."""
    try:
        said = ": ".join(str(entry) for entry in list(_under_way))
    except Exception:  # a detail that is computed in the heartbeat's thread while its owner changes it
        return ": ".join(entry.text for entry in list(_under_way))
    return "".join(c if c.isprintable() else "?" for c in said)[:LONGEST]


# -- telling it ------------------------------------------------------------------------------------------


class Heartbeat:
    """A thread that prints what is being done on standard error.

    Args:
        name: the command, such as "netlens grade", which is said to be under way where no activity is named.
        interval: seconds of silence until the next line.
        first: seconds until the first one.
        write: takes a whole line, its line feed included.
        clock: a monotonic clock in seconds.
        age: seconds that the command has been running already.
    """

    def __init__(
        self,
        name: str,
        interval: float = INTERVAL,
        first: float = FIRST,
        write: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        age: float = 0.0,
    ) -> None:
        self.name, self.interval = name, interval
        self._state = "starts: libraries are loaded"  # until the first activity
        self._write, self._clock = write or _to_stderr, clock
        self._began = clock() - age
        self._due = self._began + min(first, interval)
        self._told_at = -float("inf")
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="netlens progress", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it. No line is printed after this returns."""
        with self._lock:
            self._ended.set()

    def spoke(self) -> None:
        """Somebody else printed a line: the next one may wait."""
        self._told_at = self._clock()
        self._due = self._told_at + self.interval

    def changed(self) -> None:
        """A new activity begins: say so, unless something was printed just now."""
        self._state = "is under way"
        if self._clock() - self._told_at >= min(SOON, self.interval):
            self.tell()

    def tell(self) -> None:
        """Print a line now."""
        seconds = self._clock() - self._began
        since = f" ({seconds:.0f} s)" if seconds >= 1 else ""
        line = f"{current() or f'{self.name} {self._state}'}{since}\n"
        with self._lock:
            if self._ended.is_set():
                return
            self.spoke()
            try:
                self._write(line)
            except (OSError, ValueError):  # standard error was closed: the work goes on without
                self._ended.set()

    def tell_if_due(self) -> float:
        """Print a line where the last one is too long ago; returns the seconds until the next is due."""
        if self._clock() >= self._due:
            self.tell()
        return max(0.01, self._due - self._clock())

    def _beat(self) -> None:
        while not self._ended.wait(self.tell_if_due()):
            pass


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)  # a whole line at once, so that lines of two writers do not mix
    sys.stderr.flush()


_heartbeat: Heartbeat | None = None
_quiet = False


def watched() -> bool:
    """Whether a person watches standard error, so that spinners and bars do the telling."""
    try:
        return sys.stderr.isatty() and not _quiet
    except (AttributeError, ValueError):  # none, or closed
        return False


def quiet() -> bool:
    """Whether the user asked for no progress at all."""
    return _quiet


def start_heartbeat(arguments: Sequence[str]) -> None:
    """Start the process's heartbeat, for a command line such as ["grade", "course"], unless somebody watches a bar."""
    global _heartbeat, _quiet
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    _quiet = _quiet or "--quiet" in itertools.takewhile(lambda argument: argument != command, arguments)
    wished = bool(command) and not {"--help", "-h"} & set(arguments) and not _quiet
    if wished and not _heartbeat and not watched() and (interval := _interval()):
        _heartbeat = Heartbeat(f"netlens {command}", interval, age=_process_age())
        _heartbeat.start()


def _process_age() -> float:
    """Seconds since this process began; 0 where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  pathlib takes long to load
            began = int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def _interval() -> float:
    try:
        wished = float(os.environ[VARIABLE])
    except (KeyError, ValueError):
        return INTERVAL
    return wished if 0 <= wished < float("inf") else INTERVAL


def stop_heartbeat() -> None:
    """End the process's heartbeat; no line is printed after this returns."""
    global _heartbeat
    if _heartbeat:
        _heartbeat.stop()
    _heartbeat = None


def spoke() -> None:
    """A line was printed on standard error: the heartbeat's next one may wait."""
    if _heartbeat:
        _heartbeat.spoke()


# -- spinners --------------------------------------------------------------------------------------------


class Display(Protocol):
    """A spinner or bar on a terminal."""

    def start(self) -> None:
        """Show it."""

    def stop(self) -> None:
        """Take it away."""


_display: Display | None = None
_make_spinner: Callable[[], Display] | None = None


def show_spinners(make: Callable[[], Display]) -> None:
    """From now on, show a spinner while something is under way on a terminal."""
    global _make_spinner
    _make_spinner = make


def _spinner() -> contextlib.AbstractContextManager[None]:
    """A spinner, unless there is something to be seen already or nobody to see it."""
    ours = threading.current_thread() is threading.main_thread()
    if _make_spinner and not _display and ours and watched():
        return shown(_make_spinner())
    return contextlib.nullcontext()


@contextlib.contextmanager
def shown(display: Display) -> Iterator[None]:
    """Show a display while the `with` block runs, in place of the one that is shown already."""
    global _display
    before, _display = _display, display
    if before:
        before.stop()
    display.start()
    try:
        yield
    finally:
        display.stop()
        _display = before
        if before:
            before.start()
