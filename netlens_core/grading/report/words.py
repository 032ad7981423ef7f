"""The words for how checks and submissions went; the same on pages and in terminals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from netlens_core.grading.grade import CheckStatus, Status

CHECK_WORDS: dict[CheckStatus, str] = {
    "passed": "Passed",
    "partial": "Partly there",
    "failed": "Not there yet",
    "skipped": "Not looked at",
    "needs_manual_grade": "Waits for a person",
}
GRADE_WORDS: dict[Status, str] = {
    "graded": "Graded",
    "refused": "Refused: the file was not run",
    "timed_out": "Ran out of time",
    "crashed": "Crashed",
    "out_of_memory": "Ran out of memory",
}
_COUNTED: dict[CheckStatus, str] = {
    "passed": "passed",
    "partial": "partly there",
    "failed": "not there yet",
    "skipped": "not looked at",
    "needs_manual_grade": "waiting for a person",
}


def outcome(statuses: Iterable[CheckStatus]) -> str:
    """Checks counted by how they went: `3 passed, 1 waiting for a person`."""
    counts = Counter(statuses)
    return ", ".join(f"{counts[status]} {word}" for status, word in _COUNTED.items() if counts[status])


def counted(count: int, one: str, many: str) -> str:
    """A count with its noun: `1 check waits`, `2 checks wait`."""
    return f"{count} {one if count == 1 else many}"
