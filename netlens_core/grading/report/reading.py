"""The page on which a person reads a class's written answers: question, rubric, and the pictures beside each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from netlens_core.grading.grade import Check
from netlens_core.grading.plain_text import plain
from netlens_core.grading.report.pictures import Picture, picture, read_png, thumbnail
from netlens_core.grading.report.rendering import render

if TYPE_CHECKING:
    from netlens_core.grading.answers import Answer
    from netlens_core.grading.exercise import AnswerSpec

MOST_PICTURES = 4  # beside an answer
MOST_BYTES = 16 << 20  # of pictures on a page; those beyond are small ones
LONGEST_ANSWER = 10_000  # characters; the border lets no longer one through


@dataclass(frozen=True)
class Shown:
    """An answer as the page shows it."""

    name: str
    state: str
    check: Check
    text: Markup
    pictures: list[tuple[str, Picture]]


@dataclass(frozen=True)
class Question:
    """A question with its answers; `pictures` are those that everybody had."""

    title: str
    check: Check
    asked: AnswerSpec
    pictures: list[tuple[str, Picture]]
    answers: list[Shown]


def render_answers(groups: Iterable[Sequence[Answer]], course_title: str, blind: bool) -> str:
    """The page, as HTML."""
    album = _Album()
    questions = [_question(answers, album) for answers in groups]
    return render("answers.html", course_title=course_title, questions=questions, blind=blind)


class _Album:
    """Whole pictures until the page holds enough of them, then small ones."""

    def __init__(self) -> None:
        self._left = MOST_BYTES

    def take(self, answer: Answer, name: str) -> tuple[str, Picture] | None:
        data = read_png(answer.work, name)
        if data is None:
            return None
        self._left -= len(data)
        note = answer.work.grade.figure_notes.get(name)
        shown = picture(data) if self._left >= 0 else thumbnail(data)
        return (note.caption if note else "", shown) if shown else None

    def all(self, answer: Answer, names: Iterable[str]) -> list[tuple[str, Picture]]:
        taken = (self.take(answer, name) for name in names)
        return [found for found in taken if found]


def _question(answers: Sequence[Answer], album: _Album) -> Question:
    first = answers[0]
    counts = Counter(name for answer in answers for name in _names(answer))
    common = {name for name, count in counts.items() if count == len(answers) > 1}
    return Question(
        title=first.work.grade.title,
        check=first.check,
        asked=first.asked,
        pictures=album.all(first, (name for name in _names(first) if name in common)),
        answers=[
            Shown(
                name=answer.shown_as,
                state=answer.state,
                check=answer.check,
                text=Markup(escape(plain(answer.check.answer, LONGEST_ANSWER))),
                pictures=album.all(answer, (name for name in _names(answer) if name not in common)),
            )
            for answer in answers
        ],
    )


def _names(answer: Answer) -> list[str]:
    """The check's pictures; those of the whole exercise where it has none of its own."""
    all_of_them = (name for check in answer.work.grade.checks for name in check.figures)
    return answer.check.figures or list(dict.fromkeys(all_of_them))[:MOST_PICTURES]
