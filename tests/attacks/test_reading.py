"""Attacks that look for what is not theirs: solutions, graders, hidden inputs, other submissions, secrets, memory."""

from __future__ import annotations

from pathlib import Path

import pytest

import netlens_core
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.warm_process import IN_NOTEBOOKS, KIT

ROOT = Path(netlens_core.__file__).parents[1]
SECRET_PARTS = ("the-secret-of-", "the-grader-4711")  # never whole in the attacker's own source


@pytest.mark.also_reduced
def test_files_of_the_grader_cannot_be_opened(strike, secret_folder):
    """By path, through /proc's roots, by links: nothing that is not mounted can be named."""
    source = """
def attack(folder, root):
    ways = ["", "/proc/1/root", "/proc/self/root/..", "/proc/self/cwd/../../..", "/proc/thread-self/root"]
    places = ["/reference.py", "/gradebook.sqlite", "/submissions/bob.py"]
    out = [r for w in ways for p in places for r in tried(w, lambda: open(w + folder + p).read())]
    os.symlink(folder + "/reference.py", "link")
    out += tried("link", lambda: open("link").read()) + tried("hard", lambda: os.link(folder + "/reference.py", "h"))
    for path in (folder, root + "/reference_solutions", root + "/graders", root + "/netlens_core", root + "/tests",
                 "/root/.bashrc", "/home", "/etc/passwd", "/etc/shadow", "/var/log", "/run", "/sys/kernel", "/boot"):
        out += tried(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path).read())
    return out
"""
    assert strike(source, str(secret_folder), str(ROOT)).gains == []


def test_no_secret_lies_anywhere_in_sight(strike, secret_folder, neighbour):
    """Every readable small file outside the interpreter's own folders is searched for the secret."""
    source = """
def attack(first, second):
    token, out, seen = (first + second).encode(), [], 0
    for top in ("/", "/tmp", "/box", "/dev/shm", "/var", "/run", "/home", "/root", "/kit", "/work"):
        for folder, folders, files in os.walk(top):
            folders[:] = [f for f in folders if f not in ("proc", "usr", "lib", "lib64", "sys", "site-packages")
                          and not os.path.exists(os.path.join(folder, f, "pyvenv.cfg"))][:50]
            for name in files[:200]:
                seen += 1
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        if token in file.read(1 << 20):
                            out.append(os.path.join(folder, name))
                except OSError:
                    pass
    return out if seen > 5 else ["nothing was searched"]
"""
    assert strike(source, *SECRET_PARTS).gains == []


@pytest.mark.also_reduced
@pytest.mark.parametrize(
    "module",
    ["netlens_core.methods", "netlens_core.methods.adversarial", "netlens_core.grading", "netlens_core.measures",
     "netlens_core.cli", "reference_solutions", "graders", "tests"],
)  # fmt: skip
def test_the_graders_modules_cannot_be_imported(strike, module):
    """Nothing of netlens but the student kit is there to be imported."""
    gains = strike(
        f"import importlib\ndef attack(): return tried('x', lambda: importlib.import_module({module!r}).__file__ + '')"
    ).gains
    assert gains == []


def test_only_the_student_kit_is_in_the_package(strike):
    """The folders of netlens hold the kit's files only, wherever the interpreter would look."""
    source = """
def attack():
    import netlens_core
    found = set()
    for place in {*sys.path, os.path.dirname(netlens_core.__file__) + "/.."}:
        for package in ("netlens_core", "netlens"):
            try:
                found |= {package + "/" + name for name in os.listdir(place + "/" + package)}
            except OSError:
                pass
    return sorted(found)
"""
    kit = [f"netlens_core/{name}" for name in KIT] + [f"netlens/{name}" for name in IN_NOTEBOOKS]
    assert strike(source).gains == sorted(kit)


def test_a_notebooks_own_checks_do_nothing_here(box):
    """`netlens.check` neither fails nor runs: grading has checks of its own."""
    cells = ["import netlens\nfound = netlens.check('test_what_is_it')\nfound", "def f(): return str(found.passed)"]
    with box.session(cells=cells, files={}) as session:
        assert session.call("f", []).value == "False"
        assert [cell.error for cell in session.cells] == [None, None] and session.cells[0].outputs == []


def test_the_environment_tells_nothing(strike, secret_folder, monkeypatch):
    """Neither os.environ nor /proc show the grader's variables."""
    monkeypatch.setenv("NETLENS_TEST_SECRET", "".join(SECRET_PARTS))
    source = """
def attack(first, second):
    texts = [str(dict(os.environ)), open("/proc/self/environ").read(), open("/proc/self/cmdline").read()]
    return [t[:80] for t in texts if first + second in t or "SECRET" in t]
"""
    assert strike(source, *SECRET_PARTS).gains == []


def test_memory_holds_nothing_of_others(strike, box, neighbour):
    """Frames, all objects, and the whole writable memory: nothing of the neighbour, nothing of the one before."""
    before = "marker-" + "0123456789abcdef" * 2
    with box.session(cells=[f"x = {before!r}", "def f(): return x"], files={}) as session:
        assert session.call("f", []).value == before
    source = """
import gc, re
def attack():
    marker, out, scanned = re.compile(rb"marker-[0-9a-f]{32}"), [], 0
    frame = sys._getframe()
    while frame:
        texts = [v for v in frame.f_locals.values() if isinstance(v, str)]
        out += [v for v in texts if marker.search(v.encode("utf8", "replace"))]
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            out += ["object" for v in list(thing.values()) if isinstance(v, bytes) and marker.search(v)]
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            low, high = (int(x, 16) for x in line.split()[0].split("-"))
            if line.split()[1].startswith("rw") and high - low < 512 << 20:
                try:
                    memory.seek(low)
                    part = memory.read(high - low)
                except (OSError, ValueError, OverflowError):
                    continue
                scanned += len(part)
                out += [str(found) for found in marker.findall(part)]
    return out if scanned > 10 << 20 else ["nothing was scanned"]
"""
    assert strike(source, limits=Limits(call_seconds=20)).gains == []


def test_no_other_process_can_be_seen(strike, neighbour):
    """/proc shows the submission alone: no parent, no warm process, no sibling."""
    source = """
def attack():
    me = os.getpid()
    others = [p for p in os.listdir("/proc") if p.isdigit() and int(p) != me]
    out = [f"{p}/{what}" for p in others for what in ("mem", "environ", "maps", "fd")
           if tried(what, lambda: open(f"/proc/{p}/{what}", "rb"))]
    return out + others + ([f"parent {os.getppid()}"] if os.getppid() else [])
"""
    assert strike(source).gains == []


def test_open_descriptors_lead_nowhere(strike):
    """Only the log, the two pipes of the protocol and /dev/null are open."""
    source = """
def attack():
    out = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if not target.startswith("pipe:") and target != "/dev/null" and not target.endswith("/fd"):
            out.append(target)
    return out
"""
    assert strike(source).gains == []


def test_weights_of_other_networks_are_not_downloaded(strike):
    """What the course does not name cannot be loaded: there is no network, and the message says so."""
    source = "from netlens_core.networks import load_network\ndef attack(): return load_network('alexnet')"
    outcome = strike(source).outcome
    assert outcome.status == "error"
    assert "WeightsUnavailableError" in outcome.message
