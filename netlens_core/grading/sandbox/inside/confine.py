"""Linux confinement through ctypes: namespaces, mounts, resource limits, capabilities, Landlock.

Sources: namespaces(7), landlock(7), capabilities(7), setrlimit(2). Every function raises OSError where a lock fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
_RDONLY, _NOSUID_NODEV_NOEXEC = 1, 14
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY = 442, -100, 0x8000, 1  # one number on every architecture
_MSEAL = 462  # this one too


def checked(result: int, what: str) -> int:
    """The result of a system call. Raises OSError where it is negative."""
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def prctl(*arguments: int) -> None:
    """prctl(2)."""
    checked(libc.prctl(*[ctypes.c_ulong(argument) for argument in arguments]), f"prctl {arguments[0]}")


def mount(kind: str, place: str, data: str = "", read_only: bool = False) -> None:
    """Mount a file system of a kind (proc, tmpfs): no set-uid, no devices, no execution."""
    name, flags = kind.encode(), _NOSUID_NODEV_NOEXEC | (_RDONLY if read_only else 0)
    checked(libc.mount(name, place.encode(), name, flags, data.encode()), f"mount {place}")


def bind(source: str, place: str) -> None:
    """Let a file or folder be seen at another place as well."""
    checked(libc.mount(source.encode(), place.encode(), None, _BIND, None), f"bind {place}")


def make_mounts_read_only() -> None:
    """Make every mount of this mount namespace read-only, and let none arrive later.

    Landlock knows no right for metadata: only a read-only mount refuses chmod, utimes, attributes and flags too.
    """
    attributes = struct.pack("QQQQ", _ATTR_RDONLY, 0, _PRIVATE, 0)
    arguments = (_AT_FDCWD, b"/", _AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes)))
    checked(libc.syscall(_MOUNT_SETATTR, *arguments), "mount_setattr /")


def open_closed_folders(closed: Mapping[str, Iterable[str]]) -> None:
    """Let every user reach files and folders below a closed folder, such as root's home; for root, and seen by nobody
    else: in own mounts each closed folder is covered with an open one that holds nothing but what is named.
    """
    if not closed:
        return
    unshare(NEWNS)
    checked(libc.mount(None, b"/", None, _REC | _PRIVATE, None), "mount / private")
    mask = os.umask(0o022)
    for folder, needed in closed.items():
        held = {path: os.open(path, os.O_PATH) for path in needed}
        mount("tmpfs", folder, "mode=755")
        for path, descriptor in held.items():
            place, source = Path(path), f"/proc/self/fd/{descriptor}"
            (place if Path(source).is_dir() else place.parent).mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.touch()
            bind(source, path)
            os.close(descriptor)
    os.umask(mask)


def unshare(flags: int) -> None:
    """Leave namespaces."""
    checked(libc.unshare(flags), "unshare")


def become_user(uid: int) -> None:
    """Give up root for good: kernel uid 0 would escape process limits and own the host's files."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    prctl(PR_SET_DUMPABLE, 1)  # else /proc/self stays owned by real root


def own_process() -> int:
    """This process's folder in /proc, opened: it stays writable when /proc is mounted anew, read-only."""
    return os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)


def write_to(process: int, name: str, text: str) -> None:
    """Write to a file in the folder that `own_process` opened."""
    descriptor = os.open(name, os.O_WRONLY, dir_fd=process)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def new_user(process: int, inside: int, more: int = 0) -> None:
    """Enter a fresh user namespace in which our one user has the number `inside`; other new namespaces with it."""
    uid, gid = os.getuid(), os.getgid()
    unshare(NEWUSER | more)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{inside} {uid} 1"), ("gid_map", f"{inside} {gid} 1")):
        write_to(process, name, text)


