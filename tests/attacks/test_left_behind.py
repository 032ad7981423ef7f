"""Attacks that leave something for the next submission, or reach one that runs at the same time.

They run as the present user and, where that is root, as an ordinary one too: bubblewrap's own folders belong to the
user who started it, and only root's submissions get a user of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from netlens_core.grading.sandbox import levels
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.inside import confine

ROOT = Path(__file__).parents[2]
ORDINARY = 61002  # a user without an account
# Everything in sight but what is the submission's own: each folder with some of its files.
_IN_SIGHT = """
import netlens_core, matplotlib, json as j, numpy
OWN = ("/tmp", "/box", "/dev/shm")
def in_sight():
    tops = ["/", "/kit", "/kit/netlens_core", "/kit/netlens_inside", "/kit/netlens", "/dev", "/dev/pts", "/dev/null",
            "/dev/full", "/proc", "/proc/self", "/proc/self/comm", "/etc", "/etc/fonts", "/usr", "/usr/lib", sys.prefix,
            sys.base_prefix, sys.executable, "/sys/devices/system/cpu", *map(os.path.dirname, OWN)]
    for module in (netlens_core, matplotlib, j, numpy):
        tops += [module.__file__, os.path.dirname(module.__file__), os.path.dirname(module.__file__) + "/__pycache__"]
    tops += [f"/kit/{f}/{n}" for f in os.listdir("/kit") for n in os.listdir("/kit/" + f)]
    return sorted({t for t in tops if os.path.exists(t)})
"""
ATTACKS = {
    "chmod": _IN_SIGHT
    + """
def attack():
    out = []
    for path in in_sight():
        out += tried("chmod " + path, lambda: os.chmod(path, 0))
        out += called("fchmodat2 " + path, 452, -100, path.encode(), 0, 0)
    return out
""",
    "owners, times": _IN_SIGHT
    + """
def attack():
    out = []
    for path in in_sight():
        me = os.getuid()
        out += tried("chown " + path, lambda: os.chown(path, me, me)) + tried("utimes " + path, lambda: os.utime(path))
        out += tried("times " + path, lambda: os.utime(path, ns=(1, 1)))
    return out
""",
    "attributes, access lists": _IN_SIGHT
    + """
def attack():
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", t, 7, 0xFFFFFFFF) for t in (1, 4, 16, 32))
    names = ("user.left", "trusted.left", "security.left", "system.posix_acl_access", "system.posix_acl_default")
    out = []
    for path in in_sight():
        for name in names:
            out += tried(f"{name} {path}", lambda: os.setxattr(path, name, acl))
            out += tried(f"remove {name} {path}", lambda: os.removexattr(path, name))
    return out
""",
    "flags of files": _IN_SIGHT
    + """
import fcntl
def attack():
    out = []
    for path in in_sight():
        def flagged(request, content):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try: fcntl.ioctl(descriptor, request, content)
            finally: os.close(descriptor)
        out += tried("FS_IOC_SETFLAGS " + path, lambda: flagged(0x40086602, struct.pack("q", 0x10)))
        out += tried("FS_IOC_FSSETXATTR " + path, lambda: flagged(0x401C5820, bytes(28)))
        out += tried("FS_IOC_SETVERSION " + path, lambda: flagged(0x40087602, struct.pack("q", 7)))
        out += called("file_setattr " + path, 469, -100, path.encode(), bytes(24), 24, 0)
    return out
""",
    "names": _IN_SIGHT
    + """
def attack():
    out = []
    for path in in_sight():
        out += tried("rename " + path, lambda: os.rename(path, path + ".left"))
        out += tried("unlink " + path, lambda: os.unlink(path)) + tried("rmdir " + path, lambda: os.rmdir(path))
        out += tried("create " + path, lambda: os.close(os.open(path + "/left", os.O_CREAT | os.O_WRONLY)))
        out += tried("mkdir " + path, lambda: os.mkdir(path + "/left"))
        out += tried("symlink " + path, lambda: os.symlink("/tmp", path + "/left"))
        out += tried("truncate " + path, lambda: os.truncate(path, 0))
        out += tried("link " + path, lambda: os.link(path, path + ".left"))
    return [line for line in out if not line.startswith("truncate /dev/null")]
