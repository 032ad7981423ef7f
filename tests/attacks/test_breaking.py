"""Attacks that break the process or what it was made from: exits, crashes, poison for the next student."""

from __future__ import annotations

import contextlib
import os

import pytest

from netlens_core.grading.sandbox import levels
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.limits import Limits


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("os._exit(0)", "crashed"),
        ("os._exit(97)", "crashed"),
        ("os.abort()", "crashed"),
        ("ctypes.string_at(0)", "crashed"),
        ("sys.exit(0)", "error"),
        ("raise KeyboardInterrupt", "error"),
        ("raise GeneratorExit", "error"),
        ("raise BaseException", "error"),
        ("__import__('signal').raise_signal(15); time.sleep(5)", "timed_out"),
        ("os.kill(os.getpid(), 9); time.sleep(5)", "timed_out"),
        ("__import__('threading')._shutdown = None; sys.stdout = sys.stderr = None; sys.exit(1)", "error"),
    ],
)
def test_ways_to_leave(strike, body, status):
    """Exits, crashes and suicide are told as what the warm process saw, whatever exit code was picked."""
    assert strike(f"def attack():\n    {body}").outcome.status == status


def test_exit_handlers_do_not_run(strike):
    """Nothing of the submission runs after the last call."""
    source = "import atexit\natexit.register(lambda: os.write(3, b'x' * 99))\ndef attack(): return 'registered'"
    assert strike(source).gains == "registered"


@pytest.mark.parametrize(
    "poison",
    [
        "import torch; torch.equal = torch.no_grad = torch.cat = lambda *a, **k: None",
        "import numpy as np; np.testing.assert_allclose = np.allclose = lambda *a, **k: True",
        "import builtins; builtins.open = builtins.len = builtins.isinstance = lambda *a, **k: True",
        "sys.modules.clear()",
        "for name in list(sys.modules):\n    if 'torch' in name or 'netlens' in name: sys.modules[name] = None",
        "sys.path[:] = ['/evil']; sys.meta_path.clear(); sys.path_hooks.clear()",
        "import netlens_core.networks as n; n.load_network = n._load = lambda *a, **k: 'evil'",
        "from netlens_core.networks import load_network\n"
        "for p in load_network('efficientnet_lite0', 'cpu').module.parameters(): p.data.zero_()",
        "for name in [m for m in sys.modules if m.startswith('netlens_inside')]:\n    vars(sys.modules[name]).clear()",
        "import json; json.dumps = json.loads = lambda *a, **k: 'evil'",
        "import gc\nfor x in gc.get_objects():\n    if type(x) is dict and '_shell' in x: x.clear()",
        "import torch; torch.set_default_dtype(torch.float64); torch.manual_seed = lambda s: None",
        "os.environ.clear(); os.chdir('/'); os.umask(0o777)",
        "import torch; torch.set_num_threads(4); torch.use_deterministic_algorithms(True)",
        "get_ipython().run_cell = None; get_ipython().user_ns.clear()",
        "import gc\ngc.disable(); gc.collect = lambda *a: None; sys.settrace(lambda *a: None)",
        "import signal; signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)",
        "ctypes.memset(id(int) + 24, 0, 64)",
        "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()",
    ],
)
def test_poison_stays_in_its_own_process(strike, poison):
    """Modules, builtins, weights, the interpreter itself: changed for the poisoner only; the next one is unharmed."""
    outcome = strike(f"{poison}\ndef attack(): return 1").outcome
    assert outcome.status in ("ok", "crashed", "error", "missing", "timed_out", "bad_reply")


def test_nothing_is_left_for_the_next_student(strike):
    """Files, shared memory, abstract sockets, environment, modules: planted by one, looked for by the next."""
    plant = """
SPOTS = ["/dev/shm/LEFT", "/tmp/LEFT", "/box/LEFT", "./LEFT", "/var/tmp/LEFT", os.path.expanduser("~/LEFT")]
def attack():
    out = [r for spot in SPOTS for r in tried(spot, lambda: open(spot, "w").write("x"))]
    sys.modules["LEFT"] = sys
    os.environ["LEFT"] = "x"
    tried("socket", lambda: (keep.append(socket.socket(socket.AF_UNIX)), keep[-1].bind(chr(0) + "LEFT")))
    return len(out) > 1
keep = []
"""
    look = """
def attack():
    places = ["/dev/shm/LEFT", "/tmp/LEFT", "/box/LEFT", "./LEFT", "/var/tmp/LEFT", os.path.expanduser("~/LEFT")]
    out = [p for p in places if os.path.exists(p)] + os.listdir("/dev/shm")
    out += [n for n in os.listdir(".") if n != "given.txt"]
    out += ["module"] * ("LEFT" in sys.modules) + ["environment"] * ("LEFT" in os.environ)
    return out + tried("socket", lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + "LEFT"))
"""
    assert strike(plant).gains is True
    assert strike(look).gains == []


