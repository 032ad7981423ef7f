"""Why a grade is outdated, or why its points changed: what it was made from, compared with what there is today."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netlens_core.grading.files import PRIVATE, read_regular_file, write_atomically
from netlens_core.grading.grade_key import Parts
from netlens_core.languages import N_, translate

_MOST_NAMED = 3


@dataclass(frozen=True)
class Reason:
    """A sentence in English with what belongs into its `{names}`; it is said in the language that is spoken."""

    text: str
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return translate(self.text, **self.values) if self.values else translate(self.text)


NEW = Reason(N_("new hand-in"))
NOT_GRADED_YET = Reason(N_("new hand-in, not graded yet"))
GONE = Reason(N_("the hand-in is no longer there"))
ASKED_FOR = Reason(N_("asked for"))
INTERNAL_ERROR = Reason(N_("internal error before"))
DAMAGED = Reason(N_("the last grade is damaged; this is the one before"))
FILES_DAMAGED = Reason(N_("its stored files are damaged"))
NOT_LISTED = Reason(N_("the exercise is no longer in course.yaml"))
UNREADABLE = Reason(N_("the exercise cannot be read; its last grades are shown"))
HAND_IN_UNREADABLE = Reason(N_("the hand-in cannot be read; the last grade is shown"))
NO_WEIGHTS = Reason(N_("the networks' weights are missing or others here"))
NOT_GRADED_ANEW = Reason(N_("grading it anew ended in an internal error; this is the grade before"))
UNKNOWN = Reason(N_("graded by a netlens that kept no record of what grades are made from"))

# What a change is called that needs no further words: names of `grade_key.determinants`.
_CHANGED = {
    "seed": Reason(N_("the course's seed changed")),
    "exercise.yaml": Reason(N_("exercise.yaml changed")),
    "inputs": Reason(N_("inputs changed")),
    "limits": Reason(N_("limits changed")),
    "thresholds": Reason(N_("thresholds changed")),
    "template": Reason(N_("template changed")),
    "translations": Reason(N_("translations changed")),
}


def differences(
    before: Parts, now: Parts, modules_before: Mapping[str, str], modules_now: Mapping[str, str]
) -> tuple[Reason, ...]:
    """What changed between two grades' determinants, most telling first; empty where nothing did.

    Args:
        modules_before, modules_now: digests of the modules that graded; empty where that is not known.
    """
    changed = [name for name in dict.fromkeys((*now, *before)) if before.get(name) != now.get(name)]
    known = "code" in before
    if not known:  # an older version: it told only what stands in the grade itself
        changed = [name for name in changed if name in before]
    found = [NEW] if "submission" in changed else []
    found += [Reason(N_("{file} changed"), {"file": name}) for name in changed if name.startswith("graders/")]
    found += [reason for name, reason in _CHANGED.items() if name in changed]
    found += _simple(before, now, changed)
    if "netlens" in changed:
        values = {"then": before.get("netlens", "?"), "now": now.get("netlens", "?")}
        found.append(Reason(N_("graded with netlens {then}, now {now}"), values))
    elif "code" in changed and not found:
        # An exercise whose grader imports something else has other code as well, which is no change of netlens.
        found.append(_code_changed(modules_before, modules_now))
    elif "code" in changed and any(
        modules_before[name] != modules_now[name] for name in modules_before.keys() & modules_now.keys()
    ):
        found.append(_code_changed(modules_before, modules_now))
    return tuple(found or ([] if known else [UNKNOWN]))


def _simple(before: Parts, now: Parts, changed: Sequence[str]) -> list[Reason]:
    found = []
    if "language" in changed:
        values = {"then": before.get("language", "?"), "now": now.get("language", "?")}
        found.append(Reason(N_("language: {then}, now {now}"), values))
    weights = [name.removeprefix("network ") for name in changed if name.startswith("network ")]
    if weights:
        found.append(Reason(N_("the networks' weights are others: {names}"), {"names": ", ".join(weights)}))
    if "sandbox" in changed:
        values = {"then": before.get("sandbox", "?"), "now": now.get("sandbox", "?")}
        found.append(Reason(N_("graded in the sandbox {then}, now {now}"), values))
    libraries = [name for name in changed if name.startswith("library ")]
    if libraries:
        told = ", ".join(
            f"{name.removeprefix('library ')} {before.get(name, '–')}, now {now.get(name, '–')}" for name in libraries
        )
        found.append(Reason(N_("other libraries: {libraries}"), {"libraries": told}))
    return found


def _code_changed(before: Mapping[str, str], now: Mapping[str, str]) -> Reason:
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name)) if before and now else []
    if not names:
        return Reason(N_("netlens changed"))
    more = ", …" if len(names) > _MOST_NAMED else ""
    return Reason(N_("netlens changed: {files}"), {"files": ", ".join(names[:_MOST_NAMED]) + more})


def in_words(reasons: Iterable[Reason]) -> str:
    """Reasons in one line, in the language that is spoken; each is told once."""
    return "; ".join(dict.fromkeys(map(str, reasons)))


# -- points that changed in a run -------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """Points of a student's work that are others than before, and why."""

    student: str
    exercise: str
    before: float
    after: float
    reasons: tuple[Reason, ...]

    def __str__(self) -> str:
        return f"{self.student} {self.exercise} {self.before:g} -> {self.after:g} ({in_words(self.reasons)})"

    def as_json(self) -> dict[str, Any]:
        """For `--json`, and for `changes.json`."""
        return {
            "student": self.student,
            "exercise": self.exercise,
            "before": self.before,
            "after": self.after,
            "why": [str(reason) for reason in self.reasons],
        }


class LastChanges:
    """What the last run that graded anything changed, in a file below the course's hidden folder."""

    def __init__(self, hidden_folder: Path) -> None:
        self._path = hidden_folder / "changes.json"

    def read(self) -> list[Change]:
        """The changes; none where the file is missing or damaged."""
        found = []
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            for entry in json.loads(read_regular_file(self._path)):
                reasons = tuple(
                    Reason(str(text), {str(name): str(value) for name, value in values.items()})
                    for text, values in entry["reasons"]
                )
                numbers = float(entry["before"]), float(entry["after"])
                found.append(Change(str(entry["student"]), str(entry["exercise"]), *numbers, reasons))
        return found

    def write(self, changes: Iterable[Change]) -> None:
        """Keep them. Raises OSError."""
        content = [
            {**change.as_json(), "reasons": [[reason.text, dict(reason.values)] for reason in change.reasons]}
            for change in changes
        ]
        write_atomically(self._path, json.dumps(content, indent=1).encode() + b"\n", PRIVATE)