""",
    # Python and its libraries look for these before or instead of what is installed.
    "poisoned caches": """
import glob, importlib.util, matplotlib, py_compile
def attack():
    import json.tool, netlens_core.daisies as kit
    out = []
    for module in (kit, json.tool):
        place = importlib.util.cache_from_source(module.__file__)
        out += tried(place, lambda: (os.makedirs(os.path.dirname(place), exist_ok=True), open(place, "wb").write(b"x")))
    planted = [matplotlib.get_configdir() + "/matplotlibrc", matplotlib.get_cachedir() + "/fontlist-v390.json",
               get_ipython().ipython_dir + "/profile_default/startup/00-left.py", "~/.config/matplotlib/matplotlibrc",
               get_ipython().ipython_dir + "/profile_default/ipython_config.py", "/tmp/torch.py",
               "~/.local/lib/python3.11/site-packages/usercustomize.py",
               "/tmp/json.py", "./numpy.py", "./sitecustomize.py", "~/.cache/left"]
    planted += glob.glob("/tmp/*/*") + glob.glob("/tmp/*/*/*")
    for path in map(os.path.expanduser, planted):
        if not os.path.isdir(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").write("raise SystemExit('poison')")
    return out
""",
    "full disks": """
def filled(folder):
    written, number = 0, 0
    try:
        while True:
            with open(f"{folder}/fill{number}", "wb", buffering=0) as file:
                while done := file.write(bytes(1 << 20)): written += done
            number += 1
    except OSError:
        pass
    names = 0
    try:
        for names in range(100_000): os.symlink("x" * 4000, f"{folder}/name{names}")
    except OSError: pass
    return written >> 20
def attack():
    sizes = [filled(folder) for folder in ("/dev/shm", "/tmp", ".")]
    return [] if sizes[0] <= 16 and sizes[1] + sizes[2] <= 16 else [str(sizes)]
""",
    "kernel memory": """
def attack():
    held, own = 0, ("/tmp", ".", "/dev/shm")
    targets = [os.path.join(d, f) for top in own for d, ds, fs in os.walk(top) for f in ds + fs]
    for target in [*targets, *own, "/kit"]:
        for number in range(100_000):
            try: os.setxattr(target, f"user.{number}", b"x" * 60_000)
            except OSError: break
            held += 60_000
            if held > 1 << 30: return ["no limit"]
    for number in range(20_000):  # names that are not there are remembered by the kernel
        os.path.exists(f"/usr/lib/{number}" + "x" * 200)
    return [] if held < 32 << 20 else [f"{held >> 20} MiB of attributes"]
""",
    "killed for memory": """
import mmap
keep = []
def attack():
    while True:
        keep.append(mmap.mmap(-1, 16 << 20))
        keep[-1][:] = bytes(16 << 20)
""",
}
_LIBRARY = "\nimport fcntl, numpy\nLIBRARY = ('/usr/bin/env', numpy.__file__)\n"
# At the same time in two sandboxes: what the first one does, and how the second one may notice.
PAIRS = {
    "locks": (
        _LIBRARY
        + """
keep = []
def attack():
    read_lock, out = struct.pack("hhqqi4x", 0, 0, 0, 0, 0), []
    for path in LIBRARY:
        keep.append(file := os.open(path, os.O_RDONLY))
        out += tried("flock", lambda: fcntl.flock(file, fcntl.LOCK_EX))
        out += [f"{c}" for c in (6, 7, 37, 38) if tried(c, lambda: fcntl.fcntl(file, c, read_lock))]
        out += tried("lease", lambda: fcntl.fcntl(file, 1024, 0))
    return out
""",
        _LIBRARY
        + """
def notice():
    write_lock, out = struct.pack("hhqqi4x", 1, 0, 0, 0, 0), []
    for path in LIBRARY:
        file = os.open(path, os.O_RDONLY)
        try: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError: out.append("flock " + path)
        except OSError: pass
        for command in (5, 36):
            for line in tried(command, lambda: struct.unpack("hhqqi4x", fcntl.fcntl(file, command, write_lock))[0]):
                if line != f"{command}: '2'": out.append(line + path)
    return out
""",
    ),
    "watches": (
        _LIBRARY
        + """
import threading
def touched():
    while True:
        for path in LIBRARY:
            open(path, "rb").read(16); os.listdir(os.path.dirname(path)); tried("t", lambda: os.utime(path))
        time.sleep(.01)
def attack(): threading.Thread(target=touched, daemon=True).start()
""",
        _LIBRARY
        + """
import signal
def notice():
    out, told = [], []
    tried("signal", lambda: signal.signal(signal.SIGIO, lambda *_: told.append("dnotify")))
    watch = libc.inotify_init1(0o4000)
    marks = libc.fanotify_init(0, 0)
    for path in LIBRARY:
        folder = os.path.dirname(path)
        libc.inotify_add_watch(watch, path.encode(), 0xFFF); libc.inotify_add_watch(watch, folder.encode(), 0xFFF)
        libc.fanotify_mark(marks, 1, ctypes.c_ulong(0x23), -100, path.encode())
        tried("dnotify", lambda: fcntl.fcntl(os.open(folder, os.O_RDONLY), 1026, 0x8000003F))
    before = [os.stat(path).st_atime_ns for path in LIBRARY]
    time.sleep(.3)
    out += tried("inotify", lambda: os.read(watch, 4096)) + tried("fanotify", lambda: os.read(marks, 4096)) + told
    return out + ["times"] * (before != [os.stat(path).st_atime_ns for path in LIBRARY])
""",
    ),
    # The kernel counts some things for a user, and both submissions are the same one's.
    "all that a user may have": (
        """
import fcntl, threading
threading.stack_size(1 << 17)
keep = []
def attack():
    out = {}
    def filled(name, least, make):
        count = 0
        try:
            for count in range(5000): keep.append(make())
        except BaseException: pass
        del keep[len(keep) - min(least, count):]
        out[name] = count
    def pipe():
        ends = os.pipe()
        tried("size", lambda: fcntl.fcntl(ends[1], 1031, 1 << 20))
        os.set_blocking(ends[1], False)
        tried("write", lambda: [os.write(ends[1], bytes(1 << 16)) for _ in range(16)])
        return ends
    def sent():
        left, right = socket.socketpair()
        socket.send_fds(left, [b"x"], [0] * 250)
        return left, right
    def thread():
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    def watch():
        if libc.inotify_init() < 0: raise OSError
    def timer():
        if libc.timer_create(0, None, ctypes.byref(ctypes.c_void_p())): raise OSError
    filled("descriptors on their way", 2, sent)
    filled("watches", 0, watch)
    filled("timers", 0, timer)
    filled("threads", 0, thread)
    filled("pipes", 1, pipe)
    tried("lock", lambda: libc.mlockall(1))
    return out
""",
        """
import fcntl, select, threading
threading.stack_size(1 << 17)
def notice():
    out, keep = [], []
    def need(name, make):
        try: keep.append(make())
        except BaseException as error: out.append(f"{name}: {error!r}")
    for _ in range(20): need("pipe", os.pipe)
    out += [f"pipe of {size}" for ends in keep if (size := fcntl.fcntl(ends[1], 1032)) != 1 << 16]
    for _ in range(4): need("pair", socket.socketpair)
    for _ in range(4): need("poll", select.epoll)
    for _ in range(24): need("thread", threading.Thread(target=time.sleep, args=(5,), daemon=True).start)
    return out
""",
    ),
    "names": (
        """
keep = []
def attack():
    for path in ("/tmp/left", "/dev/shm/left", "/box/left", os.path.expanduser("~/left")): open(path, "w").close()
    os.mkfifo("/tmp/pipe")
    keep.append(libc.shmget(4711, 4096, 0o1666)); keep.append(libc.msgget(4711, 0o1666)); libc.semget(4711, 1, 0o1666)
    libc.mq_open(b"/left", 0o102, 0o666, None)
    libc.syscall(248, b"user", b"left", b"x", 1, -5)
    keep.append(tried("socket", lambda: (s := socket.socket(socket.AF_UNIX), s.bind(chr(0) + "left"), s.listen())))
""",
        """
def notice():
    out = [p for p in ("/tmp/left", "/dev/shm/left", "/box/left", "/tmp/pipe") if os.path.exists(p)]
    for name in ("locks", "interrupts", "softirqs", "vmstat", "zoneinfo", "diskstats", "slabinfo", "key-users", "keys",
                 "timer_list", "sys/fs/inode-nr", "sys/fs/file-nr", "sys/kernel/ns_last_pid", "schedstat", "cgroups",
                 "sysvipc/shm", "pressure/memory", "swaps"):
        out += tried(name, lambda: open("/proc/" + name).read())
    out += ["shm"] * (libc.shmget(4711, 0, 0) >= 0) + ["msg"] * (libc.msgget(4711, 0) >= 0)
    out += ["sem"] * (libc.semget(4711, 0, 0) >= 0) + ["mq"] * (libc.mq_open(b"/left", 0) >= 0)
    out += called("key", 249, b"user", b"left", 0, 0)
    return out + tried("socket", lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + "left"))
