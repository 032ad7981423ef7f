"""Attacks on the reduced level: what Landlock of one version or another does not hold, the system call filter must.

Each attack also runs without the filter, where it has to succeed: else it would show nothing.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlens_core.grading.sandbox import levels
from netlens_core.grading.sandbox.inside import syscalls
from tests.attacks.locked import NEWEST, VERSIONS, attacked, give

pytestmark = pytest.mark.skipif(NEWEST < 1 or not syscalls.supported(), reason="the reduced level does not work here")
every_version = pytest.mark.parametrize("landlock", VERSIONS)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of the grader's: a gradebook that submissions may not read, and a kit that they may.

    Not in pytest's folder, which every other run of pytest closes to other users.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "gradebook.db").write_text("points")
        (folder / "kit").mkdir()
        (folder / "kit" / "module.py").write_text("module")
        yield folder


def looks(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything about the grader's files: mode, owner, times, contents, extended attributes."""
    found = {}
    for path in [folder, *folder.glob("gradebook.db"), *folder.glob("kit/**/*"), folder / "kit"]:
        it = path.stat()
        text = path.read_text() if path.is_file() else ""
        changes = () if path == folder else (it.st_ctime_ns, it.st_mtime_ns)  # the work folder is made in it
        found[str(path)] = (it.st_mode, it.st_uid, it.st_gid, text, os.listxattr(path), *changes)
    return found


METADATA = """
def attack(gradebook, readable, *folders):
    out = []
    for path in (gradebook, readable, *folders):
        out += tried("chmod", lambda: os.chmod(path, 0)) + tried("utime", lambda: os.utime(path))
        out += tried("times", lambda: os.utime(path, ns=(1, 1)))
        out += tried("chown", lambda: os.chown(path, os.getuid(), os.getgid()))
        out += tried("setxattr", lambda: os.setxattr(path, "user.mark", b"x"))
        name = os.path.basename(path)
        held = tried("hold", lambda: os.open(os.path.dirname(path), os.O_PATH))
        if held:
            folder = os.open(os.path.dirname(path), os.O_PATH)
            out += tried("chmod beside", lambda: os.chmod(name, 0, dir_fd=folder))
            out += tried("utime beside", lambda: os.utime(name, dir_fd=folder))
    opened = tried("open", lambda: os.open(readable, os.O_RDONLY))
    if opened:
        file = os.open(readable, os.O_RDONLY)
        out += tried("fchmod", lambda: os.fchmod(file, 0)) + tried("futimens", lambda: os.utime(file))
        out += tried("fchown", lambda: os.fchown(file, os.getuid(), -1))
        out += tried("fsetxattr", lambda: os.setxattr(file, "user.mark", b"x"))
        out += tried("flags", lambda: fcntl.ioctl(file, 0x40086602, struct.pack("l", 0x40)))
    return sorted({line.split(":")[0] for line in out})
"""


@every_version
def test_metadata_of_the_graders_files_cannot_be_changed(place, landlock):
    """chmod, touch, chown and extended attributes: of gradebook, kit, and the folders above the work folder."""
    (place / "work").mkdir()
    give(place)
    names = [str(place / name) for name in ("gradebook.db", "kit/module.py", "kit")]
    before = looks(place)
    got = attacked(place, METADATA, *names, str(place), landlock=landlock, readable=[place / "kit"])
    assert got == []
    assert looks(place) == before
    got = attacked(place, METADATA, *names, landlock=landlock, readable=[place / "kit"], filtered=False)
    assert {"chmod", "chmod beside", "times", "utime"} <= set(got)


EMPTYING = """
def attack(gradebook, readable):
    out = []
    for path in (gradebook, readable):
        out += tried("truncate", lambda: os.truncate(path, 0))
        for mode in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, 3):
            for more in (0, os.O_APPEND, os.O_CREAT, os.O_NONBLOCK):
                out += tried(f"open {mode}", lambda: os.open(path, mode | more | os.O_TRUNC, 0o600))
    return sorted({line.split(":")[0] for line in out})
"""


