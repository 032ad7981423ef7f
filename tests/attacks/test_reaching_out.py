"""Attacks that reach out of the sandbox: network, sockets, signals, tracing, processes, the kernel's odd corners."""

from __future__ import annotations

import os
import platform

import pytest


@pytest.mark.also_reduced
def test_nothing_answers_on_any_socket(strike, services):
    """TCP, UDP, loopback, names, listening, abstract and path Unix sockets."""
    source = """
def attack(port, abstract, path):
    def talk(family, address):
        s = socket.socket(family); s.settimeout(1); s.connect(address); return s.recv(20)
    return (tried("loopback", lambda: talk(socket.AF_INET, ("127.0.0.1", port)))
            + tried("::1", lambda: talk(socket.AF_INET6, ("::1", port)))
            + tried("far", lambda: talk(socket.AF_INET, ("192.0.2.1", 80)))
            + tried("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)))
            + tried("dns", lambda: socket.getaddrinfo("example.com", 80))
            + tried("listen", lambda: socket.create_server(("127.0.0.1", 0)))
            + tried("abstract", lambda: talk(socket.AF_UNIX, chr(0) + abstract))
            + tried("path", lambda: talk(socket.AF_UNIX, path)))
"""
    assert strike(source, *services).gains == []


@pytest.mark.also_reduced
@pytest.mark.parametrize(
    "family", ["AF_VSOCK", "AF_NETLINK", "AF_ALG", "AF_PACKET", "AF_BLUETOOTH", "AF_CAN", "AF_TIPC", "AF_QIPCRTR"]
)
def test_odd_socket_families_are_closed(strike, family):
    """An empty network namespace does not cover all of them; the system call filter does."""
    source = f"""
def attack():
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET)
    return [r for kind in kinds for r in tried({family!r}, lambda: socket.socket(socket.{family}, kind))]
"""
    assert strike(source).gains == []


@pytest.mark.also_reduced
def test_no_process_can_be_started(strike):
    """fork, vfork, clone, clone3, exec, spawn, multiprocessing, os.system, popen, in Python's words and in C's."""
    source = """
def attack():
    import multiprocessing, subprocess
    out = tried("fork", os.fork) + tried("forkpty", os.forkpty)
    out += tried("run", lambda: subprocess.run(["/bin/true"])) + tried("popen", lambda: os.popen("id").read())
    out += tried("spawn", lambda: os.posix_spawn("/bin/true", ["true"], {}))
    out += tried("exec", lambda: os.execv("/bin/sh", ["sh", "-c", "id"]))
    out += tried("process", lambda: multiprocessing.Process(target=print).start())
    out += tried("system", lambda: os.system("true"))
    def started(name, *arguments):  # nothing of Python is asked, only the kernel
        got = getattr(libc, name)(*arguments)
        if got == 0 and name in ("fork", "vfork"):
            os._exit(0)
        return got
    out += [f"C fork: {pid}" for pid in [started("fork")] if pid > 0]
    out += [f"C system: {code}" for code in [started("system", b"true")] if code == 0]
    out += ["C popen"] if started("popen", b"true", b"r") else []
    pid = ctypes.c_int()
    spawned = started("posix_spawn", ctypes.byref(pid), b"/bin/true", None, None, (ctypes.c_char_p * 2)(b"true"), None)
    out += ["C spawn"] if spawned == 0 else []
    return out
"""
    assert strike(source).gains == []


X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of these system calls are x86_64's")


@pytest.mark.also_reduced
@X86
def test_tracing_is_refused(strike):
    """ptrace, process_vm_readv, process_vm_writev, pidfd_open and pidfd_getfd on every process that one can name."""
    source = """
def attack():
    out = called("traceme", 101, 0, 0, 0, 0)
    for pid in range(1, 20):
        out += called("attach", 101, 16, pid, 0, 0) + called("readv", 310, pid, 0, 0, 0, 0, 0)
        out += called("writev", 311, pid, 0, 0, 0, 0, 0) + called("pidfd_open", 434, pid, 0)
        out += called("getfd", 438, pid, 0, 0) + called("kcmp", 312, pid, os.getpid(), 0, 0, 0)
    return out
"""
    assert strike(source).gains == []


