"""What people entered in nbgrader's formgrader, as netlens's marks.

What was entered last counts. `netlens mark` first takes over what stands in the gradebook, so a value there that
netlens did not leave is newer than netlens's mark; the same holds where nothing is known of what netlens left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from netlens_core.grading.grade import Grade
from netlens_core.grading.marks import Mark, Place, marked_sha256
from netlens_core.grading.nbgrader.memory import Left

Values: TypeAlias = tuple[float | None, float, str]
NOTHING: Values = (None, 0.0, "")
_MOST = 999_999.0


@dataclass(frozen=True)
class Stands:
    """What a person may have entered at a check, as it stands in the gradebook; `row` as in `Left`."""

    row: str
    score: float | None
    extra_credit: float | None
    comment: str | None
    asked: bool


def marks_with_entered(
    marks: Mapping[Place, Mark],
    standing: Mapping[Place, Stands],
    left: Mapping[Place, Left],
    grades: Mapping[tuple[str, str], Grade],
) -> dict[Place, Mark]:
    """The marks with what was entered in the gradebook since netlens wrote there.

    Args:
        standing: what stands in the gradebook.
        left: what netlens left there.
        grades: student and exercise -> grade as netlens made it, unmarked.
    """
    found = dict(marks)
    for place, stands in standing.items():
        before = _before(place, stands, left, grades)
        if before is None:
            continue
        subject = before.marked
        if values(stands) != values(before):
            mark = _mark(place, stands, subject)
            same = found.get(place)
            if mark is None:
                found.pop(place, None)
            elif same is None or values_of(same) != values_of(mark):
                found[place] = mark
        elif before.asked and not stands.asked and place in found and found[place].answer_sha256 != subject:
            # Asked again because the answer changed, and a person left the points as they are.
            found[place] = Mark(**{**vars(found[place]), "answer_sha256": subject})
    return found


def seen(
    standing: Mapping[Place, Stands], left: Mapping[Place, Left], grades: Mapping[tuple[str, str], Grade]
) -> dict[Place, Left]:
    """What netlens knows of the gradebook once `marks_with_entered` are kept. Arguments as there."""
    found = {}
    for place, stands in standing.items():
        before = _before(place, stands, left, grades)
        if before is not None:
            score, extra_credit, comment = values(stands)
            found[place] = Left(stands.row, score, extra_credit, comment, stands.asked, before.marked)
    return found


def _before(
    place: Place, stands: Stands, left: Mapping[Place, Left], grades: Mapping[tuple[str, str], Grade]
) -> Left | None:
    """What netlens left; nothing but what the check is about now where that is not known; None for unknown checks."""
    before = left.get(place)
    if before is not None and before.row == stands.row:
        return before
    grade = grades.get(place[:2])
    check = next((check for check in grade.checks if check.name == place[2]), None) if grade else None
    return Left(stands.row, marked=marked_sha256(grade, check)) if grade and check else None


def values(side: Stands | Left) -> Values:
    """Score, extra credit and comment, with 0 and "" for none of the latter two."""
    return side.score, side.extra_credit or 0.0, side.comment or ""


def values_of(mark: Mark | None) -> Values:
    """As `values`, of a mark."""
    if mark is None:
        return NOTHING
    return mark.points, mark.extra_credit, mark.comment


def _mark(place: Place, stands: Stands, subject: str) -> Mark | None:
    score, extra, comment = values(stands)
    if score is None and not extra and not comment:
        return None
    points = None if score is None else _within(score)
    return Mark(*place, points=points, comment=comment, answer_sha256=subject, extra_credit=_within(extra))


def _within(points: float) -> float:
    """Points as formgrader takes them, also where a script entered others."""
    return min(max(points, 0.0), _MOST)