def test_links_and_pipes_as_files_lead_nowhere(strike):
    """Output files are never read by the grader; links and FIFOs in the work folder trap only their maker."""
    source = """
def attack():
    os.symlink("/etc/shadow", "out.png"); os.mkfifo("pipe.png")
    return tried("link", lambda: open("out.png").read())
"""
    assert strike(source).gains == []


def test_the_grader_reads_no_file_that_a_submission_wrote(box, honest):
    """Files replaced by a submission are the ones it was given only in its own session."""
    with box.session(cells=["open('given.txt', 'w').write('changed')"], files={"given.txt": b"given"}) as session:
        assert session.status == "ok"
    with box.session(cells=["def f(): return open('given.txt').read()"], files={"given.txt": b"given"}) as session:
        assert session.call("f", []).value == "given"
    honest()


def test_pytest_in_the_submission_is_not_the_graders(strike):
    """Patching pytest, or asking for its plugins and its fixtures' frames, reaches no grader: it runs elsewhere."""
    source = """
def attack():
    out = tried("judge", lambda: __import__("netlens_core.grading.judge"))
    try:
        import pytest, _pytest.python
        pytest.approx = pytest.raises = pytest.fail = lambda *a, **k: True
        _pytest.python.Function.runtest = lambda self: None
    except ImportError:
        pass
    frame = sys._getframe()
    while frame:
        if "_pytest" in frame.f_code.co_filename or "grading" in frame.f_code.co_filename:
            out.append(frame.f_code.co_filename)
        frame = frame.f_back
    import gc
    running = ("Session", "Config", "PytestPluginManager", "Function", "Module", "FixtureManager")
    for x in gc.get_objects():
        where, name = type(x).__module__, type(x).__name__
        if where.startswith("netlens_core.grading") or where.startswith("_pytest") and name in running:
            out.append(name)
    return out
"""
    assert strike(source).gains == []


def test_what_was_meant_to_outlive_the_call_does_not(strike):
    """Daemon threads, timers, alarms, exit handlers, finalisers: all die with the process; nothing is left running."""
    source = """
import atexit, signal, threading, weakref
def forever():
    while True: time.sleep(.01)
def attack():
    for _ in range(4): threading.Thread(target=forever, daemon=True).start()
    threading.Timer(30, forever).start()
    threading.Thread(target=forever).start()
    atexit.register(forever)
    signal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, .05, .05)
    return tried("setsid", lambda: (os.setsid(), os.fork())) + tried("daemon", lambda: libc.daemon(0, 0) == 0 or 1 / 0)
"""
    assert strike(source).gains == []


@pytest.mark.also_reduced
def test_the_folders_above_the_own_one_stay_as_they_are(strike):
    """Closing, renaming, removing and filling every folder above, owning one; then deep and closed folders."""
    source = """
def attack(by_root):
    out, here = [], os.getcwd()
    while here != "/":
        above = os.path.dirname(here)
        out += tried("chmod", lambda: os.chmod(above, 0)) + tried("rename", lambda: os.rename(here, here + "x"))
        out += tried("remove", lambda: os.rmdir(here)) + tried("make", lambda: os.mkdir(above + "/LEFT"))
        out += tried("file", lambda: open(above + "/LEFT", "w"))
        out += ["owned: " + above] if by_root and os.stat(above).st_uid == os.getuid() else []
        here = above
    os.mkdir("closed", 0o300); open("closed/file", "w").close()
    for _ in range(1100):
        os.mkdir("deep"); os.chdir("deep")
    return out
"""
    assert strike(source, os.getuid() == 0).gains == []


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user has no other user to become")
def test_submissions_of_two_workers_belong_to_two_users_at_the_reduced_level(monkeypatch):
    """The kernel counts threads by user: one that starts all it may must not keep another from starting any."""
    source = """
import threading, time
def attack():
    made = 0
    try:
        for made in range(100): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError: pass
    return made
"""
    limits, made = Limits(start_seconds=60, call_seconds=20, total_seconds=100, processes=8), []
    with contextlib.ExitStack() as opened:
        for worker in (1, 2):
            monkeypatch.setattr(levels.os, "getpid", lambda worker=worker: worker)
            box = opened.enter_context(Sandbox(networks=(), level="reduced"))
            made.append(opened.enter_context(box.session([source], {}, limits)).call("attack", []).value)
    assert made[0] == made[1] > 4
