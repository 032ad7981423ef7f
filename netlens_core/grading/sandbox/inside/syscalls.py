"""The seccomp filter: a list of the system calls that a submission may make; everything else is refused.

Sources: seccomp(2), the kernel's system call tables, and traces of what honest submissions call (docs/security.md).
A call that a future kernel adds is refused from its first day.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from .confine import prctl

_PR_SET_SECCOMP = 22
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# What may be called: name, number on x86_64, number on aarch64 (- where that has no such call).
_ALLOWED = """
# Contents of open files. Locks and leases are no part of it: see fcntl below.
read 0 63, write 1 64, pread64 17 67, pwrite64 18 68, readv 19 65, writev 20 66, preadv 295 69, pwritev 296 70,
preadv2 327 286, pwritev2 328 287, lseek 8 62, sendfile 40 71, copy_file_range 326 285, ftruncate 77 46,
fallocate 285 47, fadvise64 221 223, fsync 74 82, fdatasync 75 83, close 3 57, close_range 436 436, dup 32 23,
dup2 33 -, dup3 292 24, fcntl 72 25, ioctl 16 29,
# Files by name. Which ones is up to mounts and Landlock.
open 2 -, openat 257 56, creat 85 -, stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291,
access 21 -, faccessat 269 48, faccessat2 439 439, readlink 89 -, readlinkat 267 78, getcwd 79 17, chdir 80 49,
fchdir 81 50, getdents64 217 61, statfs 137 43, fstatfs 138 44, mkdir 83 -, mkdirat 258 34, rmdir 84 -,
unlink 87 -, unlinkat 263 35, rename 82 -, renameat 264 38, renameat2 316 276, link 86 -, linkat 265 37,
symlink 88 -, symlinkat 266 36, mknod 133 -, mknodat 259 33, truncate 76 45, umask 95 166, chmod 90 -,
fchmod 91 52, fchmodat 268 53, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88,
# Waiting, pipes, and the pair of sockets that asyncio wakes itself with.
poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -, epoll_create1 291 20,
epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -, eventfd2 290 19,
pipe 22 -, pipe2 293 59, socketpair 53 199, sendto 44 206, recvfrom 45 207, shutdown 48 210,
getsockname 51 204, getpeername 52 205, getsockopt 55 209,
# Memory.
brk 12 214, mmap 9 222, mprotect 10 226, munmap 11 215, mremap 25 216, msync 26 227, madvise 28 233,
# Threads, and the end of the process.
clone 56 220, futex 202 98, set_robust_list 273 99, set_tid_address 218 96, rseq 334 293, sched_yield 24 124,
sched_getaffinity 204 123, getcpu 309 168, arch_prctl 158 -, prctl 157 167, exit 60 93, exit_group 231 94,
wait4 61 260, waitid 247 95,
# Signals to itself.
rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136, rt_sigtimedwait 128 137,
rt_sigsuspend 130 133, sigaltstack 131 132, pause 34 -, restart_syscall 219 128, kill 62 129, tgkill 234 131,
# Time.
clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101, gettimeofday 96 169,
time 201 -, times 100 153, alarm 37 -, getitimer 36 102, setitimer 38 103,
# About itself and the machine.
getpid 39 172, gettid 186 178, getppid 110 173, getpgrp 111 -, getpgid 121 155, getuid 102 174, geteuid 107 175,
getgid 104 176, getegid 108 177, getresuid 118 148, getresgid 120 150, getgroups 115 158, getrusage 98 165,
getrlimit 97 163, prlimit64 302 261, sysinfo 99 179, uname 63 160, getrandom 318 278
"""
# Landlock knows no right for metadata, so that at the reduced level these reach files which the user owns, but which
# are no business of a submission: the gradebook, its own Python, the folder above its work folder.
_METADATA = ("chmod", "fchmod", "fchmodat", "utime", "utimes", "futimesat", "utimensat")
_TRUNCATE_SINCE = 3  # the version of Landlock from which on it has a say over truncate(2)

# Refused with another error than "not permitted", since libraries then take another way.
_UNSUPPORTED = {
    errno.ENOTSUP: """setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, getxattr 191 8, lgetxattr 192 9,
        fgetxattr 193 10, listxattr 194 11, llistxattr 195 12, flistxattr 196 13""",
    errno.ENOSYS: "flock 73 32",
}
# Calls from this number on (Linux 5.3; the same numbers on every processor) are told as missing: what uses them has to
# know older kernels. Among them is clone3, which hides its flags from the filter; libraries fall back to clone.
_NEW = 435

_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x50000
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

# Threads that share their descriptors, as all libraries make them: else each thread had as many as the limit allows.
_CLONE_THREAD, _CLONE_FILES = 0x10000, 0x400
_CLOSE_RANGE = (0, 4)  # close, or at the next exec; not: in a table of the thread's own
_CLONE_NEW_ANY = 0x20000 | 0x2000000 | sum(1 << bit for bit in (26, 27, 28, 29, 30))
_AF_UNIX, _SOCK_STREAM = 1, 1
_SOCKET_OPTIONS = (0, 0o4000, 0o2000000, 0o2004000)  # non-blocking, close on exec
_O_ACCMODE, _O_TRUNC, _O_ASYNC = 3, 0o1000, 0o20000
_S_IFMT, _S_IFIFO = 0o170000, 0o010000
_F_SETFL = 4
_FCNTL = (0, 1, 2, 3, _F_SETFL, 1030, 1032)  # duplicate, read and set flags, size of a pipe
# Terminal attributes (two generations) and size, bytes to read, non-blocking, close on exec on and off, clone a file.
_IOCTL = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5451, 0x5450, 0x40049409)
# Set and get the thread's name, whether memory may be dumped, SVE and SME vector lengths.
_PRCTL = (15, 16, 3, 51, 64)
_ARCH_PRCTL = (0x1021, 0x1022, 0x1023)  # Intel's matrix registers
# All but merging equal pages, which tells what other processes hold, poisoning, and pushing pages out.
_MADVISE = (0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 18, 19, 22, 23, 102, 103)
_FADVISE = (0, 1, 2, 3)  # not: drop a library's pages from the memory that all share


def supported() -> bool:
    """Whether the filter knows this machine's system call numbers."""
    return platform.machine() in _AUDIT


