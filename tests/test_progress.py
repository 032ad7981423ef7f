"""Long work is never silent: what the heartbeat prints, when, and what it must not do. By a clock of the test's own."""

from __future__ import annotations

import itertools
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from netlens_core import progress
from netlens_core.progress import Heartbeat, activity, current, detail

PATIENCE = 10.0  # seconds without a line that a person bears


class Watch:
    """A clock that only the test moves, and what was printed at which second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[tuple[float, str]] = []

    def write(self, line: str) -> None:
        self.lines.append((self.now, line))

    def heartbeat(self, **options: float) -> Heartbeat:
        return Heartbeat("netlens grade", write=self.write, clock=lambda: self.now, **options)

    def work(self, heart: Heartbeat, seconds: float) -> None:
        """Time passes as a thread sees it that is woken half a second late each time."""
        until = self.now + seconds
        while self.now < until:
            self.now += heart.tell_if_due() + 0.5

    @property
    def gaps(self) -> list[float]:
        times = [0.0, *(when for when, _ in self.lines)]
        return [after - before for before, after in itertools.pairwise(times)]


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def heart(watch, monkeypatch) -> Heartbeat:
    heart = watch.heartbeat()
    monkeypatch.setattr(progress, "_heartbeat", heart)
    return heart


def test_slow_work_is_told_from_the_first_second_and_never_with_a_gap(watch, heart):
    with activity("Preparing exercises"), activity("forging noise for what_is_it.png"):
        for step in range(3):
            detail(f"step {step} of 3")
            watch.work(heart, 25)
    assert watch.lines[0][0] <= 1
    assert max(watch.gaps) <= PATIENCE and len(watch.lines) >= 75 / PATIENCE
    doing = "Preparing exercises: forging noise for what_is_it.png: step 2 of 3"
    assert re.fullmatch(re.escape(doing) + r" \(7\d s\)\n", watch.lines[-1][1])


def test_work_that_names_nothing_is_told_by_its_command(watch, heart):
    watch.work(heart, 12)
    assert watch.lines[0][0] <= 1 and max(watch.gaps) <= PATIENCE
    assert watch.lines[-1][1].startswith("netlens grade starts: libraries are loaded (")
    with activity("grading"):
        pass
    watch.work(heart, 12)
    assert watch.lines[-1][1].startswith("netlens grade is under way (")


def test_what_began_late_is_told_the_sooner(watch):
    """Where loading the command line took long already, as on a busy machine."""
    heart = watch.heartbeat(age=3)
    heart.tell_if_due()
    assert [(when, line[-6:]) for when, line in watch.lines] == [(0, "(3 s)\n")]
    assert 0 <= progress._process_age() < 24 * 3600


def test_a_new_activity_is_told_at_once_but_many_short_ones_are_not(watch, heart):
    with activity("Preparing exercises"):
        assert watch.lines == [(0.0, "Preparing exercises\n")]
        watch.now = 3
        with activity("noise"):
            assert watch.lines[-1] == (3, "Preparing exercises: noise (3 s)\n")
        for _ in range(100):
            with activity("a file"):
                watch.now += 0.01
    assert len(watch.lines) <= 4


def test_lines_of_others_count_and_nothing_is_printed_after_the_end(watch, heart):
    for _ in range(20):
        heart.spoke()
        watch.work(heart, 1)
    assert not watch.lines
    heart.stop()
    watch.work(heart, 60)
    with activity("too late"):
        pass
    assert not watch.lines


def test_a_closed_standard_error_stops_nobody(watch, monkeypatch):
    def broken(line: str) -> None:
        raise BrokenPipeError

    heart = Heartbeat("netlens grade", write=broken, clock=lambda: watch.now)
    monkeypatch.setattr(progress, "_heartbeat", heart)
    with activity("grading"):
        watch.work(heart, 20)


def test_what_is_told_is_one_line_without_escapes():
    with activity("ada\x1b[2J\n\u202e · noise"):
        detail("x" * 5000)
        assert current().startswith("ada?[2J?? · noise: xxx") and len(current()) <= progress.LONGEST
    assert current() == ""


def test_a_detail_that_fails_costs_only_itself():
    with activity("grading"):
        detail(lambda: str(1 / 0))
        assert current() == "grading"


def test_the_thread_speaks_while_the_main_thread_is_blocked():
    lines: list[str] = []
    heart = Heartbeat("netlens grade", interval=0.05, write=lines.append)
    heart.start()
    with activity("one long call"):
        deadline = time.monotonic() + 600
        while len(lines) < 3 and time.monotonic() < deadline:
            time.sleep(0.5)
    heart.stop()
    told = len(lines)
    time.sleep(0.2)
    assert told >= 3 and len(lines) == told
    assert not heart._thread.is_alive() and threading.active_count() >= 1


def test_spinners_show_only_what_is_outermost_and_give_way_to_bars(monkeypatch):
    events: list[str] = []

    class Shown:
        def __init__(self, name: str) -> None:
            self.name = name

        def start(self) -> None:
            events.append(f"{self.name} on")

        def stop(self) -> None:
            events.append(f"{self.name} off")

    monkeypatch.setattr(progress, "_make_spinner", lambda: Shown("spinner"))
    monkeypatch.setattr(progress, "watched", lambda: True)
    with activity("outer"), activity("inner"), progress.shown(Shown("bar")), activity("innermost"):
        events.append("work")
    assert events == ["spinner on", "spinner off", "bar on", "work", "bar off", "spinner on", "spinner off"]
    monkeypatch.setattr(progress, "watched", lambda: False)
    with activity("outer"):
        pass
    assert len(events) == 7


# -- the command line ------------------------------------------------------------------------------------

SLOW = r"""
import sys, time
from netlens_core.progress import activity, start_heartbeat
start_heartbeat(["export", "course"])
import netlens_core.cli as cli
from netlens_core.grading import course