""",
    ),
}
ENDS = {"killed for memory": "out_of_memory"}


def run_as(user: str, program: list[str], told: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program as the present user or an ordinary one, which need not have an account."""
    become = None
    with tempfile.TemporaryDirectory() as home:
        if user == "ordinary user":
            if os.getuid() != 0:
                pytest.skip("only root can be another user; the present one is ordinary")
            os.chown(home, ORDINARY, ORDINARY)
            needed = [*levels.interpreter_paths(), str(ROOT), *filter(None, [os.environ.get("TORCH_HOME")])]
            closed = levels.closed_folders(needed)

            def become() -> None:
                confine.open_closed_folders(closed)
                confine.become_user(ORDINARY)

        environment = os.environ | {"HOME": home, "TMPDIR": home}
        return subprocess.run(
            [sys.executable, *program],
            input=told,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            preexec_fn=become,
        )


@pytest.fixture(scope="module", params=["present user", "ordinary user"])
def told(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What all attacks came to, for a user."""
    level, reason = Sandbox.best_level()
    if level != "full":
        pytest.skip(f"the full sandbox does not work here: {reason}")
    done = run_as(request.param, ["-m", "tests.attacks.between"], json.dumps([ATTACKS, PAIRS]))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["honest"].startswith("('"), found["honest"]
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_left_that_changes_the_next_honest_bytes(told, name):
    """No attack gets anywhere outside of its own folders, and what it does there ends with it."""
    found = told["alone"][name]
    assert found["status"] == ENDS.get(name, "ok"), found
    assert found["gains"] in ([], None), found["gains"]
    assert found["changed"] == ""
    assert not found["replaced"], "something was left behind: a fresh fork server had to take over"


@pytest.mark.parametrize("name", PAIRS)
def test_two_at_the_same_time_neither_notice_nor_hinder_each_other(told, name):
    """Locks, watches, names and what the kernel counts for a user whose processes both are."""
    found = told["pairs"][name]
    assert found["statuses"] == ["ok", "ok"], found
    assert (found["noticed"], found["changed"]) == ([], ""), found
