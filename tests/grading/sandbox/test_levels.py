"""Which sandbox works where, told with the reason; what of an installed netlens is hidden."""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from netlens_core.grading.sandbox import child, levels, warm_process
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.inside import confine
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import SandboxUnavailableError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def best_level(monkeypatch):
    """`best_level` without what it remembers."""
    return levels.best_level.__wrapped__


def test_the_best_level_is_one_of_three_with_a_reason_unless_full(best_level):
    level, reason = best_level()
    assert level in ("full", "reduced", "none")
    assert (level == "full") == (reason == "")


def test_without_bubblewrap_the_reason_says_how_to_get_it(best_level, monkeypatch):
    monkeypatch.setattr(levels.shutil, "which", lambda name: None)
    level, reason = best_level()
    assert level in ("reduced", "none")
    assert "apt-get install bubblewrap" in reason


def test_a_bubblewrap_that_is_forbidden_is_told_with_its_own_words(best_level, monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(levels.shutil, "which", lambda name: str(fake))
    level, reason = best_level()
    assert level in ("reduced", "none")
    assert "AppArmor" in reason and "setting up uid map: Permission denied" in reason


def test_the_reduced_level_is_tried_too_and_its_hindrance_told(best_level, monkeypatch):
    """A container may refuse the system call filter or Landlock to an ordinary user as to root."""
    monkeypatch.setattr(levels.shutil, "which", lambda name: None)
    broken = levels._REDUCED_TRIAL.replace("confine.drop_capabilities()", "raise OSError(22, 'prctl 22: not here')")
    monkeypatch.setattr(levels, "_REDUCED_TRIAL", broken)
    level, reason = best_level()
    assert level == "none"
    assert "apt-get install bubblewrap" in reason and "prctl 22: not here" in reason


@pytest.mark.parametrize("lock", ["confine.landlock([], [], [], [])", "syscalls.restrict_system_calls"])
def test_locks_that_do_not_hold_are_no_level(best_level, monkeypatch, lock):
    without = levels._REDUCED_TRIAL.replace(lock, "print" if lock.startswith("syscalls") else "1")
    monkeypatch.setattr(levels, "_REDUCED_TRIAL", without)
    monkeypatch.setattr(levels.shutil, "which", lambda name: None)
    level, reason = best_level()
    assert level == "none" and "stay open" in reason


def test_a_trial_that_is_killed_from_outside_is_made_again(best_level, monkeypatch, tmp_path):
    """Twice killed, it says nothing yet; what it says at last is believed."""
    fake, real = tmp_path / "bwrap", shutil.which("bwrap") or "/bin/false"
    fake.write_text(f'#!/bin/sh\n[ -e {tmp_path}/2 ] && exec {real} "$@"\n[ -e {tmp_path}/1 ] && touch {tmp_path}/2\n')
    with fake.open("a") as more:
        more.write(f"touch {tmp_path}/1\nkill -9 $$\n")
    fake.chmod(0o755)
    before = best_level()[0]
    monkeypatch.setattr(levels.shutil, "which", lambda name: str(fake))
    assert best_level()[0] == before and (tmp_path / "2").exists()


def test_other_systems_have_none(best_level, monkeypatch):
    monkeypatch.setattr(levels.sys, "platform", "darwin")
    level, reason = best_level()
    assert level == "none" and "Containerfile" in reason


def test_unknown_levels_are_refused():
    with pytest.raises(ValueError, match="full, reduced or none"):
        Sandbox(networks=(), level="half")


def test_a_sandbox_that_does_not_start_says_why(monkeypatch):
    monkeypatch.setattr(warm_process, "_weights", lambda networks: ([], "/nowhere"))
    with Sandbox(networks=("no_such_network",)) as box, pytest.raises(SandboxUnavailableError, match="no_such_network"):
        box.session(cells=[], files={}).__enter__()


@pytest.mark.parametrize("level", ["full", "reduced"])
def test_an_installed_netlens_is_hidden(monkeypatch, level):
    """Another installed package plays its part here: it can be imported outside, and is gone inside."""
    best, why = Sandbox.best_level()
    if level == "full" != best:
        pytest.skip(f"no full sandbox here: {why}")
    if level == "reduced" and (reason := levels._no_reduced()):
        pytest.skip(f"no reduced sandbox here: {reason}")
    package = Path(site.getsitepackages()[0]) / "torchmetrics"
    assert (package / "__init__.py").is_file()
    monkeypatch.setattr(warm_process, "_installed_netlens", lambda: [package])
    source = f"""
import os
def f():
    found = []
    for place in ({str(package)!r}, {str(package)!r}.replace("/lib/", "/lib64/")):
        try: found.append(open(place + "/__init__.py").read(9))
        except OSError: pass
    try: import torchmetrics.metric; found.append("import")
    except (ImportError, OSError): pass
    import jinja2, wave  # what was not imported before the fork still can be
    return found
"""
    with Sandbox(networks=(), level=level) as box, box.session(cells=[source], files={}) as session:
        outcome = session.call("f", [])
    assert (outcome.status, outcome.value) == ("ok", []), outcome.message


def test_the_whole_tree_dies_with_a_killed_owner(tmp_path):
    """No warm process and no submission outlives a grader that is killed while a call runs."""
    marker = f"netlens-tree-{time.monotonic_ns()}"
    program = f"""
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.inside import confine
box = Sandbox(networks=(), level={Sandbox.best_level()[0]!r})
source = "import ctypes\\nctypes.CDLL(None).prctl(15, b'{marker[-15:]}')\\ndef f():\\n    while True: pass"
with box.session(cells=[source], files={{}}) as session:
    print("up", flush=True)
    session.call("f", [])
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == b"up\n"
        assert _named(marker[-15:])
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 300
    while _named(marker[-15:]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _named(marker[-15:])


@pytest.mark.parametrize("gets_on", [True, False])
def test_a_start_is_given_up_only_where_the_process_stands_still(monkeypatch, gets_on):
    """A slow start on a busy machine takes many times as long as one that is given up may stand still."""
    monkeypatch.setattr(warm_process, "START_SECONDS", 1)
    program = (
        "import ctypes, socket, sys, time\nctypes.CDLL(None).prctl(15, b'\\xff)')\n"  # names are any bytes
        "began = time.monotonic()\n"
        f"while time.monotonic() < began + 4: {'pass' if gets_on else 'time.sleep(1)'}\n"
        "socket.socket(fileno=int(sys.argv[1])).send(b'ready')\ntime.sleep(600)"
    )

    def start(self, networks, theirs):
        command = [sys.executable, "-S", "-c", program, str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])

    monkeypatch.setattr(warm_process.WarmProcess, "_start", start)
    if gets_on:
        warm_process.WarmProcess((), "none").close()
    else:
        with pytest.raises(SandboxUnavailableError, match="stood still"):
            warm_process.WarmProcess((), "none")


def _named(name: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() == name:
                found.append(str(path))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("asked", [True, False])
def test_a_silent_warm_process_is_our_fault_not_the_students(box, monkeypatch, asked):
    """Stopped, it neither answers nor forks: the submission runs in a fresh process."""
    monkeypatch.setattr(warm_process, "_ANSWER_SECONDS", 1)
    monkeypatch.setattr(child, "_FORK_SECONDS", 10)
    if not asked:
        monkeypatch.setattr(warm_process.WarmProcess, "changed", lambda self: "")
    limits = Limits(start_seconds=1, call_seconds=1, total_seconds=10)
    with box.session(cells=["1"], files={}) as session:
        assert session.status == "ok"
    stopped = _youngest_below(box._warm._process.pid)
    monkeypatch.setattr(child, "_GRACE", 1)
    os.kill(stopped, signal.SIGSTOP)
    with box.session(cells=["def f(): return 1"], files={}, limits=limits) as session:
        assert session.status == "ok"  # told by nobody: done once more in a fresh process
        assert session.call("f", []).value == 1


def test_a_warm_process_in_which_something_was_left_is_replaced(box):
    """Nothing of the kind is known to be possible for a submission: here it is done from outside."""
    with box.session(cells=["1"], files={}):
        first = box._warm
    home = first._home
    left = home / "kit/netlens_core/daisies.py" if home else None
    if left is None:
        left = Path(f"/proc/{_youngest_below(first._process.pid)}/root/tmp/left")
        try:
            left.write_text("left")
        except PermissionError as error:
            pytest.skip(f"its files cannot be reached: {error}")
    else:
        left.chmod(0)
    assert first.changed() == ("the student kit" if home else "its temporary files")
    cells = ["from netlens_core.daisies import draw_daisy", "def f(): return 1"]
    for _ in range(2):
        with box.session(cells=cells, files={}) as session:
            assert session.call("f", []).value == 1 and session.cells[0].error is None
        assert box._warm is not first and not first.alive
        second = box._warm
    with box.session(cells=["1"], files={}):
        assert box._warm is second


@pytest.mark.parametrize("broken", [{"files": -5}, {"cpu_seconds": "none"}, {"work": "/nowhere"}])
def test_where_a_lock_fails_no_student_code_runs(box, monkeypatch, broken):
    """The child tells that it is locked in before it reads the submission; else the fault is ours."""
    if box.level == "none":
        pytest.skip("there are no locks here")
    fork = warm_process.WarmProcess.fork
    with monkeypatch.context() as patched:
        patched.setattr(warm_process.WarmProcess, "fork", lambda warm, wish, ends: fork(warm, wish | broken, ends))
        with box.session(cells=["print('it ran')"], files={}) as session:
            assert (session.status, session.cells) == ("fault", ())
    with box.session(cells=["1"], files={}) as session:
        assert session.status == "ok"


def test_a_container_that_forbids_read_only_mounts_is_told(best_level, monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'OSError: [Errno 38] mount_setattr /: Function not implemented' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(levels.shutil, "which", lambda name: str(fake))
    level, reason = best_level()
    assert level in ("reduced", "none") and reason.startswith("what submissions see cannot be made read-only here")


def test_the_trial_notices_what_can_be_changed(best_level, monkeypatch, tmp_path):
    """It tries the locks and not only the calls: with one of them gone, the level is not full."""
    sandbox = tmp_path / "sandbox"
    shutil.copytree(Path(levels.__file__).parent / "inside", sandbox / "inside")
    confine = sandbox / "inside" / "confine.py"
    whole = confine.read_text()
    monkeypatch.setattr(levels, "__file__", str(sandbox / "levels.py"))
    assert best_level() == levels.best_level()
    confine.write_text(whole.replace("    make_mounts_read_only()\n", ""))
    assert confine.read_text() != whole
    if levels.best_level()[0] == "full":
        assert "what all submissions see can be changed" in best_level()[1]


def _youngest_below(pid: int) -> int:
    """The warm process itself: the last of the chain of wrappers below the one that was started."""
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[0])
    return pid


def test_the_tasks_of_a_user_are_counted(monkeypatch):
    """Where the kernel counts by user, a submission gets its threads beside whatever else its user runs."""
    enough = threading.Event()
    others = [threading.Thread(target=enough.wait) for _ in range(20)]
    for thread in others:
        thread.start()
    try:
        assert confine.tasks_of_user() > 20
        monkeypatch.setattr(confine.os, "getuid", lambda: (1 << 31) - 7)
        assert confine.tasks_of_user() == 0
    finally:
        enough.set()
