"""The system call filter's program, run by an interpreter of its own: for both kinds of machine, without a kernel."""

from __future__ import annotations

import errno
import re
import struct
from functools import cache
from pathlib import Path

import pytest

from netlens_core.grading.sandbox.inside import syscalls

MACHINES = ("x86_64", "aarch64")
OWN = 4711  # the process that is filtered
# What an earlier filter denied, each a way out in some sandbox's history; and what has turned up since.
# name: number on x86_64, number on aarch64
NEVER = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "msgget": (68, 186), "msgsnd": (69, 189), "semget": (64, 190), "semop": (65, 193),
    "mq_open": (240, 180), "mq_timedsend": (242, 182), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "syslog": (103, 116), "personality": (135, 92), "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "execve": (59, 221),
    "execveat": (322, 281), "setrlimit": (160, 164), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "seccomp": (317, 277), "vmsplice": (278, 75),
    "splice": (275, 76), "tee": (276, 77), "mbind": (237, 235), "set_mempolicy": (238, 237), "fchmodat2": (452, 452),
    "file_setattr": (469, 469), "setxattrat": (463, 463), "removexattrat": (466, 466), "flock": (73, 32),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "getxattr": (191, 8), "listxattr": (194, 11),
    "removexattr": (197, 14), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "mount": (165, 40), "umount2": (166, 39), "mount_setattr": (442, 442), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432), "pivot_root": (155, 41),
    "chroot": (161, 51), "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89), "swapon": (167, 224),
    "landlock_restrict_self": (446, 446), "socket": (41, 198), "connect": (42, 203), "bind": (49, 200),
    "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "sendmsg": (46, 211), "recvmsg": (47, 212),
    "sendmmsg": (307, 269), "setsockopt": (54, 208), "modify_ldt": (154, None), "sysfs": (139, None),
    "ioperm": (173, None), "iopl": (172, None), "fork": (57, None), "vfork": (58, None), "clone3": (435, 435),
    "mincore": (27, 232), "cachestat": (451, 451), "process_mrelease": (448, 448), "sync": (162, 81),
    "timer_create": (222, 107), "readahead": (187, 213), "get_robust_list": (274, 100), "setsid": (112, 157),
}  # fmt: skip


def outcome(machine: str, number: int, *arguments: int, full: bool = False, landlock: int = 9) -> str | int:
    """What the filter says to a call: "allowed", "killed", or the number of an error."""
    return _run(_filter(machine, full, landlock), machine, number, arguments)


@cache
def _filter(machine: str, full: bool, landlock: int) -> bytes:
    return syscalls._program(machine, OWN, syscalls._closed(full, landlock))


def _run(program: bytes, machine: str, number: int, arguments: tuple[int, ...], architecture: int = 0) -> str | int:
    given = [argument & 0xFFFFFFFFFFFFFFFF for argument in (*arguments, 0, 0, 0, 0, 0, 0)][:6]
    data = struct.pack("<iIQ6Q", number, architecture or syscalls._AUDIT[machine], 0, *given)
    place, value = 0, 0
    while True:
        code, if_true, if_false, operand = struct.unpack_from("HBBI", program, 8 * place)
        place += 1
        match code:
            case 0x20:
                value = struct.unpack_from("<I", data, operand)[0]
            case 0x54:
                value &= operand
            case 0x15:
                place += if_true if value == operand else if_false
            case 0x35:
                place += if_true if value >= operand else if_false
            case 0x45:
                place += if_true if value & operand else if_false
            case 0x06:
                kind = {0x7FFF0000: "allowed", 0x80000000: "killed"}
                return kind.get(operand) or operand & 0xFFFF
            case _:
                raise AssertionError(f"the kernel knows no step {code:#x}")


def number_of(machine: str, name: str) -> int:
    return syscalls._numbers(syscalls._ALLOWED, machine)[name]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("full", [True, False])
def test_what_is_not_on_the_list_is_refused(machine, full):
    """Every number that there is or will be: future calls are told as missing, today's as not permitted."""
    listed = set(syscalls._numbers(syscalls._ALLOWED, machine).values())
    told = {number: outcome(machine, number, full=full) for number in [*range(1100), 2**30 - 1]}
    assert {told[number] for number in told if number not in listed} == {errno.EPERM, errno.ENOSYS, errno.ENOTSUP}
    assert {told[number] for number in told if number not in listed and number >= 435} == {errno.ENOSYS}
    names = syscalls._numbers(syscalls._ALLOWED, machine)
    free = [name for name in names if name not in {*syscalls._conditions(OWN), *syscalls._closed(full, 9)}]
    assert [name for name in free if told[names[name]] != "allowed"] == []


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", NEVER)
def test_calls_that_were_a_way_out_stay_refused(machine, name):
    """Whatever their arguments are, at every level."""
    number = NEVER[name][MACHINES.index(machine)]
    if number is None:
        return
    for full in (True, False):
        for argument in (0, 1, 2, OWN, 0x10000, 2**64 - 1):
            told = outcome(machine, number, *[argument] * 6, full=full)
            assert told in (errno.EPERM, errno.ENOSYS, errno.ENOTSUP), (name, argument)


def test_the_numbers_above_and_in_the_filter_are_the_kernels():
    """Compared with the kernel's own header for this kind of machine, where it is installed."""
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    true = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())}
    tables = [syscalls._ALLOWED, *syscalls._UNSUPPORTED.values()]
    ours = {name: number for table in tables for name, number in syscalls._numbers(table, "x86_64").items()}
    ours |= {name: numbers[0] for name, numbers in NEVER.items() if name in true}
    assert ours == {name: true[name] for name in ours}