def private_world(
    process: int, work: str, disk_bytes: int, files: int, folders: Sequence[str] = (), kept: Sequence[str] = ()
) -> None:
    """Own mounts, IPC, network and host name. All that others see is read-only, with its metadata.

    Three places can be changed, and end with this process: the work folder and /tmp, which share a memory disk of
    bounded size, and /dev/shm, which is another. `folders` are made below /tmp, parents first. What is `kept` in /proc
    gets a mount of its own: else the kernel forgets it when memory is short, and makes it anew, which no rule of
    Landlock's knows.
    """
    unshare(NEWNS | NEWIPC | NEWNET | NEWUTS)
    make_mounts_read_only()
    mount("proc", "/proc", read_only=True)
    for path in filter(os.path.exists, kept):
        bind(path, path)
    inodes = files + len(folders) + 3  # the disk's own folder, and the two that are seen
    mount("tmpfs", work, f"size={disk_bytes},nr_inodes={inodes},mode=700")
    mount("tmpfs", "/dev/shm", f"size={disk_bytes},nr_inodes=1024,mode=700")
    for name, place in (("tmp", "/tmp"), ("home", work)):  # the second one covers the disk itself
        Path(work, name).mkdir(0o700)
        bind(f"{work}/{name}", place)
    for folder in folders:
        Path(folder).mkdir(0o700)
    new_user(process, 1000)  # not even root of the namespaces it lives in


def die_with_parent() -> None:
    """Be killed when the warm process ends; to be called after the last change of credentials, which resets it."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tasks_of_user() -> int:
    """How many processes and threads this process's user has on the machine, as far as /proc tells."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid():
                count += sum(1 for _ in (folder / "task").iterdir())
    return count


def limit_resources(memory_bytes: int, cpu_seconds: int, processes: int, disk_bytes: int) -> None:
    """Resource limits; memory is a budget beyond what is mapped already, since torch maps gigabytes."""
    statm = [int(pages) * resource.getpagesize() for pages in Path("/proc/self/statm").read_text().split()]
    limits = {
        "AS": statm[0] + memory_bytes,
        "DATA": statm[5] + memory_bytes,  # else what it unmaps of libraries could become memory of its own
        "CPU": cpu_seconds,
        "NPROC": processes,
        "FSIZE": disk_bytes,
        "NOFILE": 256,
        "CORE": 0,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "SIGPENDING": 256,
    }
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def seal_libraries() -> None:
    """Let nothing unmap a library of this process or its forks; where the kernel can (Linux 6.10).

    Memory is bounded by address space: what libraries leave (gigabytes, with torch's for CUDA) could be filled instead.
    """
    for line in Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines():
        span, *_, name = line.split(maxsplit=5)
        if ".so" in name.rpartition("/")[2]:
            start, end = (int(address, 16) for address in span.split("-"))
            libc.syscall(_MSEAL, ctypes.c_ulong(start), ctypes.c_ulong(end - start), ctypes.c_ulong(0))


def drop_capabilities() -> None:
    """No capabilities, and none to be gained by running a program."""
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    checked(libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24)), "capset")


# -- Landlock: system calls 444 to 446 on every architecture ---------------------------------------------
# What it has no right for (metadata, locks, signals by file) is up to the system call filter: see syscalls.py.

_FS_ALL = 0xFFFF
_FS_READ = 0b1101  # execute, read file, read folder
_FS_LIST = 0b1000  # read folder: names, no contents
_FS_OF_FILES = 0b1100000000000111
# Rights that each version of the interface added: up to 1, 2, 3 to 4, and from 5 on.
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}


def landlock_version() -> int:
    """The kernel's Landlock interface: 0 or less where there is none."""
    return int(libc.syscall(444, None, ctypes.c_size_t(0), 1))


def landlock(read: Iterable[str], listed: Iterable[str], write: Iterable[str], devices: Iterable[str]) -> int:
    """Deny every file but these, all TCP, and, where the kernel can, signals and sockets that leave this domain.

    Returns the version of the interface, which tells what Landlock has a say over.
    """
    version = checked(landlock_version(), "landlock")
    rights = (1 << _FS_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("QQQ", rights, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = checked(libc.syscall(444, attributes, ctypes.c_size_t(len(attributes)), 0), "landlock_create_ruleset")
    for paths, access in ((read, _FS_READ), (listed, _FS_LIST), (write, _FS_ALL & ~1), (devices, _FS_OF_FILES & ~1)):
        for path in filter(os.path.exists, paths):
            place = os.open(path, os.O_PATH)
            allowed = access & rights & (_FS_ALL if Path(path).is_dir() else _FS_OF_FILES)
            checked(libc.syscall(445, ruleset, 1, struct.pack("=Qi", allowed, place), 0), f"landlock_add_rule {path}")
            os.close(place)
    checked(libc.syscall(446, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)
    return version
