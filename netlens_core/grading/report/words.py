"""The words for how checks and submissions went; the same on pages and in terminals, in the language spoken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from netlens_core.grading.grade import CheckStatus, Status
from netlens_core.grading.report.numbers import points
from netlens_core.languages import N_, NN_, ngettext, translate

_CHECK_WORDS: dict[CheckStatus, str] = {
    "passed": N_("Passed"),
    "partial": N_("Partly there"),
    "failed": N_("Not there yet"),
    "skipped": N_("Not looked at"),
    "needs_manual_grade": N_("Waits for a person"),
}
_GRADE_WORDS: dict[Status, str] = {
    "graded": N_("Graded"),
    "refused": N_("Refused: the file was not run"),
    "timed_out": N_("Ran out of time"),
    "crashed": N_("Crashed"),
    "out_of_memory": N_("Ran out of memory"),
}
_COUNTED: dict[CheckStatus, tuple[str, str]] = {
    "passed": NN_("{count} passed", "{count} passed"),
    "partial": NN_("{count} partly there", "{count} partly there"),
    "failed": NN_("{count} not there yet", "{count} not there yet"),
    "skipped": NN_("{count} not looked at", "{count} not looked at"),
    "needs_manual_grade": NN_("{count} waiting for a person", "{count} waiting for a person"),
}


def check_words() -> dict[CheckStatus, str]:
    """How a check went, in words."""
    return {status: translate(word) for status, word in _CHECK_WORDS.items()}


def grade_word(status: Status) -> str:
    """How a submission went, in words."""
    return translate(_GRADE_WORDS[status])


def outcome(statuses: Iterable[CheckStatus]) -> str:
    """Checks counted by how they went: `3 passed, 1 waiting for a person`."""
    counts = Counter(statuses)
    return ", ".join(ngettext(*words, counts[status]) for status, words in _COUNTED.items() if counts[status])


def late_words(penalty: float) -> str:
    """What lateness costs, in the same words and with the same number wherever it is told; empty in time."""
    if not penalty:
        return ""
    return translate("Handed in late: {points} points are taken off in the end.", points=points(penalty))