def slow(*_):
    with activity("forging noise \u00b7 \u017elu\u0165 \u2026"):
        time.sleep(600 if "forever" in sys.argv else 1.5)
    raise SystemExit(3)

course.Course.__init__ = slow
sys.argv[1:] = ["export", "course", "--to", "csv"]
cli.main()
"""


def slow_command(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "NETLENS_PROGRESS": "0.2", **environment},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )


def test_a_pipe_gets_whole_lines_on_standard_error_only():
    running = slow_command(LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    said, told = running.communicate(timeout=600)
    assert running.returncode == 3 and said == b""
    assert b"\x1b" not in told and told.endswith(b"\n")
    lines = [line for line in told.decode("ascii").splitlines() if line.startswith("forging noise")]
    assert len(lines) >= 3
    assert all(re.fullmatch(r"forging noise - \\u017elu\\u0165 \.\.\.( \(\d+ s\))?", line) for line in lines), lines


def test_progress_can_be_switched_off():
    running = slow_command(NETLENS_PROGRESS="0")
    assert running.communicate(timeout=600) == (b"", b"")


def test_ctrl_c_ends_without_a_traceback():
    running = slow_command("forever")
    assert running.stderr
    while b"forging" not in running.stderr.readline():
        pass
    os.kill(running.pid, signal.SIGINT)
    told = running.stderr.read().splitlines()
    assert running.wait(timeout=600) == 130
    assert all(line.startswith(b"forging") for line in told), told


def test_on_a_terminal_spinners_and_bars_tell_it_and_no_lines():
    parent, child = pty.openpty()
    program = (
        "import time; from netlens_core.progress import *; start_heartbeat(['grade', 'x'])\n"
        "from netlens_core.commands.displays import progress, spinner; show_spinners(spinner)\n"
        "with activity('Preparing'), activity('forging noise'):\n    time.sleep(0.6)\n"
        "with progress('Grading', 3) as told:\n    detail('ada'); time.sleep(0.3); told('ben'); time.sleep(0.3)\n"
    )
    environment = {**os.environ, "TERM": "xterm", "NETLENS_PROGRESS": "0.1", "COLUMNS": "100"}
    running = subprocess.Popen([sys.executable, "-c", program], stderr=child, stdout=child, env=environment)
    os.close(child)
    shown = b""
    with open(parent, "rb", buffering=0) as terminal:  # noqa: PTH123
        try:
            while data := terminal.read(4096):
                shown += data
        except OSError:  # the other side is closed
            pass
    assert running.wait(timeout=600) == 0
    assert b"\x1b[?25l" in shown and "Preparing: forging noise…".encode() in shown
    assert b"Grading" in shown and b"1/3" in shown and b"ada" in shown
    assert b" s)" not in shown


# -- every command ---------------------------------------------------------------------------------------

COMMANDS = [
    "grade COURSE",
    "grade COURSE --json",
    "grade-file FILE --exercise noise",
    "report COURSE",
    "release COURSE",
    "verify --course COURSE --json",
    "calibrate --course COURSE",
    "new-exercise saliency --course COURSE",
    "check FILE --course COURSE --json",
    "collect COURSE DOWNLOADS --exercise noise",
    "inputs noise --student ada --course COURSE --json",
    "history COURSE --student ada",
    "answers COURSE --json",
    "mark COURSE FILE",
    "export COURSE --to csv",
    "gradescope-zip noise --into FILE.zip --course COURSE",
    "doctor",
    "dream",
    "explain daisy:1 --json",
    "attack daisy:1",
    "stylize daisy:1 painting:swirls",
    "classify daisy:1",
    "activations daisy:1",
    "analyze --json",
    "gan daisies",
]


def slow(*_: object, **__: object) -> None:
    with activity("slow work"):
        time.sleep(0.4)
    raise SystemExit(3)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_is_silent(command, tmp_path, monkeypatch, capfd):
    """Whatever it begins with is slow here; more than one line comes meanwhile, on standard error alone."""
    import netlens_core.cli as cli
    from netlens_core.commands import shared
    from netlens_core.grading import doctor, public_course
    from netlens_core.methods import datasets

    monkeypatch.setattr(public_course, "refuse_no_course", slow)
    monkeypatch.setattr(shared, "_loaded", slow)
    monkeypatch.setattr(doctor, "diagnose", slow)
    monkeypatch.setattr(datasets, "load_dataset", slow)
    monkeypatch.setenv("NETLENS_PROGRESS", "0.1")
    names = {
        "COURSE": tmp_path,
        "FILE": tmp_path / "noise.ipynb",
        "FILE.zip": tmp_path / "a.zip",
        "DOWNLOADS": tmp_path,
    }
    monkeypatch.setattr(sys, "argv", ["netlens", *(str(names.get(word, word)) for word in command.split())])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said, told = capfd.readouterr()
    assert ended.value.code == 3 and said == ""
    lines = [line for line in told.splitlines() if line.endswith(("slow work", "s)"))]
    assert len(lines) >= 3 and "\x1b" not in told and told.endswith("\n"), told


def test_the_list_of_commands_is_complete():
    import netlens_core.cli as cli

    quick = {"networks", "sample-course"}
    known = {command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    assert known - quick == {command.split()[0] for command in COMMANDS}


def test_quiet_tells_nothing(tmp_path, monkeypatch, capfd):
    import netlens_core.cli as cli
    from netlens_core.grading import public_course

    monkeypatch.setattr(public_course, "refuse_no_course", slow)
    monkeypatch.setattr(progress, "_quiet", False)
    monkeypatch.setenv("NETLENS_PROGRESS", "0.05")
    monkeypatch.setattr(sys, "argv", ["netlens", "--quiet", "report", str(tmp_path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert capfd.readouterr() == ("", "")
