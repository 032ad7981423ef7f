"""What reports are made of: a student's grade for one exercise, with a way to get at its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from netlens_core.grading.grade import Grade


@dataclass(frozen=True)
class GradedWork:
    """One student's graded submission.

    Args:
        picture: name of a figure -> its PNG bytes; may raise OSError, KeyError or ValueError where it is lost.
        seconds: how long grading took; pages leave it out, so that grading again gives the same page.
        late_penalty: points that lateness costs; told, not taken off.
        tries: how both tries ended, where the machine may have spoiled the first one.
        outdated: why the grade is not the one that grading would give now, in words; else empty.
    """

    student: str
    grade: Grade
    picture: Callable[[str], bytes] = field(repr=False)
    seconds: float = 0.0
    late_penalty: float = 0.0
    outdated: str = ""
    tries: Sequence[str] = ()


def students_of(works: Iterable[GradedWork]) -> list[str]:
    """Everyone who handed in anything, in the order in which people look for names."""
    return sorted({work.student for work in works}, key=lambda student: (student.casefold(), student))


def exercises_of(works: Sequence[GradedWork], order: Iterable[str]) -> list[str]:
    """The exercises that anyone handed in, in the course's order, then those that the course no longer lists."""
    seen = dict.fromkeys(work.grade.exercise for work in works)
    listed = [slug for slug in order if slug in seen]
    return listed + sorted(slug for slug in seen if slug not in listed)


def titles_of(works: Iterable[GradedWork]) -> dict[str, str]:
    """Exercise -> its title."""
    return {work.grade.exercise: work.grade.title for work in works}
