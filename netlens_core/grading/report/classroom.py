"""The class's page, for course staff: who has what, which check was hard, and what waits for a person."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from netlens_core.grading.changes import Change
from netlens_core.grading.grade import Check, CheckStatus, Grade
from netlens_core.grading.report.names import anchor, page_names
from netlens_core.grading.report.pictures import Picture, read_png, thumbnail
from netlens_core.grading.report.rendering import render
from netlens_core.grading.report.work import GradedWork, exercises_of, students_of, titles_of

MOST_THUMBNAIL_CHARACTERS = 3_500_000  # all `data:` addresses together
FEWEST_FOR_A_MEAN = 3


@dataclass(frozen=True)
class Place:
    """A student's work with the address of its section on their page, and what `GradedWork` tells besides."""

    student: str
    grade: Grade
    address: str
    late_penalty: float = 0.0
    outdated: str = ""
    tries: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """A line of the class's table: one grade an exercise, None where nothing was handed in."""

    student: str
    address: str
    places: list[Place | None]
    points: float
    late_penalty: float


@dataclass
class CheckCount:
    """How a check went across the class."""

    check: Check
    counts: Counter[CheckStatus] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many submissions it looked at."""
        return self.counts.total()


@dataclass(frozen=True)
class ExerciseSummary:
    """An exercise across the class. `mean` and `median` are None where too few handed in to speak of them."""

    slug: str
    title: str
    max_points: float
    handed_in: int
    mean: float | None
    median: float | None
    waiting: int
    refused: int
    checks: list[CheckCount]


@dataclass(frozen=True)
class Answers:
    """Answers to a check that a person has to mark, or has marked."""

    title: str
    check: Check
    answers: list[tuple[Place, Check]]


@dataclass(frozen=True)
class Fault:
    """A failure of a grader, and whom it met."""

    title: str
    check: Check
    places: list[Place]


@dataclass(frozen=True)
class Gallery:
    """First pictures of an exercise; `left_out` counts those for which the page has no room."""

    title: str
    pictures: list[tuple[Place, Picture]]
    left_out: int


def render_class(
    works: Sequence[GradedWork],
    course_title: str,
    maximum: Mapping[str, float],
    pages: Mapping[str, str] | None = None,
    changes: Sequence[Change] = (),
) -> str:
    """The class's page, as HTML.

    Args:
        maximum: exercise -> its points, in the course's order.
        pages: student -> file name of their page; by default what `page_names` gives.
        changes: the points that the last run changed.
    """
    students = students_of(works)
    slugs = exercises_of(works, maximum)
    titles = titles_of(works)
    named = page_names(students) if pages is None else pages
    places = {
        (work.student, work.grade.exercise): Place(
            work.student,
            work.grade,
            f"{named[work.student]}#{anchor(work.grade.exercise)}",
            work.late_penalty,
            work.outdated,
            work.tries,
        )
        for work in works
    }
    ordered = [places[student, slug] for slug in slugs for student in students if (student, slug) in places]
    most = {slug: maximum.get(slug, _largest(ordered, slug)) for slug in slugs}
    return render(
        "class.html",
        course_title=course_title,
        rows=[_row(student, named[student], [places.get((student, slug)) for slug in slugs]) for student in students],
        exercises=[_summary(slug, titles[slug], most[slug], ordered) for slug in slugs],
        nobody=[slug for slug in maximum if slug not in slugs],
        most_points=sum(most.values()),
        submissions=len(ordered),
        unran=[place for place in ordered if place.grade.status != "graded"],
        outdated=[place for place in ordered if place.outdated],
        tried_twice=[place for place in ordered if len(place.tries) == 2],
        changes=[(change, places.get((change.student, change.exercise))) for change in changes],
        mended=[place for place in ordered if place.grade.notes],
        waiting=_answers(ordered, titles, _waits),
        marked=_answers(ordered, titles, lambda check: check.mark is not None),
        faults=_faults(ordered, titles),
        galleries=_galleries(works, places, slugs, titles),
    )


def _largest(places: list[Place], slug: str) -> float:
    return max(place.grade.max_points for place in places if place.grade.exercise == slug)


def _row(student: str, address: str, places: list[Place | None]) -> Row:
    handed_in = [place for place in places if place]
    points = sum(place.grade.points for place in handed_in)
    return Row(student, address, places, points, sum(place.late_penalty for place in handed_in))


def _summary(slug: str, title: str, max_points: float, places: list[Place]) -> ExerciseSummary:
    grades = [place.grade for place in places if place.grade.exercise == slug]
    earned = [grade.points for grade in grades]
    enough = len(earned) >= FEWEST_FOR_A_MEAN
    counts: dict[str, CheckCount] = {}
    for grade in grades:
        # A file that was refused says nothing of how hard a check is.
        for check in grade.checks if grade.status != "refused" else []:
            counts.setdefault(check.name, CheckCount(check)).counts[check.status] += 1
    return ExerciseSummary(
        slug=slug,
        title=title,
        max_points=max_points,
        handed_in=len(grades),
        mean=statistics.fmean(earned) if enough else None,
        median=statistics.median(earned) if enough else None,
        waiting=sum(grade.needs_manual_grade for grade in grades),
        refused=sum(grade.status == "refused" for grade in grades),
        checks=list(counts.values()),
    )


def _waits(check: Check) -> bool:
    """Whether a person has to look at an answer: for the first time, or once more since it changed."""
    return (check.status == "needs_manual_grade" and not check.fault) or bool(check.mark and check.mark.outdated)


def _answers(places: list[Place], titles: Mapping[str, str], wanted: Callable[[Check], bool]) -> list[Answers]:
    found: dict[tuple[str, str], list[tuple[Place, Check]]] = {}
    for place in places:
        for check in place.grade.checks:
            if wanted(check):
                found.setdefault((place.grade.exercise, check.name), []).append((place, check))
    return [Answers(titles[slug], answers[0][1], answers) for (slug, _), answers in found.items()]


def _faults(places: list[Place], titles: Mapping[str, str]) -> list[Fault]:
    found: dict[tuple[str, str, str], tuple[Check, list[Place]]] = {}
    for place in places:
        for check in place.grade.checks:
            if check.fault:
                key = (place.grade.exercise, check.name, check.fault)
                found.setdefault(key, (check, []))[1].append(place)
    return [Fault(titles[slug], check, met) for (slug, _, _), (check, met) in found.items()]


def _galleries(
    works: Sequence[GradedWork],
    places: Mapping[tuple[str, str], Place],
    slugs: list[str],
    titles: Mapping[str, str],
) -> list[Gallery]:
    by_place = {(work.student, work.grade.exercise): work for work in works}
    room = MOST_THUMBNAIL_CHARACTERS // max(1, len(slugs))
    galleries = []
    for slug in slugs:
        shown: list[tuple[Place, Picture]] = []
        left_out = used = 0
        for key, place in sorted(places.items(), key=lambda item: (item[1].student.casefold(), item[0])):
            picture = _first_picture(by_place[key]) if key[1] == slug else None
            if picture is None:
                continue
            if used + len(picture.address) > room:
                left_out += 1
                continue
            used += len(picture.address)
            shown.append((place, picture))
        if shown:
            galleries.append(Gallery(titles[slug], shown, left_out))
    return galleries


def _first_picture(work: GradedWork) -> Picture | None:
    """A thumbnail of the figure that the grade names first."""
    name = next((name for check in work.grade.checks for name in check.figures), None)
    data = read_png(work, name) if name is not None else None
    return thumbnail(data) if data is not None else None
