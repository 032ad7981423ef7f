"""One student's work for one exercise, as a class's gradebook knows it: what lies there, and the last grade it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from netlens_core.grading.changes import (
    DAMAGED,
    FILES_DAMAGED,
    INTERNAL_ERROR,
    NEW,
    NOT_GRADED_ANEW,
    NOT_GRADED_YET,
    Reason,
    differences,
)
from netlens_core.grading.grade import Grade
from netlens_core.grading.grade_key import Parts, grading_code
from netlens_core.grading.history import Graded, Origins
from netlens_core.grading.pool import Work
from netlens_core.grading.store import Store


@dataclass(frozen=True)
class Entry:
    """What one student handed in for one exercise, and the key that its grade has to have.

    Attributes:
        key: empty where nothing can be graded, for which `obstacle` is the reason.
        work: what is to be graded; None where nothing can be.
        refusal: why the file cannot be taken, in words for the student; else empty.
        parts: what the key is made from.
        history: the grades that it had so far.
    """

    student: str
    slug: str
    key: str = ""
    work: Work | None = None
    refusal: str = ""
    parts: Parts = field(default_factory=dict)
    obstacle: Reason | None = None
    history: Sequence[Graded] = ()

    @property
    def label(self) -> str:
        """Student and exercise, for people."""
        return f"{self.student} · {self.slug}"

    @property
    def place(self) -> tuple[str, str]:
        """Student and exercise."""
        return self.student, self.slug


@dataclass(frozen=True)
class Standing:
    """The last grade of an entry, its key, and why it is not the one that grading would give now."""

    entry: Entry
    key: str
    grade: Grade
    outdated: tuple[Reason, ...] = ()


def settled(grade: Grade | None) -> bool:
    """Whether there is a grade that no fault of ours left unfinished."""
    return grade is not None and not any(check.fault for check in grade.checks)


def ended(one: Standing) -> set[str]:
    """How a submission ended, as far as it is known: of its notebook, of its calls, and "internal_error"."""
    found = {one.grade.status, *(end for graded in one.entry.history if graded.key == one.key for end in graded.ended)}
    return found | ({"internal_error"} if any(check.fault for check in one.grade.checks) else set())


class Standings:
    """Finds the last grade of entries."""

    def __init__(self, store: Store, origins: Origins) -> None:
        self._store, self._origins = store, origins
        self._modules = lru_cache(maxsize=64)(origins.modules)
        self._current: dict[str, Grade] = {}  # whole grades read so far, by key

    def current(self, entry: Entry) -> Grade | None:
        """The grade that lies under an entry's key, whole; each is read once."""
        if entry.key and entry.key not in self._current and (grade := self._store.read(entry.key)) is not None:
            self._current[entry.key] = grade
        return self._current.get(entry.key)

    def forget(self, key: str) -> None:
        """Read a grade anew, since it was written."""
        self._current.pop(key, None)

    def of(self, entry: Entry) -> Standing | None:
        """The last grade of an entry; None where it never had one."""
        grade = self.current(entry)
        if grade is not None and not _lost(grade):
            return Standing(entry, entry.key, grade)
        before = self._before(entry)
        if grade is None or before is not None:
            return before
        return Standing(entry, entry.key, grade)

    def _before(self, entry: Entry) -> Standing | None:
        """The last of the grades in an entry's history that can be read; what netlens itself failed at comes last."""
        keys = list(dict.fromkeys(graded.key for graded in reversed(entry.history)))
        tried = keys if entry.key in ("", *keys) else [entry.key, *keys]
        damaged, lost = False, None
        for key in tried:
            grade = self._store.read(key, whole=False)
            if grade is None:
                damaged = damaged or key in keys
            elif _lost(grade):
                lost = lost or Standing(entry, key, grade)
            else:
                reasons = self._reasons(entry, key, grade)
                if lost is not None:
                    reasons = (NOT_GRADED_ANEW, *reasons)
                return Standing(entry, key, grade, (DAMAGED, *reasons) if damaged else reasons)
        return lost

    def _reasons(self, entry: Entry, key: str, grade: Grade) -> tuple[Reason, ...]:
        if entry.obstacle is not None:
            return (entry.obstacle,)
        if key == entry.key:
            return (FILES_DAMAGED,)
        told = self.differences(entry, key, grade)
        return tuple(NOT_GRADED_YET if reason == NEW else reason for reason in told)

    def differences(self, entry: Entry, key: str, grade: Grade) -> tuple[Reason, ...]:
        """What changed since an entry had a grade."""
        before = self._origins.read(key, grade)
        assert entry.work is not None
        modules = grading_code(entry.work.exercise).modules
        return differences(before, entry.parts, self._modules(before.get("code", "")), modules)

    def due(self, entry: Entry) -> tuple[Reason, ...]:
        """Why an entry has to be graded; empty where its grade is known."""
        if not entry.key:
            return ()
        grade = self.current(entry)
        if grade is not None:
            return () if settled(grade) else (INTERNAL_ERROR,)
        before = self._before(entry)
        if before is None:
            return (NEW,)
        if before.key == entry.key:
            return (FILES_DAMAGED,)
        return self.differences(entry, before.key, before.grade) or (NEW,)


def _lost(grade: Grade) -> bool:
    """Whether netlens could not grade at all: no check has anything to say of the submission."""
    return bool(grade.checks) and all(check.fault for check in grade.checks)
