"""Written answers of a class in one place, for a person to read and mark: with question, rubric and pictures, and with
or without names; and the tables in which marks come back.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlens_core.grading.exercise import AnswerSpec, CourseError
from netlens_core.grading.grade import Check
from netlens_core.grading.gradebook import Gradebook
from netlens_core.grading.marks import LONGEST_COMMENT, Mark, answer_sha256, markable, pseudonym
from netlens_core.grading.plain_text import plain
from netlens_core.grading.report import GradedWork
from netlens_core.grading.report.numbers import points as in_words
from netlens_core.grading.spreadsheets import as_written, kept_as_text, read_table, table_bytes
from netlens_core.grading.suggestions import did_you_mean

COLUMNS = (
    *("student", "exercise", "check", "points", "max_points", "comment", "marked_before"),
    *("question", "rubric", "answer", "answer_sha256"),
)


@dataclass(frozen=True)
class Answer:
    """One answer to mark, or marked.

    Attributes:
        shown_as: the student's ID, or a pseudonym.
        check: the check that it earns points for, as marked so far.
        asked: question and rubric.
    """

    student: str
    shown_as: str
    exercise: str
    check: Check
    asked: AnswerSpec
    work: GradedWork

    @property
    def sha256(self) -> str:
        """What a mark remembers of it."""
        return answer_sha256(self.check)

    @property
    def state(self) -> str:
        """`waiting`, `marked`, or `changed` where it was marked and is another one now."""
        if self.check.mark is None or not self.check.mark.scored:
            return "waiting"
        return "changed" if self.check.mark.outdated else "marked"

    def as_json(self) -> dict[str, Any]:
        """As `netlens answers --json` prints it."""
        mark = self.check.mark
        return {
            "student": self.shown_as,
            "exercise": self.exercise,
            "check": self.check.name,
            "state": self.state,
            "points": self.check.points - mark.extra_credit if mark and mark.scored else None,
            "max_points": self.check.max_points,
            "comment": mark.comment if mark else "",
            "question": self.asked.question or self.check.description,
            "rubric": [item.model_dump() for item in self.asked.rubric],
            "answer": self.check.answer,
            "answer_sha256": self.sha256,
        }


def written_answers(book: Gradebook, blind: bool = False) -> list[Answer]:
    """All answers that a person marks or marked, exercise by exercise and check by check.

    `blind` gives pseudonyms instead of IDs, in an order that tells nothing either, and is the same every time.
    """
    secret = book.course.secret
    found = []
    for work in book.works():
        exercise = book.exercises.get(work.grade.exercise)
        if exercise is None:  # it is no longer in course.yaml, or cannot be read: nobody knows its questions
            continue
        name = pseudonym(secret, work.student, exercise.slug) if blind else work.student
        manual = {spec.name for spec in exercise.checks if spec.manual}
        found += [
            Answer(work.student, name, exercise.slug, check, exercise.answer_of(check.name), work)
            for check in work.grade.checks
            if markable(check) and check.name in manual
        ]
    slugs = list(book.exercises)
    places = {spec.name: place for exercise in book.exercises.values() for place, spec in enumerate(exercise.checks)}

    def order(answer: Answer) -> tuple[object, ...]:
        drawn = f"{answer.shown_as}\x1f{answer.check.name}".encode("utf-8", "surrogatepass")
        within = hmac.new(secret.encode(), drawn, hashlib.sha256).hexdigest() if blind else answer.shown_as.casefold()
        return slugs.index(answer.exercise), places[answer.check.name], within, answer.shown_as

    return sorted(found, key=order)


# -- as a table that is filled in ------------------------------------------------------------------------


def answers_table(answers: Iterable[Answer]) -> bytes:
    """Answers as CSV, points and comments to be filled in; those of answers that changed since are to be given anew.

    Where numbers are written 0,5, spreadsheets separate cells with semicolons, and would take 1.5 for a day in May.
    """
    decimal_comma = in_words(0.5) == "0,5"
    return table_bytes(
        COLUMNS, (_row(answer, "," if decimal_comma else ".") for answer in answers), ",;"[decimal_comma]
    )


def _row(answer: Answer, decimal_sign: str) -> list[str]:
    def number(points: float) -> str:
        return f"{points:g}".replace(".", decimal_sign)

    mark = answer.check.mark
    stands = mark is not None and mark.scored and not mark.outdated
    given = f"{in_words(answer.check.points)} {mark.comment}".strip() if mark else ""
    return [
        kept_as_text(plain(answer.shown_as)),
        answer.exercise,
        answer.check.name,
        number(answer.check.points - mark.extra_credit) if mark and stands else "",
        number(answer.check.max_points),
        mark.comment if mark and stands else "",
        "" if stands else given,
        answer.asked.question or answer.check.description,
        "\n".join(f"{number(item.points)}: {item.text}" for item in answer.asked.rubric),
        answer.check.answer,
        answer.sha256,
    ]


class MarkSheet:
    """Turns what somebody wrote down into marks: students by ID or pseudonym, points that the check has to give.

    Every mistake is a CourseError in one line.
    """

    def __init__(self, book: Gradebook) -> None:
        self._book = book
        self._answers = {(a.student, a.exercise, a.check.name): a for a in written_answers(book)}
        self._known: dict[tuple[str, str], set[str]] = {}
        for entry in book.entries:
            hidden = pseudonym(book.course.secret, entry.student, entry.slug)
            shown = plain(entry.student)  # as tables have it
            for name in {entry.student, f"'{entry.student}", shown, f"'{shown}", hidden}:
                self._known.setdefault((name, entry.slug), set()).add(entry.student)

    def answer(self, student: str, slug: str, check: str) -> Answer:
        """The answer that is meant; `check` may be empty where the exercise has one only."""
        exercise = self._book.exercises.get(slug)
        if exercise is None:
            known = ", ".join(self._book.exercises)
            meant = did_you_mean(slug, self._book.exercises)
            raise CourseError(f"there is no exercise {_quoted(slug)}; there are {known}{meant}")
        manual = [spec.name for spec in exercise.checks if spec.manual]
        name = check or (manual[0] if len(manual) == 1 else "")
        if name not in manual:
            known = ", ".join(manual) or "none"
            raise CourseError(f"no check {_quoted(check)} of {slug} is marked by a person; those are {known}")
        meant = self._student(student, slug)
        found = self._answers.get((meant, slug, name))
        if found is None:
            raise CourseError(f"{_quoted(student)} {self._why_not(meant, slug, name)}")
        return found

    def _student(self, name: str, slug: str) -> str:
        meant = self._known.get((name, slug)) or self._known.get((name.strip(), slug)) or set()
        if len(meant) > 1:
            raise CourseError(f"{_quoted(name)} could be several students of {slug}")
        if not meant:
            others = any(entry.student in (name, name.strip()) for entry in self._book.entries)
            said = (
                f"handed in nothing for {slug}" if others else f"is no student who handed in {slug}, and no pseudonym"
            )
            raise CourseError(f"{_quoted(name)} {said}")
        return next(iter(meant))

    def _why_not(self, student: str, slug: str, check: str) -> str:
        grades = {(entry.student, entry.slug): grade for entry, grade in self._book.graded()}
        grade = grades.get((student, slug))
        if grade is None:
            return f"is not graded yet for {slug}: run `netlens grade` first"
        faults = [found for found in grade.checks if found.name == check and found.fault]
        if faults:
            return f"cannot be marked: the grader itself failed at {check} of {slug}; mend it and grade again"
        return f"gave no answer for {check} of {slug}"

    def mark(self, student: str, slug: str, check: str, points: str, comment: str, sha256: str = "") -> Mark:
        """A mark. `sha256` tells which answer was read, where that may be another one than today's."""
        answer = self.answer(student, slug, check)
        given, most = _number(points), answer.check.max_points
        if not 0 <= given <= most:
            raise CourseError(f"{points.strip()} points are outside 0 to {most:g}, which {answer.check.name} gives")
        said = plain(comment.strip(), LONGEST_COMMENT)
        return Mark(answer.student, slug, answer.check.name, round(given, 2), said, sha256.strip() or answer.sha256)

    def read(self, path: Path) -> list[Mark]:
        """The marks in a CSV file; rows without points and comment are not marked yet. All of it is good, or none."""
        rows = read_table(path)
        heading = [cell.strip().casefold() for cell in rows[0]] if rows else []
        missing = [name for name in ("student", "exercise", "check", "points") if name not in heading]
        if missing:
            raise CourseError(
                f"{path} has no column {', '.join(missing)}: start from `netlens answers … --to marks.csv`"
            )
        marks: dict[tuple[str, str, str], tuple[int, Mark]] = {}
        problems: list[str] = []
        for number, row in enumerate(rows[1:], 2):
            cells = {name: as_written(cell) for name, cell in zip(heading, row, strict=False)}
            if not cells.get("points", "").strip() and not cells.get("comment", "").strip():
                continue
            try:
                mark = self._from(cells)
                earlier, other = marks.setdefault(mark.place, (number, mark))
                if other != mark:
                    raise CourseError(f"marks the same answer as row {earlier}, differently")
            except CourseError as error:
                problems.append(f"row {number}: {error}")
        if problems:
            more = f" (and {len(problems) - 1} more of its rows)" if len(problems) > 1 else ""
            raise CourseError(f"{path}, {problems[0]}{more}. Nothing was kept: correct the file and try again")
        return [mark for _, mark in marks.values()]

    def _from(self, cells: dict[str, str]) -> Mark:
        def cell(name: str) -> str:
            return cells.get(name, "")

        if not cell("points").strip():
            raise CourseError("there is a comment, but no points")
        place = cell("student"), cell("exercise").strip(), cell("check").strip()
        return self.mark(*place, cell("points"), cell("comment"), cell("answer_sha256"))


def _number(text: str) -> float:
    try:
        number = float(text.strip().replace(",", ".", 1).replace("_", "?"))  # Python reads 1_5 as 15
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CourseError(f"{_quoted(text)} is no number of points")
    return number


def _quoted(text: str) -> str:
    return repr(plain(text, 80))


# -- as a page -------------------------------------------------------------------------------------------


def grouped(answers: Sequence[Answer]) -> list[list[Answer]]:
    """Answers to the same question together, in their order."""
    groups: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        groups.setdefault((answer.exercise, answer.check.name), []).append(answer)
    return list(groups.values())
