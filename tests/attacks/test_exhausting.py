"""Attacks that use everything up: processes, threads, memory, disk, descriptors, print, time."""

from __future__ import annotations

import os
import re

import pytest

from netlens_core.grading.sandbox.limits import Limits

SMALL = Limits(
    start_seconds=20, call_seconds=8, total_seconds=30, memory_mb=256, disk_mb=16, files=2000, processes=16, output_mb=1
)


@pytest.mark.also_reduced
def test_a_fork_bomb_does_not_start(strike):
    """Every fork is refused; the bomb is the one process that it was."""
    source = """
def attack():
    made = 0
    for _ in range(1000):
        made += len(tried("fork", os.fork))
    return made
"""
    assert strike(source, limits=SMALL).gains == 0


@pytest.mark.also_reduced
def test_a_thread_bomb_stops_at_the_limit(strike):
    """Threads count as processes."""
    source = """
import threading
def attack():
    made = 0
    try:
        for made in range(10_000):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError:
        pass
    return made
"""
    assert 1 < strike(source, limits=SMALL).gains <= 16


@pytest.mark.also_reduced
@pytest.mark.parametrize(
    "allocate",
    [
        "bytearray(32 << 20)", "np.ones(32 << 20, np.uint8)", "torch.ones(32 << 20, dtype=torch.uint8)",
        "mmap.mmap(-1, 32 << 20)", "list(range(1 << 20))", "'x' * (32 << 20)", "torch.ones(8 << 20).share_memory_()",
    ],
)  # fmt: skip
def test_a_memory_bomb_stops_at_the_limit(strike, allocate):
    """Private, shared, numpy's, torch's: all memory counts."""
    source = f"""
import mmap, numpy as np, torch
def attack():
    keep = []
    try:
        while len(keep) < 100:
            keep.append({allocate})
    except (MemoryError, RuntimeError, OSError):
        count = len(keep)
        keep.clear()
        return count
    return "no limit"
"""
    assert strike(source, limits=SMALL).gains <= 10  # 256 MiB, and what the warm process had freed


def test_what_the_kernel_holds_is_bounded(strike):
    """Pipes, socket pairs, watches, names and page tables fill memory that is not the process's own."""
    source = """
import fcntl, mmap
def attack():
    held, keep = 0, []
    def stuffed(reader, writer, largest):
        total = 0
        os.set_blocking(writer, False)
        tried("larger", lambda: fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, largest))
        try:
            while True: total += os.write(writer, bytes(1 << 16))
        except OSError: return total
    try:
        for _ in range(60):
            reader, writer = os.pipe()
            held += stuffed(reader, writer, 1 << 20)
        for _ in range(60):
            keep.append(socket.socketpair())
            held += stuffed(*[end.fileno() for end in keep[-1]], 0)
    except OSError: pass
    try:
        watch = libc.inotify_init()
        for n in range(9000): os.mkdir(f"d{n}"); libc.inotify_add_watch(watch, f"d{n}".encode(), 2)
    except OSError: pass
    try:
        for _ in range(100_000): keep.append(mmap.mmap(-1, 4096))
    except (OSError, MemoryError): pass
    return held >> 20
"""
    assert strike(source, limits=SMALL).gains < 100


def _seals() -> bool:
    """Whether this kernel can keep libraries where they are."""
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 10)