def test_other_interfaces_to_the_kernel_are_closed():
    """32-bit calls end the process, x32 calls are missing."""
    program = syscalls._program("x86_64", OWN, set())
    assert _run(program, "x86_64", 1, (), architecture=0x40000003) == "killed"
    assert _run(program, "x86_64", 0x40000000 + 39, ()) == errno.ENOSYS


F_SETFL, O_ASYNC, O_TRUNC = 4, 0o20000, 0o1000
THREAD, PROCESS = 0x3D0F00, 17
UPPER = 1 << 32
# name, arguments that are allowed, arguments that are not
CONDITIONS = [
    ("clone", (THREAD,), (PROCESS,)),
    ("clone", (THREAD | UPPER,), (THREAD | 0x10000000,)),  # a user namespace of its own
    ("clone", (THREAD,), (THREAD & ~0x400,)),  # descriptors of its own
    ("close_range", (3, 9, 4), (3, 9, 2)),
    ("socketpair", (1, 1, 0), (1, 2, 0)),
    ("socketpair", (1, 1 | 0o2000000 | 0o4000, 0), (1, 2 | 0o2000000, 0)),
    ("socketpair", (1, 1, 0), (1, 5, 0)),
    ("socketpair", (1, 1, 0), (2, 1, 0)),
    ("sendto", (5, 0, 0, 0, 0), (5, 0, 0, 0, 4096)),
    ("sendto", (5, 0, 0, 0, 0), (5, 0, 0, 0, UPPER)),
    ("fcntl", (5, 3, 0), (5, 8, OWN)),  # F_SETOWN
    ("fcntl", (5, F_SETFL, 0o4000), (5, F_SETFL, O_ASYNC)),
    ("fcntl", (5, F_SETFL, 0), (5, F_SETFL, O_ASYNC | 0o4000 | UPPER)),
    *(("fcntl", (5, 1030, 10), (5, command)) for command in (5, 6, 7, 10, 15, 36, 37, 38, 1024, 1026, 1031, 1033)),
    ("fcntl", (5, 3, O_ASYNC), (5, 8 + UPPER, OWN)),
    ("ioctl", (0, 0x5401), (0, 0x5412)),  # TIOCSTI
    *(("ioctl", (0, 0x5421), (0, request)) for request in (0x5452, 0x8901, 0x8902, 0x5410, 0x5423)),
    ("kill", (OWN, 9), (OWN + 1, 9)),
    *(("kill", (OWN, 9), (target, 9)) for target in (0, -1, -OWN, 1)),
    ("tgkill", (OWN, 3, 9), (1, 1, 9)),
    ("prlimit64", (0, 7, 0, 4096), (0, 7, 4096, 0)),
    ("prlimit64", (OWN, 7, 0, 4096), (OWN, 7, UPPER, 0)),
    ("prlimit64", (OWN, 7, 0, 4096), (1, 7, 0, 4096)),
    ("sched_getaffinity", (0,), (1,)),
    ("getpgid", (0,), (1,)),
    ("prctl", (15,), (1,)),
    *(("prctl", (16,), (option,)) for option in (22, 4, 36, 24, 47, 53, 67, 0x59616D61)),
    ("clock_gettime", (1,), (~1 << 3 | 2,)),  # the processor time of process 1
    ("clock_nanosleep", (0,), (-6,)),
    ("madvise", (0, 0, 4), (0, 0, 12)),
    ("fadvise64", (3, 0, 0, 2), (3, 0, 0, 4)),
    ("openat", (-100, 0, O_TRUNC | 1), (-100, 0, O_TRUNC)),
    ("openat", (-100, 0, O_TRUNC | 2), (-100, 0, O_TRUNC | 3)),
    ("openat", (-100, 0, 0), (-100, 0, 3)),
    ("mknodat", (-100, 0, 0o010644), (-100, 0, 0o140644)),
    ("mknodat", (-100, 0, 0o010644), (-100, 0, 0o020644)),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "good", "bad"), CONDITIONS)
def test_arguments_decide(machine, name, good, bad):
    """Signals to itself, threads, pairs of stream sockets and the like: with these arguments, and no others."""
    number = number_of(machine, name)
    for full in (True, False):
        assert outcome(machine, number, *good, full=full) == "allowed"
        assert isinstance(outcome(machine, number, *bad, full=full), int)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_landlock_has_no_right_for_is_closed_at_the_reduced_level(machine):
    """Metadata always; truncate on kernels whose Landlock does not know it."""
    for name in syscalls._METADATA:
        if name in syscalls._numbers(syscalls._ALLOWED, machine):
            number = number_of(machine, name)
            assert outcome(machine, number, full=True, landlock=1) == "allowed"
            assert outcome(machine, number, full=False) == errno.EPERM
    truncate = number_of(machine, "truncate")
    allowed = {version: outcome(machine, truncate, landlock=version) == "allowed" for version in (1, 2, 3, 7)}
    assert allowed == {1: False, 2: False, 3: True, 7: True}
    assert outcome(machine, truncate, full=True, landlock=1) == "allowed"


def test_the_page_about_security_counts_the_list_as_it_is():
    text = " ".join((Path(__file__).parents[3] / "docs" / "security.md").read_text().split())
    lists = [syscalls._numbers(syscalls._ALLOWED, machine) for machine in MACHINES]
    tested = [len(syscalls._conditions(OWN).keys() & names.keys()) for names in lists]
    said = f"allows {len(lists[0])} system calls on x86-64, {tested[0]} of them with certain arguments only, and "
    assert said + f"{len(lists[1])} and {tested[1]} on 64-bit ARM" in text