@every_version
def test_the_graders_files_cannot_be_emptied(place, landlock):
    """truncate, and O_TRUNC with every way of opening: Landlock before version 3 has no say over either."""
    names = [str(place / name) for name in ("gradebook.db", "kit/module.py")]
    attacked(place, EMPTYING, *names, landlock=landlock, readable=[place / "kit"])
    assert (place / "gradebook.db").read_text() == "points"
    assert (place / "kit" / "module.py").read_text() == "module"
    attacked(place, EMPTYING, *names, landlock=landlock, readable=[place / "kit"], filtered=False)
    emptied = [name for name in names if not Path(name).read_text()]
    assert emptied == (names if landlock < 3 else [])


@every_version
def test_files_can_be_emptied_in_the_own_folder(place, landlock):
    """By opening them for writing, which is what programs do; and by truncate where Landlock watches over it."""
    source = """
def attack():
    open("a", "w").write("x")
    open("a", "w").close()
    out = [os.stat("a").st_size]
    with open("a", "w+") as file:
        file.write("xyz"); file.truncate(1)
    out += [os.stat("a").st_size]
    return out + [bool(tried("truncate", lambda: os.truncate("a", 0)))]
"""
    assert attacked(place, source, landlock=landlock) == [0, 1, landlock >= 3]


DATAGRAMS = """
def attack(path, abstract):
    out = []
    for family in (socket.AF_UNIX, socket.AF_INET):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            for make in (lambda: socket.socketpair(family, kind)[0], lambda: socket.socket(family, kind)):
                for address in (path, chr(0) + abstract):
                    out += tried("sendto", lambda: make().sendto(b"hidden inputs", address))
                    out += tried("sendmsg", lambda: make().sendmsg([b"hidden inputs"], [], 0, address))
                    out += tried("connect", lambda: (s := make()).connect(address) or s.send(b"hidden inputs"))
                    out += tried("bind", lambda: make().bind(chr(0) + "mailbox"))
    return sorted({line.split(":")[0] for line in out})
"""


@every_version
def test_no_datagram_leaves_the_sandbox(place, landlock):
    """socketpair with SOCK_DGRAM makes sockets that could be sent from anywhere: to a path, to an abstract name."""
    abstract = f"netlens-mailbox-{os.getpid()}-{landlock}"
    boxes = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    boxes[0].bind(str(place / "socket"))
    boxes[1].bind(f"\0{abstract}")
    (place / "socket").chmod(0o777)
    give(place)
    for filtered in (True, False):
        got = attacked(place, DATAGRAMS, str(place / "socket"), abstract, landlock=landlock, filtered=filtered)
        heard = []
        for box in boxes:
            box.setblocking(False)
            try:
                heard.append(box.recv(100))
            except BlockingIOError:
                heard.append(b"")
        assert ("sendto" in got, any(heard)) == (not filtered, not filtered)
        assert got == [] or not filtered
    for box in boxes:
        box.close()


SIGNALS = """
def attack(victim):
    out = []
    pairs = [tried("pipe", lambda: keep.append(os.pipe())), tried("pair", lambda: keep.append(
        [s.detach() for s in socket.socketpair()]))]
    for read, write in keep:
        for own in (lambda: fcntl.fcntl(read, 8, victim), lambda: fcntl.fcntl(read, 15, struct.pack("ii", 1, victim)),
                    lambda: fcntl.ioctl(read, 0x8901, struct.pack("i", victim)),
                    lambda: fcntl.ioctl(read, 0x8902, struct.pack("i", victim))):
            for wake in (lambda: fcntl.fcntl(read, 4, os.O_NONBLOCK | 0o20000),
                         lambda: fcntl.ioctl(read, 0x5452, struct.pack("i", 1))):
                tried("signal", lambda: fcntl.fcntl(read, 10, 9))
                if tried("own", own) and tried("wake", wake):
                    os.write(write, b"x")
                    out += ["sent"]
    out += tried("kill", lambda: os.kill(victim, 9)) + tried("group", lambda: os.killpg(os.getpgid(victim), 9))
    out += tried("queue", lambda: 1 // (libc.sigqueue(victim, 9, None) + 1))
    return out
keep = []
"""


@pytest.fixture
def victim(place: Path):
    """A process of the user that attacks, as the grader is one at the reduced level of an ordinary user."""
    user = {"user": levels.SANDBOX_UID, "group": levels.SANDBOX_UID} if os.getuid() == 0 else {}
    sleeping = subprocess.Popen(["/bin/sleep", "60"], **user)
    yield sleeping
    sleeping.kill()
    sleeping.wait()


