"""What every export tells of a student's work: points, what lateness costs, and feedback in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from netlens_core.grading.files import write_atomically
from netlens_core.grading.grade import Check, Grade
from netlens_core.grading.plain_text import plain
from netlens_core.grading.report.numbers import measured, points, requirement
from netlens_core.grading.report.words import check_words, late_words

if TYPE_CHECKING:
    from netlens_core.grading.gradebook import Gradebook

LONGEST_FEEDBACK = 8000


@dataclass(frozen=True)
class Scored:
    """A student's grade for one exercise, and the points that lateness costs."""

    student: str
    grade: Grade
    late_penalty: float = 0.0

    @property
    def score(self) -> float:
        """Points that count: those of the checks less what lateness costs; never below 0."""
        return max(self.grade.points - self.late_penalty, 0.0)

    @property
    def feedback(self) -> str:
        """Every check with its points and what was wrong, measurements included, in the language being spoken."""
        lines = [plain(self.grade.message, 1000)] if self.grade.message else []
        lines += [line for check in self.grade.checks for line in _told(check, self.grade.message)]
        if self.late_penalty:
            lines.append(late_words(self.late_penalty))
        return plain("\n".join(lines), LONGEST_FEEDBACK)


def _told(check: Check, known: str) -> list[str]:
    lines = [f"{check.description or check.name} {points(check.points)}/{points(check.max_points)}"]
    if check.status == "needs_manual_grade":
        lines[0] += f" ({check_words()[check.status]})"
    said = (check.message if check.message != known else "", check.mark.comment if check.mark else "")
    unmet = [m for m in check.measurements if m.required and not m.passed]
    lines += [f"  {m.name}: {measured(m)}, {requirement(m)}" for m in unmet]
    return lines + [f"  {line}" for text in said for line in text.splitlines() if line.strip()]


@dataclass
class Exported:
    """Files of an export (name -> bytes), what the teacher has to know of it, and whether any grade had to stay out.

    `filled` names the grades, by student and exercise, that really stand in the files; None where all do.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    left_out: bool = False
    filled: set[tuple[str, str]] | None = None

    def write(self, into: Path) -> list[Path]:
        """Write the files into a folder; a single one to the path itself where that ends as its name does."""
        alone = len(self.files) == 1 and into.suffix == Path(next(iter(self.files))).suffix and not into.is_dir()
        paths = {into if alone else into / name: data for name, data in self.files.items()}
        for path, data in paths.items():
            write_atomically(path, data)
        return list(paths)


def scored_works(book: Gradebook) -> list[Scored]:
    """Every grade of a gradebook, as people marked it, by student."""
    found = [Scored(entry.student, grade, book.late_penalty(grade, entry.student)) for entry, grade in book.graded()]
    return sorted(found, key=lambda scored: scored.student)


def unfinished_note(works: Sequence[Scored]) -> list[str]:
    """That some grades still wait for a person, so that their points are not the last ones."""
    waiting = [f"{scored.student} ({scored.grade.exercise})" for scored in works if scored.grade.needs_manual_grade]
    if not waiting:
        return []
    return [f"still waiting for a person, exported with the points so far: {listed(waiting)}"]


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a message: the first few, and how many more."""
    shown = ", ".join(plain(name, 80) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
