"""A naming scheme of one's own: `netlens collect --pattern`, a regular expression with the groups `student` and `file`.

The expression comes from the user and the names from students, and Python's `re` cannot be stopped: a pattern with
nested repeats would run for years on a name made for it. So names are matched in a process of its own, with an end.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from netlens_core.grading.downloads import Entry
from netlens_core.grading.plain_text import plain
from netlens_core.grading.platforms import Handed, Person
from netlens_core.grading.sheets import CourseError

LONGEST_PATTERN = 1000  # characters
SECONDS = 10.0
_EXAMPLE = r"--pattern '(?P<student>[^/]+)/(?P<file>[^/]+\.ipynb)'"
# A line for each name, as soon as it is matched, so that it is known at which one the time ran out.
_MATCH = """
import json, re, sys
pattern, names = json.load(sys.stdin)
known = re.compile(pattern)
for name in names:
    found = known.fullmatch(name) or known.fullmatch(name.rpartition("/")[2])
    print(json.dumps(found and [found["student"], found["file"]]), flush=True)
"""


@dataclass(frozen=True)
class Pattern:
    """A checked expression."""

    text: str


def compiled(text: str) -> Pattern:
    """Check an expression. Raises CourseError for one that is wrong or lacks a group; the message shows a good one."""
    if len(text) > LONGEST_PATTERN:
        raise CourseError(f"--pattern has {len(text)} characters; at most {LONGEST_PATTERN}")
    try:
        known = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise CourseError(f"--pattern is no regular expression ({error}): {plain(text, 200)}") from None
    missing = [f"(?P<{name}>…)" for name in ("student", "file") if name not in known.groupindex]
    if missing:
        raise CourseError(f"--pattern lacks the group {' and '.join(missing)}; an example: {_EXAMPLE}")
    return Pattern(text)


def by_pattern(entries: Iterable[Entry], pattern: Pattern) -> tuple[list[Handed], list[Entry]]:
    """What is somebody's: files whose path, or else name, fits the expression as a whole; and the files that do not.

    Raises CourseError where matching takes too long.
    """
    everything = list(entries)
    handed, others = [], []
    for entry, groups in zip(everything, _matched([str(e.path) for e in everything], pattern), strict=True):
        student, file = groups or ("", "")
        if student and student.strip() and file:
            name = student.strip()
            handed.append(Handed(entry, "--pattern", Person(name, id=name, email=name if "@" in name else ""), file))
        else:
            others.append(entry)
    return handed, others


def _matched(names: list[str], pattern: Pattern) -> list[list[str] | None]:
    command = [sys.executable, "-I", "-S", "-c", _MATCH]
    try:
        given = json.dumps([pattern.text, names]).encode()
        done = subprocess.run(command, input=given, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        slow = names[min((error.stdout or b"").count(b"\n"), len(names) - 1)]
        raise CourseError(
            f"--pattern takes more than {SECONDS:g} s at {plain(slow, 80)!r}: avoid repeats within repeats, such as "
            f"(a+)+ or (.*)*; an example that is quick: {_EXAMPLE}"
        ) from None
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(names):
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise CourseError(f"--pattern failed: {plain(last, 200)}")
    return [json.loads(line) for line in lines]