@every_version
def test_no_signal_reaches_another_process(place, victim, landlock):
    """F_SETOWN, F_SETSIG and O_ASYNC, their ioctl forms, kill and sigqueue; Landlock before 6 stops none of them."""
    assert attacked(place, SIGNALS, victim.pid, landlock=landlock) == []
    assert victim.poll() is None
    got = attacked(place, SIGNALS, victim.pid, landlock=landlock, filtered=False)
    assert "sent" in got
    deadline = time.monotonic() + 20
    while landlock < 6 and victim.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (victim.poll() is not None) == (landlock < 6)


OTHERS = """
def attack(victim):
    out = tried("clock", lambda: time.clock_gettime(~victim << 3 | 2))
    out += tried("affinity", lambda: os.sched_getaffinity(victim)) + tried("group", lambda: os.getpgid(victim))
    out += tried("session", lambda: os.getsid(victim)) + tried("priority", lambda: os.getpriority(0, victim))
    out += tried("scheduler", lambda: os.sched_getscheduler(victim))
    out += tried("limits", lambda: __import__("resource").prlimit(victim, 7))
    return sorted({line.split(":")[0] for line in out})
"""


def test_nothing_is_told_about_other_processes(place, victim):
    """Processor time, affinity, groups, priorities and limits of a process that belongs to the same user."""
    assert attacked(place, OTHERS, victim.pid) == []
    assert set(attacked(place, OTHERS, victim.pid, filtered=False)) >= {"clock", "affinity", "group", "scheduler"}


@every_version
def test_of_proc_only_the_own_process_can_be_read_and_nothing_written(place, victim, landlock):
    """Libraries read /proc/self/maps and status; others' folders stay closed, and the own switches as they are."""
    source = """
def attack(victim):
    out, mine = [], "/proc/self"
    if "Name" not in open("/proc/self/status").read() or not open("/proc/self/maps").read():
        out += ["closed to itself"]
    for other in ("1", str(victim), "self/..", f"self/root/proc/{victim}", f"self/cwd/../../../proc/{victim}"):
        for name in ("status", "maps", "environ", "mem", "fd", "stat", "cmdline", "task"):
            path = f"/proc/{other}/{name}"
            out += tried(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))
    out += tried("all", lambda: os.listdir("/proc"))
    for name in ("oom_score_adj", "comm", "timerslack_ns", "coredump_filter", "uid_map", "attr/current", "autogroup"):
        out += tried(name, lambda: open("/proc/self/" + name, "w").write("0"))
    for file in os.listdir("/proc/self/fd"):
        target = os.readlink("/proc/self/fd/" + file) if os.path.islink("/proc/self/fd/" + file) else ""
        if target.startswith("/") and not target.startswith(("/proc/", os.getcwd(), "/dev/null")):
            out += [target]
    return out
"""
    assert attacked(place, source, victim.pid, landlock=landlock) == []


LOCKS = """
def attack(readable):
    file = os.open(readable, os.O_RDONLY)
    span = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0)
    whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    out = tried("flock", lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
    out += tried("shared flock", lambda: fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB))
    out += tried("lockf", lambda: fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB))
    for number, given in ((5, whole), (6, span), (7, span), (36, whole), (37, span), (38, span)):
        out += tried(f"fcntl {number}", lambda: fcntl.fcntl(file, number, given))
    out += tried("lease", lambda: fcntl.fcntl(file, 1024, fcntl.F_RDLCK))
    out += tried("notice", lambda: fcntl.fcntl(os.open(os.path.dirname(readable), os.O_RDONLY), 1026, 4))
    out += tried("inotify", lambda: 1 // (libc.inotify_init1(0) + 1))
    out += tried("fanotify", lambda: 1 // (libc.fanotify_init(0x200, 0) + 1))
    return sorted({line.split(":")[0] for line in out})
"""


def test_files_that_all_can_read_are_no_way_to_talk(place):
    """flock, POSIX and OFD locks, leases, dnotify and inotify on a library's file."""
    file = str(place / "kit" / "module.py")
    assert attacked(place, LOCKS, file, readable=[place / "kit"]) == []
    got = attacked(place, LOCKS, file, readable=[place / "kit"], filtered=False)
    assert set(got) >= {"flock", "lockf", "fcntl 5", "fcntl 6", "fcntl 37", "inotify", "notice"}