def restrict_system_calls(full: bool, landlock: int) -> None:
    """Install the filter for this process and all its threads: for good. Raises OSError where that fails.

    Args:
        full: whether other locks keep every file outside of the own folders from being changed.
        landlock: the version of Landlock that holds files at the reduced level; what it leaves open is refused here.
    """
    program = _program(platform.machine(), os.getpid(), _closed(full, landlock))
    code = ctypes.create_string_buffer(program, len(program))  # both buffers must outlive the call
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(header), 0, 0)


def _closed(full: bool, landlock: int) -> set[str]:
    """Calls of the list that a level does without."""
    if full:
        return set()
    return {*_METADATA, *(("truncate",) if landlock < _TRUNCATE_SINCE else ())}


def _numbers(table: str, machine: str) -> dict[str, int]:
    """Name -> number on one kind of machine, of a table as above."""
    lines = [line for line in table.splitlines() if not line.startswith("#")]
    calls = [call.split() for call in " ".join(lines).split(",") if call.strip()]
    column = 1 if machine == "x86_64" else 2
    return {call[0]: int(call[column]) for call in calls if call[column] != "-"}


def _program(machine: str, process: int, closed: set[str]) -> bytes:
    steps = [_step(_LOAD, 0, 0, _ARCHITECTURE), _step(_EQUAL, 1, 0, _AUDIT[machine]), _step(_RETURN, 0, 0, _KILL)]
    steps += [_step(_LOAD, 0, 0, _NUMBER)]
    if machine == "x86_64":  # the x32 interface has numbers of its own
        steps += [_step(_AT_LEAST, 0, 1, 0x40000000), _refuse(errno.ENOSYS)]
    conditions = _conditions(process)
    for name, number in _numbers(_ALLOWED, machine).items():
        if name in closed:
            continue
        body = [*conditions.get(name, []), _step(_RETURN, 0, 0, _ALLOW)]
        steps += [_step(_EQUAL, 0, len(body), number), *body]
    for error, table in _UNSUPPORTED.items():
        for number in _numbers(table, machine).values():
            steps += [_step(_EQUAL, 0, 1, number), _refuse(error)]
    return b"".join([*steps, _step(_AT_LEAST, 0, 1, _NEW), _refuse(errno.ENOSYS), _refuse(errno.EPERM)])