@pytest.mark.also_reduced
@pytest.mark.skipif(not _seals(), reason="Linux before 6.10 cannot seal memory; docs/security.md tells what is left")
@pytest.mark.parametrize("kind", ["MAP_PRIVATE", "MAP_SHARED"])
def test_the_place_of_libraries_is_no_room_for_more_memory(strike, kind):
    """Address space is what bounds memory: what is unmapped of torch's libraries must not be filled instead."""
    source = """
import mmap, re
def attack(kind):
    for line in open("/proc/self/maps").read().splitlines():
        start, end, name = re.match(r"(\\w+)-(\\w+) .*?([^/ ]*)$", line).groups()
        size = int(end, 16) - int(start, 16)
        if ".so" in name and size > 4 << 20 and not re.search("torch_(cpu|python)|openblas|libpython|libc[.]", name):
            libc.munmap(ctypes.c_void_p(int(start, 16)), ctypes.c_size_t(size))
    keep = []
    try:
        while len(keep) < 200: keep.append(mmap.mmap(-1, 16 << 20, flags=getattr(mmap, kind) | mmap.MAP_ANONYMOUS))
    except (OSError, MemoryError): pass
    return len(keep)
"""
    assert 4 < strike(source, kind, limits=SMALL).gains <= 20  # of 16 MiB


@pytest.mark.also_reduced
def test_threads_share_one_table_of_descriptors(strike):
    """A thread with a table of its own could open as many again: kernel memory without end."""
    source = """
import threading
opened, refused, done = [], [], threading.Event()
def fill():
    refused.append(libc.close_range(250, 255, 2))  # CLOSE_RANGE_UNSHARE
    try:
        for _ in range(300): opened.append(os.dup(0))
    except OSError: pass
    done.wait()  # what a thread holds alone ends with it
def attack():
    threads = [threading.Thread(target=fill) for _ in range(6)]
    for thread in threads: thread.start()
    while len(refused) < 6: time.sleep(.01)
    done.set()
    for thread in threads: thread.join()
    # A thread without CLONE_FILES, which runs nothing of its own: it only has to be refused.
    stack = ctypes.create_string_buffer(1 << 16)
    top = ctypes.c_void_p(ctypes.addressof(stack) + (1 << 16))
    cloned = libc.clone(libc.pause, top, 0x10B00, None)
    return [len(opened), max(refused), cloned]
"""
    opened, refused, cloned = strike(source, limits=SMALL).gains
    assert opened < 256 and (refused, cloned) == (-1, -1)


def test_memory_that_is_not_caught_is_told(strike):
    """A submission that runs out of memory learns just that."""
    outcome = strike("def attack():\n    keep = []\n    while True: keep.append(bytes(32 << 20))", limits=SMALL).outcome
    assert outcome.status == "out_of_memory"
    assert outcome.message.startswith("`attack` ran out of memory: 256 MiB are allowed.")


@pytest.mark.parametrize("folder", [".", "/dev/shm"])
def test_the_disk_stops_at_the_limit(strike, folder):
    """The work folder and /dev/shm are memory disks of bounded size."""
    source = """
def attack(folder):
    written = 0
    try:
        for i in range(200):
            with open(f"{folder}/fill{i}", "wb", buffering=0) as file:
                for _ in range(4):
                    written += file.write(bytes(1 << 20))
    except OSError:
        return written >> 20
    return "no limit"
"""
    assert strike(source, folder, limits=SMALL).gains <= 17


def test_a_sparse_giant_is_no_way_around(strike):
    """Files end where the disk ends, also by truncate and seek."""
    source = """
def attack():
    with open("giant", "wb", buffering=0) as file:
        return tried("truncate", lambda: os.truncate("giant", 1 << 40)) + tried("seek", lambda: (
            file.seek(1 << 40), file.write(b"x")))
"""
    assert strike(source, limits=SMALL).gains == []


def test_inodes_and_descriptors_are_bounded(strike):
    """100,000 empty files, folders within folders, open files without end."""
    source = """
def attack():
    made = opened = deep = 0
    try:
        for made in range(100_000): open(f"i{made}", "w").close()
    except OSError: pass
    for name in range(2000): tried("unlink", lambda: os.unlink(f"i{name}"))
    keep = []
    try:
        for opened in range(100_000): keep.append(open("/dev/null"))
    except OSError: pass
    keep.clear()
    try:
        for deep in range(100_000): os.mkdir("d"); os.chdir("d")
    except OSError: pass
    return [made, opened, deep]
"""
    made, opened, deep = strike(source, limits=SMALL).gains
    assert 1900 < made < 2000 and opened < 256 and deep < 2000


