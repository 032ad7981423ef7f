"""Names of files and anchors for names that anyone may have chosen."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

_SAFE = re.compile(r"(?=.{1,64}$)[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_LIKE_OURS = re.compile(r".*-[0-9a-f]{16}")
# Windows takes these for devices, whatever their ending; `index` is the class's page.
_TAKEN = {"index", "con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}


def page_names(students: Iterable[str]) -> dict[str, str]:
    """Student -> file name of their page: plain ASCII, no path in it, different even where case does not count.

    A name that is safe as it is stays; any other gets part of its SHA-256, so that no two can meet.
    """
    known = sorted(set(students))
    folded = Counter(student.casefold() for student in known)
    return {student: f"{_stem(student, alone=folded[student.casefold()] == 1)}.html" for student in known}


def _stem(student: str, alone: bool) -> str:
    reserved = student.casefold().split(".")[0] in _TAKEN or _LIKE_OURS.fullmatch(student.lower())
    if alone and not reserved and _SAFE.fullmatch(student):
        return student
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", student[:200])[:40].strip("-").lower()
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{readable or 'student'}-{digest}"


def anchor(slug: str) -> str:
    """The `id` of an exercise's section on a student's page."""
    return "exercise-" + (re.sub(r"[^A-Za-z0-9_]+", "-", slug)[:60] or "unnamed")