WALK = """
def attack(numbers):
    errors = {}
    for number in numbers:
        ctypes.set_errno(0)
        got = libc.syscall(number, 0, 0, 0, 0, 0, 0)
        errors[number] = 0 if got != -1 else ctypes.get_errno()
    return errors
"""


@pytest.mark.parametrize("filtered", [True, False])
def test_system_calls_that_are_not_on_the_list_answer_nothing(place, filtered):
    """Every number from 0 to 470 and some that no kernel has; a call that is new to Linux is refused as well."""
    machine = os.uname().machine
    listed = {number: name for name, number in syscalls._numbers(syscalls._ALLOWED, machine).items()}
    left_out = {"x86_64": {335, 336}, "aarch64": set()}[machine]  # uretprobe, uprobe: no filter sees them
    if not filtered:  # fork, vfork and seccomp, whose first mode ends whoever calls anything else
        left_out |= {"x86_64": {57, 58, 317}, "aarch64": {277}}[machine]
    numbers = [n for n in [*range(471), *range(1000, 1010)] if n not in listed and n not in left_out]
    errors = {int(n): error for n, error in attacked(place, WALK, numbers, filtered=filtered).items()}
    answered = [n for n, error in errors.items() if error not in (1, 38, 95)]  # EPERM, ENOSYS, ENOTSUP
    assert len(errors) == len(numbers)
    if filtered:
        assert answered == []
    else:
        assert len(answered) > 80  # so many do something, or complain of their arguments


HONEST = """
def attack():
    import asyncio, pathlib, sqlite3, tarfile, tempfile, threading, zipfile
    open("a", "w").write("x"); os.makedirs("d/e"); open("d/e/f", "w").write("y")
    out = [os.path.basename(made) for made in (shutil.copy("a", "b"), shutil.copy2("a", "c"), shutil.copytree("d", "g"),
           shutil.move("c", "d/c"), shutil.move("d/c", "h"))]
    pathlib.Path("new").touch(); pathlib.Path("new").touch(); out += [os.path.exists("new")]
    os.replace("b", "bb"); os.symlink("bb", "link"); out += [open("link").read(), os.readlink("link")]
    with zipfile.ZipFile("z.zip", "w") as z: z.write("a")
    with tarfile.open("t.tar", "w") as t: t.add("d")
    zipfile.ZipFile("z.zip").extractall("zz"); tarfile.open("t.tar").extractall("tt")
    out += [open("zz/a").read(), open("tt/d/e/f").read()]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryFile() as two, tempfile.NamedTemporaryFile() as three:
        two.write(b"x"); three.write(b"x"); out += [os.path.isdir(one)]
    async def task(): return await asyncio.to_thread(len, "abc")
    out += [asyncio.new_event_loop().run_until_complete(task())]
    with sqlite3.connect(":memory:") as base: out += base.execute("select 7").fetchone()
    thread = threading.Thread(target=out.append, args=("thread",)); thread.start(); thread.join()
    signal.setitimer(signal.ITIMER_REAL, 1000); signal.alarm(0)
    signal.signal(signal.SIGUSR1, lambda *_: out.append("signal")); os.kill(os.getpid(), signal.SIGUSR1)
    left, right = socket.socketpair(); left.send(b"pair"); out += [right.recv(9).decode()]
    shutil.rmtree("d"); os.unlink("a")
    return out
"""


@every_version
def test_honest_work_goes_on(place, landlock):
    """Copying, moving, archives, temporary files, asyncio, sqlite in memory, threads, timers, signals to itself."""
    told = attacked(place, HONEST, landlock=landlock)
    assert told == [
        *("b", "c", "g", "c", "h", True, "x", "bb", "x", "y", True, 3, 7, "thread", "signal", "pair"),
    ]


def test_what_is_refused_is_told_in_a_way_that_libraries_know(place):
    """fork and sockets: PermissionError; locks and newer calls: missing; a lock of sqlite's: its own error."""
    source = """
def attack():
    import sqlite3
    def name(call):
        try: call()
        except Exception as error: return f"{type(error).__name__} {getattr(error, 'errno', None)}"
    return [name(os.fork), name(socket.socket), name(lambda: fcntl.flock(os.open(".", 0), 1)),
            name(lambda: os.listxattr(".")), name(lambda: sqlite3.connect("x.db").execute("create table a (b)"))]
"""
    got = attacked(place, source)
    assert got == ["PermissionError 1", "PermissionError 1", "OSError 38", "OSError 95", "OperationalError None"]