def _conditions(process: int) -> dict[str, list[bytes]]:
    """What the arguments of a call must be, else it is refused.

    The kernel takes no notice of the upper half of what it declares as int, so only the lower one is looked at there.
    """
    own = (0, process)
    set_flags = _no_bits(2, _O_ASYNC)  # else any signal could be sent to any process of the same user
    # Landlock asks for the right to write by the mode of opening, but O_TRUNC empties a file in every mode; and the
    # undocumented mode 3 needs no right at all.
    opened = {place: _none_of(place, _O_ACCMODE | _O_TRUNC, _O_TRUNC, 3, 3 | _O_TRUNC) for place in (1, 2)}
    own_clocks = _below(0, 0x80000000)  # negative clocks are processor times, of any process
    return {
        "open": opened[1],
        "openat": opened[2],
        "mknod": _mask(1, _S_IFMT, _S_IFIFO),
        "mknodat": _mask(2, _S_IFMT, _S_IFIFO),
        # Locks on files that all can read are a way to talk; F_SETOWN and its like send signals.
        "fcntl": [*_one_of(1, _FCNTL), *_where(1, _F_SETFL, set_flags)],
        "ioctl": _one_of(1, _IOCTL, errno.ENOTTY),
        "fadvise64": _one_of(3, _FADVISE),
        "madvise": _one_of(2, _MADVISE, errno.EINVAL),
        # A pair of stream sockets reaches only its other end. A datagram socket could send anywhere.
        "socketpair": [*_one_of(0, (_AF_UNIX,)), *_one_of(1, tuple(_SOCK_STREAM | more for more in _SOCKET_OPTIONS))],
        "sendto": _null(4),
        "clone": [*_no_bits(0, _CLONE_NEW_ANY), *_mask(0, _CLONE_THREAD | _CLONE_FILES, _CLONE_THREAD | _CLONE_FILES)],
        "close_range": _one_of(2, _CLOSE_RANGE),
        "prctl": _one_of(0, _PRCTL),
        "arch_prctl": _one_of(0, _ARCH_PRCTL, errno.EINVAL),
        "sched_getaffinity": _one_of(0, own),
        "getpgid": _one_of(0, own),
        "kill": _one_of(0, (process,)),
        "tgkill": _one_of(0, (process,)),
        "clock_gettime": own_clocks,
        "clock_getres": own_clocks,
        "clock_nanosleep": own_clocks,
        "prlimit64": [*_one_of(0, own), *_null(2)],  # the own limits may be read
    }


def _step(code: int, if_true: int, if_false: int, operand: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)


def _refuse(error: int) -> bytes:
    return _step(_RETURN, 0, 0, _ERROR | error)


def _argument(place: int, half: int = 0) -> bytes:
    """Load the lower (0) or upper (1) half of an argument; both kinds of machine are little-endian."""
    return _step(_LOAD, 0, 0, _ARGUMENTS + 8 * place + 4 * half)


def _one_of(place: int, values: tuple[int, ...], error: int = errno.EPERM) -> list[bytes]:
    compared = [_step(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_argument(place), *compared, _refuse(error)]


def _none_of(place: int, mask: int, *values: int) -> list[bytes]:
    """The bits of a mask are together none of these values."""
    tests = [step for value in values for step in (_step(_EQUAL, 0, 1, value), _refuse(errno.EPERM))]
    return [_argument(place), _step(_AND, 0, 0, mask), *tests]


def _mask(place: int, mask: int, value: int) -> list[bytes]:
    """The bits of a mask together are this value."""
    return [_argument(place), _step(_AND, 0, 0, mask), _step(_EQUAL, 1, 0, value), _refuse(errno.EPERM)]


def _no_bits(place: int, bits: int) -> list[bytes]:
    return [_argument(place), _step(_ANY_BIT, 0, 1, bits), _refuse(errno.EPERM)]


def _below(place: int, bound: int) -> list[bytes]:
    return [_argument(place), _step(_AT_LEAST, 0, 1, bound), _refuse(errno.EINVAL)]


def _null(place: int) -> list[bytes]:
    """A pointer that leads nowhere."""
    return [step for half in (0, 1) for step in (_argument(place, half), _step(_EQUAL, 1, 0, 0), _refuse(errno.EPERM))]


def _where(place: int, value: int, tests: list[bytes]) -> list[bytes]:
    """Tests that count only where an argument has a value."""
    return [_argument(place), _step(_EQUAL, 0, len(tests), value), *tests]