@pytest.mark.also_reduced
def test_a_flood_of_print_ends_the_process(strike):
    """Print that bypasses Python's streams counts too."""
    source = "def attack():\n    while True: os.write(1, b'A' * (1 << 16))"
    outcome = strike(source, limits=SMALL).outcome
    assert (outcome.status, outcome.message) == ("crashed", "It printed more than 1 MiB.")


def test_a_flood_of_print_in_a_cell_is_cut(strike):
    """Captured print is bounded without a limit being hit."""
    aftermath = strike("for _ in range(2000): print('A' * 10_000)\ndef attack(): return []", limits=SMALL)
    assert aftermath.gains == []
    assert sum(len(output["text"]) for output in aftermath.cells[0].outputs) < 70_000


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "return 9 ** 9 ** 9",  # never gives the interpreter back
        "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
        "import signal\n    for s in range(1, 65):\n        tried(s, lambda: signal.signal(s, signal.SIG_IGN))\n"
        "    while True: time.sleep(1)",
        "os.kill(os.getpid(), 19)\n    time.sleep(60)",
        "while True:\n        try: time.sleep(60)\n        except BaseException: pass",
        "import threading; threading.Thread(target=time.sleep, args=(600,)).start(); time.sleep(600)",
        "lock = __import__('threading').Lock(); lock.acquire(); lock.acquire()",
        "open(os.mkfifo('f') or 'f').read()",
        "os.read(4, 1)",  # steals from the pipe of requests
    ],
)
def test_what_does_not_end_is_ended(strike, body):
    """Loops with and without the interpreter's lock, ignored signals, stopped processes: dead at the limit."""
    limits = Limits(start_seconds=20, call_seconds=0.25, total_seconds=20)
    outcome = strike(f"def attack():\n    {body}", limits=limits).outcome
    assert (outcome.status, outcome.message) == (
        "timed_out",
        "`attack` used more than the 0.25 s that a call may take.",
    )


@pytest.mark.also_reduced
def test_processor_time_is_bounded_too(strike):
    """Many threads at once use up the processor time of the whole submission."""
    source = """
import hashlib, threading
def attack():
    def burn():
        while True: hashlib.sha256(bytes(1 << 24)).digest()
    for _ in range(8): threading.Thread(target=burn, daemon=True).start()
    burn()
"""
    limits = Limits(start_seconds=20, call_seconds=1.5, total_seconds=1.5)
    assert strike(source, limits=limits).outcome.status == "timed_out"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return 'x' * (300 << 20)", "error"),
        ("raise RuntimeError('no')", "error"),
        ("while True: pass", "timed_out"),
        ("os._exit(0)", "crashed"),
    ],
)
def test_exception_texts_are_bombs(strike, body, status):
    """The text of an exception is student code: gigantic, raising, endless, leaving."""
    source = f"class Evil(Exception):\n    def __str__(self):\n        {body}\ndef attack(): raise Evil()"
    outcome = strike(source).outcome
    assert outcome.status == status
    assert len(outcome.message) < 2000


def test_an_endless_traceback_is_cut(strike):
    """Recursion, and a chain of 10,000 causes."""
    outcome = strike("def attack(): return attack()").outcome
    assert outcome.status == "error" and "RecursionError" in outcome.message and len(outcome.message) < 5000
    source = """
def attack():
    error = None
    for _ in range(10_000):
        new = ValueError("x" * 100); new.__cause__ = error; error = new
    raise error
"""
    outcome = strike(source).outcome
    assert outcome.status == "error" and len(outcome.message) < 5000


def test_a_display_that_never_ends_is_a_timeout_of_the_notebook(strike):
    """The repr of a value is student code as well."""
    source = "class Evil:\n    def __repr__(self):\n        while True: pass\nEvil()"
    aftermath = strike(source, limits=Limits(start_seconds=1, call_seconds=1, total_seconds=10))
    assert aftermath.status == "timed_out"