CORNERS = [
        ("unshare user", "272, 0x10000000"), ("unshare mounts", "272, 0x20000"), ("setns", "308, 0, 0"),
        ("clone new user", "56, 0x10000011, 0, 0, 0, 0"), ("clone process", "56, 17, 0, 0, 0, 0"), ("vfork", "58"),
        ("clone3", "435, ctypes.create_string_buffer(88), 88"), ("bpf", "321, 0, 0, 0"), ("userfaultfd", "323, 1"),
        ("io_uring", "425, 4, ctypes.create_string_buffer(120)"), ("perf", "298, 0, 0, -1, -1, 0"),
        ("mount", "165, b'x', b'/box', b'tmpfs', 0, 0"), ("umount", "166, b'/proc', 2"), ("chroot", "161, b'.'"),
        ("pivot_root", "155, b'.', b'.'"), ("setuid 0", "105, 0"), ("memfd", "319, b'x', 0"),
        ("open by handle", "304, 0, 0, 0"), ("name to handle", "303, 0, 0, 0, 0, 0"), ("keyctl", "250, 0, -3, 1"),
        ("add_key", "248, b'user', b'x', b'y', 1, -4"), ("shmget", "29, 0, 4096, 0o1666"),
        ("semget", "64, 0, 1, 0o1666"), ("msgget", "68, 0, 0o1666"), ("mq_open", "240, b'/x', 0o102, 0o666, 0"),
        ("sethostname", "170, b'evil', 4"), ("settimeofday", "164, ctypes.create_string_buffer(16), 0"),
        ("reboot", "169, 0, 0, 0, 0"), ("kexec", "246, 0, 0, 0, 0"), ("module", "175, 0, 0, 0"),
        ("swapon", "167, b'/box/x', 0"), ("syslog", "103, 3, 0, 0"), ("personality", "135, 0x0400000"),
        ("iopl", "172, 3"), ("acct", "163, 0"), ("quotactl", "179, 0, 0, 0, 0"), ("fanotify", "300, 0, 0"),
        ("priority", "141, 0, 0, -5"), ("lower own limit", "160, 0, ctypes.create_string_buffer(16)"),
        ("lower own limit", "302, 0, 0, ctypes.create_string_buffer(16), 0"), ("limits of others", "302, 2, 7, 0, 0"),
        ("outlive the parent", "157, 1, 0, 0, 0, 0"), ("x32", "0x40000000 + 39"),
        ("open_tree", "428, -100, b'/', 1"), ("fsopen", "430, b'tmpfs', 0"), ("mknod", "133, b'disk', 0o60666, 0x800"),
    ]  # fmt: skip


@X86
@pytest.mark.parametrize(("name", "call"), CORNERS)
def test_the_kernels_odd_corners_are_closed(strike, name, call):
    """System calls that honest code does not need, each a way out in some sandbox's history."""
    assert strike(f"def attack(): return called({name!r}, {call})").gains == []


@X86
@pytest.mark.also_reduced
def test_the_odd_corners_all_in_one(strike):
    """The same calls but x32, which ends a process, one after the other in one submission."""
    calls = [f"called({name!r}, {call})" for name, call in CORNERS if name != "x32"]
    assert strike(f"def attack(): return {' + '.join(calls)}").gains == []


def test_privileges_are_gone(strike):
    """No capability, no new privileges, a filter in force, an unprivileged user, no way back to root."""
    source = """
def attack():
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
    wanted = dict(CapEff="0000000000000000", CapPrm="0000000000000000", CapBnd=None, NoNewPrivs="1", Seccomp="2")
    out = [k for k, v in wanted.items() if v is not None and status[k].strip() != v]
    out += [f"uid {u}" for u in os.getresuid() + os.getresgid() if u != 1000]
    return out + tried("root", lambda: os.setuid(0))
"""
    assert strike(source).gains == []


@pytest.mark.also_reduced
def test_signals_reach_nobody(strike):
    """Neither processes of this machine nor any number up to 5,000 can be signalled."""
    source = """
def attack(host):
    out = []
    for pid in [*range(-1, 5000), host]:
        if pid != os.getpid():
            out += tried(pid, lambda: os.kill(pid, 0))
    return out + tried("group", lambda: os.killpg(0, 0))
"""
    assert strike(source, os.getpid()).gains == []


@pytest.mark.also_reduced
def test_the_file_system_cannot_be_changed(strike, box):
    """Packages, the kit, the interpreter, system folders and /proc's switches are read-only."""
    source = """
def attack(tmp):
    import numpy, netlens_core, json
    out = []
    for path in (numpy.__file__, netlens_core.__file__, json.__file__, sys.executable, "/usr/bin/env"):
        out += tried(path, lambda: open(path, "a")) + tried(path, lambda: os.chmod(path, 0o777))
        out += tried(path, lambda: os.unlink(path))
    site = os.path.dirname(os.path.dirname(numpy.__file__))
    for path in (site + "/sitecustomize.py", "/kit/x.py", *tmp, "/x", "/etc/x", "/usr/x", "/var/tmp/x",
                 "/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj", "/proc/self/uid_map",
                 "/proc/sysrq-trigger", "/proc/self/attr/current"):
        out += tried(path, lambda: open(path, "w").write("-1000"))
    return out
"""
    # At the full level /tmp is the submission's own, and ends with it.
    gains = strike(source, ["/tmp/x"] if box.level == "reduced" else []).gains
    assert gains == []


@pytest.mark.also_reduced
def test_there_is_no_graphics_card_and_no_device(strike):
    """Devices are /dev/null and its like; special files cannot be made."""
    source = """
import stat, torch
def attack():
    out = ["cuda"] if torch.cuda.is_available() else []
    for kind in (stat.S_IFBLK, stat.S_IFCHR):
        out += tried("mknod", lambda: os.mknod("device", kind | 0o666, os.makedev(8, 0)))
    for name in ("mem", "kmsg", "sda", "kvm", "fuse", "net/tun", "tty", "console", "vsock", "nvidia0", "ptmx"):
        out += tried(name, lambda: os.open("/dev/" + name, os.O_RDWR))
    return out
"""
    assert strike(source).gains == []
