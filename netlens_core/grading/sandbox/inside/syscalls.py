"""The seccomp filter: system calls that student code has no business with, denied behind all other locks.

Sources: seccomp(2), bpf(4), the kernel's system call tables. A list of what is denied, since torch and Python need
most of the rest; it names only calls that need no capability, as the others fail anyway.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from .confine import prctl

_PR_SET_SECCOMP = 22
# name: number on x86_64, number on aarch64
_DENIED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "name_to_handle_at": (303, 264),
    "syslog": (103, 116),
    "personality": (135, 92),
    "fanotify_init": (300, 262),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "tkill": (200, 130),
    # A submission is one process: another program in its place would be no use to honest ones.
    "execve": (59, 221),
    "execveat": (322, 281),
    # Limits are ours; a process that lowers its own could make its death look like our fault.
    "setrlimit": (160, 164),
}
# Allowed for the caller itself (process number 0) only; prlimit on a parent broke an earlier design.
_SELF_ONLY = {
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}
# Signals: to the own process only, by its number.
_SIGNALS = {"kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)}
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_PRCTL = {"x86_64": 157, "aarch64": 167}
_PR_SET_PDEATHSIG = 1  # what ties the process to the warm one
_FORKS = {"x86_64": (57, 58), "aarch64": ()}  # fork, vfork
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_CLONE_THREAD = 0x10000
_CLONE_NEW_ANY = 0x20000 | 0x2000000 | sum(1 << bit for bit in (26, 27, 28, 29, 30))
_AF_UNIX = 1

_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_THIRD_ARGUMENT = (32, 36)  # its two halves


def supported() -> bool:
    """Whether the filter knows this machine's system call numbers."""
    return platform.machine() in _AUDIT


def deny_system_calls(unix_sockets: bool) -> None:
    """Install the filter for this process and all its threads: for good. Raises OSError where that fails."""
    program = _program(platform.machine(), unix_sockets, os.getpid())
    code = ctypes.create_string_buffer(program, len(program))  # both buffers must outlive the call
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(header), 0, 0)


def _step(code: int, if_true: int, if_false: int, operand: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)


def _program(machine: str, unix_sockets: bool, process: int) -> bytes:
    column = 0 if machine == "x86_64" else 1
    steps = [_step(_LOAD, 0, 0, _ARCHITECTURE), _step(_EQUAL, 1, 0, _AUDIT[machine]), _step(_RETURN, 0, 0, _KILL)]
    steps += [_step(_LOAD, 0, 0, _NUMBER)]
    if machine == "x86_64":  # the x32 interface has numbers of its own
        steps += [_step(_AT_LEAST, 0, 1, 0x40000000), _step(_RETURN, 0, 0, _ENOSYS)]
    for number in (*(numbers[column] for numbers in _DENIED.values()), *_FORKS[machine]):
        steps += [_step(_EQUAL, 0, 1, number), _step(_RETURN, 0, 0, _EPERM)]
    for numbers in _SELF_ONLY.values():
        steps += _if_number(numbers[column], [_step(_EQUAL, 1, 0, 0), _step(_RETURN, 0, 0, _EPERM)])
    for numbers in _SIGNALS.values():
        steps += _if_number(numbers[column], [_step(_EQUAL, 1, 0, process), _step(_RETURN, 0, 0, _EPERM)])
    steps += _if_number(_PRCTL[machine], [_step(_EQUAL, 0, 1, _PR_SET_PDEATHSIG), _step(_RETURN, 0, 0, _EPERM)])
    # prlimit: the own limits (process 0 or by number) may be read, which is to give no new ones, and nothing else.
    reading = [_step(_EQUAL, 2, 0, 0), _step(_EQUAL, 1, 0, process), _step(_RETURN, 0, 0, _EPERM)]
    for half in _THIRD_ARGUMENT:
        reading += [_step(_LOAD, 0, 0, half), _step(_EQUAL, 1, 0, 0), _step(_RETURN, 0, 0, _EPERM)]
    steps += _if_number(_PRLIMIT[machine], reading)
    # clone3 hides its flags from the filter: libraries fall back to clone where it is missing.
    steps += [_step(_EQUAL, 0, 1, _CLONE3), _step(_RETURN, 0, 0, _ENOSYS)]
    threads_only = [_step(_ANY_BIT, 0, 1, _CLONE_NEW_ANY), _step(_RETURN, 0, 0, _EPERM)]
    threads_only += [_step(_ANY_BIT, 1, 0, _CLONE_THREAD), _step(_RETURN, 0, 0, _EPERM)]
    steps += _if_number(_CLONE[machine], threads_only)
    # Without a network namespace of its own even a Unix socket reaches other processes.
    unix = [_step(_EQUAL, 1, 0, _AF_UNIX)] if unix_sockets else []
    steps += _if_number(_SOCKET[machine], [*unix, _step(_RETURN, 0, 0, _EPERM)])
    return b"".join([*steps, _step(_RETURN, 0, 0, _ALLOW)])


def _if_number(number: int, tests: list[bytes]) -> list[bytes]:
    """Apply tests to the first argument of one system call; allow it where they all pass."""
    body = [_step(_LOAD, 0, 0, _FIRST_ARGUMENT), *tests, _step(_RETURN, 0, 0, _ALLOW)]
    return [_step(_EQUAL, 0, len(body), number), *body]
