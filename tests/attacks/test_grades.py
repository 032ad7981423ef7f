"""What attacks come to as grades: each costs its own student points, in words; all others keep theirs, bit by bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Networks
from netlens_core.grading.grade import Grade
from netlens_core.grading.pipeline import grade
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.limits import Limits
from tests.faults.small_class import HONEST, build

pytestmark = pytest.mark.slow
LIMITS = Limits(start_seconds=60, call_seconds=1, total_seconds=60, memory_mb=256, disk_mb=16, output_mb=1)
# What `paint` does instead of painting, and what the student is told.
ATTACKS = {
    "looks for the solution": (
        "for top in ('/', '/root', '/home', '/tmp', '/course', ROOT):\n"
        "        for folder, _, files in os.walk(top):\n"
        # nbgrader installs a gradebook of its own tests.
        "            if 'site-packages' in folder:\n"
        "                continue\n"
        "            if 'reference_solutions' in folder or 'gradebook.db' in files or 'secret' in files:\n"
        "                return torch.ones_like(image)\n"
        "    raise LookupError('nothing there')",
        "LookupError: nothing there",
    ),
    "forks": ("while True: os.fork()", "no processes are started here"),
    "hoards": ("keep = []\n    while True: keep.append(bytes(32 << 20))", "ran out of memory: 256 MiB are allowed"),
    "fills the disk": ("open('x', 'wb').write(bytes(64 << 20))", "the working folder is full"),
    "fills the log": ("while True: os.write(1, b'x' * 65536)", "printed more than 1 MiB"),
    "never ends": ("import re; re.match('(a+)+$', 'a' * 40 + 'b')", "`paint` used more than the 1 s"),
    "exits": ("os._exit(0)", "ended its own process"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "ended its own process (SIGSEGV)"),
    "forges": ("os.write(3, b'NLF1 ALL PASSED 7/7'); time.sleep(9)", "gave something that cannot be read"),
    "pickles": ("return __import__('pickle').dumps(os.system)", "`paint` returned"),
    "is sparse": ("return image[0].to_sparse()", "a sparse or quantized tensor"),
    "is infinite": ("return image / 0", "`paint` returned"),
    "patches": ("torch.rand = torch.equal = lambda *a, **k: True\n    return None", "`paint` returned"),
    "takes the kit away": ("os.chmod('/kit/netlens_core', 0)", "Read-only file system"),
    "renames the kit": ("os.rename('/kit/netlens_core', '/kit/gone')", "[Errno"),
    "writes bytecode": ("open('/kit/netlens_core/__pycache__/daisies.cpython-311.pyc', 'w')", "[Errno"),
    "touches a device": ("os.utime('/dev/null')", "Read-only file system"),
    "fills the kernel": ("os.setxattr('/kit', 'user.x', bytes(60_000))", "[Errno"),
    "locks a library": ("import fcntl; fcntl.flock(os.open('/usr/bin/env', 0), fcntl.LOCK_EX)", "[Errno"),
    "fills /tmp": ("open('/tmp/x', 'wb').write(bytes(64 << 20))", "the working folder is full"),
    "poisons caches": (
        "import matplotlib\n"
        "    for name in (matplotlib.get_configdir() + '/matplotlibrc', '/tmp/torch.py', '/dev/shm/x'):\n"
        "        open(name, 'w').write('poison')\n"
        "    raise LookupError('planted')",
        "LookupError: planted",
    ),
    "paints the screen": ("raise ValueError('\\x1b[2J\\u202e<script>alert(1)</script>=1+1')", "ValueError"),
}


def test_attackers_lose_their_points_and_nobody_else_any(tmp_path):
    """After each attack the same honest submission is graded, in the same process and by the same warm one."""
    level, reason = Sandbox.best_level()
    if level != "full":
        pytest.skip(f"the full sandbox does not work here: {reason}")
    folder = build(tmp_path / "course", honest=0)
    grader = folder / "graders" / "test_tiny.py"
    grader.write_text(grader.read_text().replace("def test_recall(painted, ", "def test_recall("))
    course = Course(folder)
    exercise, names = course.exercise("tiny"), course.sheet.networks
    exercise = replace(exercise, sheet=exercise.sheet.model_copy(update={"limits": LIMITS}))
    networks = Networks(names.target, tuple(names.jury), course.fingerprints)

    def graded(source: str) -> Grade:
        return grade(source.encode(), exercise, networks, seed=1, name="tiny.py")

    honest = HONEST.replace("{number}", "1").replace("{wait}", "0")

    def whole(graded: Grade) -> object:
        return graded.model_dump_json(), graded.pictures, graded.notebook

    first = graded(honest)
    assert (first.status, first.points) == ("graded", first.max_points)
    for name, (body, told) in ATTACKS.items():
        source = f"import os, time, torch\nROOT = {str(Path.cwd())!r}\ndef paint(image, level):\n    {body}\n"
        found = graded(f"{source}def recall(image): return [('daisy', 1.0)]\n")
        paint, recall = found.checks
        assert (found.status, paint.points, paint.status) == ("graded", 0, "failed"), (name, found)
        assert told in paint.message, (name, paint.message)
        assert recall.points == recall.max_points, (name, recall)  # it did not need what failed
        assert whole(graded(honest)) == whole(first), name
