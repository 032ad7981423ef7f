"""A class's grades: what was handed in, what is still to be graded, and views of what is known.

Everything here is rebuilt from the course folder and the store; deleting `grades/` and `reports/` loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from netlens_core.grading.course import Course, HandedIn
from netlens_core.grading.exercise import Networks
from netlens_core.grading.files import json_bytes, write_atomically
from netlens_core.grading.grade import Grade
from netlens_core.grading.intake import find_submission_file, read_submission_file
from netlens_core.grading.marks import with_marks
from netlens_core.grading.nbgrader.views import Graded, NbgraderViews
from netlens_core.grading.pool import Work, grade_all
from netlens_core.grading.report import GradedWork, write_reports
from netlens_core.grading.store import grade_key
from netlens_core.grading.unrun import refused
from netlens_core.languages import speaking, translate


@dataclass(frozen=True)
class Entry:
    """What one student handed in for one exercise, and the key under which its grade lies."""

    student: str
    slug: str
    key: str
    work: Work
    refusal: str = ""


class Gradebook:
    """What a class handed in, joined with the grades in the store.

    Args:
        sandbox: the level that grades must have been made with.
        slug, student: look at one exercise or one student only.

    Raises CourseError where course files are missing or wrong.
    """

    def __init__(self, course: Course, sandbox: str, slug: str | None = None, student: str | None = None) -> None:
        self.course = course
        self.sandbox = sandbox
        names = course.sheet.networks
        self.networks = Networks(names.target, tuple(names.jury), course.fingerprints)
        self.exercises = {name: course.exercise(name) for name in ([slug] if slug else course.sheet.exercises)}
        self.entries = [self._entry(handed_in) for handed_in in course.handed_in(slug, student)]
        self.nbgrader = NbgraderViews(course, self.exercises)

    def _entry(self, handed_in: HandedIn) -> Entry:
        exercise = self.exercises[handed_in.slug]
        seed = self.course.seed(handed_in.student, handed_in.slug)
        with speaking(exercise.catalog):
            data, _, refusal = _handed_in(handed_in.folder, handed_in.slug)
        sha256 = hashlib.sha256(data or refusal.encode()).hexdigest()
        work = Work(
            label=f"{handed_in.student} · {handed_in.slug}",
            sha256=sha256,
            load=partial(_load, handed_in.folder, handed_in.slug),
            exercise=exercise,
            networks=self.networks,
            seed=seed,
            sandbox=self.sandbox,
        )
        key = grade_key(sha256, exercise.sha256, self.networks.fingerprints, seed, self.sandbox)
        return Entry(handed_in.student, handed_in.slug, key, work, refusal)

    def pending(self) -> list[Entry]:
        """What has no grade yet, or only one that a fault of ours left unfinished."""
        return [entry for entry in self.entries if not _settled(self.course.store.read(entry.key))]

    def damaged(self) -> list[str]:
        """Whose grades have damaged files in the store, and which; `pending` grades these again."""
        found = ((entry.work.label, self.course.store.damage(entry.key)) for entry in self.entries)
        return [f"{label}: {damage}" for label, damage in found if damage]

    def grade(self, pending: list[Entry], workers: int) -> Generator[tuple[Entry, Grade], None, None]:
        """Grade what is pending and store each grade as soon as it is there."""
        by_label = {entry.work.label: entry for entry in pending}
        for entry in pending:
            if entry.refusal:
                work = entry.work
                grade = refused(entry.refusal, work.sha256, work.exercise, work.networks, work.seed, work.sandbox)
                self.course.store.write(entry.key, grade)
                yield entry, grade
        works = [entry.work for entry in pending if not entry.refusal]
        # What may take longest comes first, so that no worker is left alone with it in the end.
        works.sort(key=lambda work: -work.exercise.sheet.limits.total_seconds)
        for work, grade in grade_all(works, workers):
            entry = by_label[work.label]
            self.course.store.write(entry.key, grade)
            yield entry, grade

    def graded(self) -> list[tuple[Entry, Grade]]:
        """Every entry that has a grade, with it, as people marked it, here or in nbgrader's formgrader."""
        found = self._unmarked()
        marks = self.nbgrader.marks(self.course.marks.read(), _as_nbgrader_shows(found))
        return [(entry, with_marks(grade, entry.student, marks)) for entry, grade in found]

    def _unmarked(self) -> list[tuple[Entry, Grade]]:
        found = ((entry, self.course.store.read(entry.key, whole=False)) for entry in self.entries)
        return [(entry, grade) for entry, grade in found if grade is not None]

    def take_over_marks(self) -> None:
        """Keep as netlens's marks what people entered in formgrader; `write_views` does so, if nobody did before."""
        self.nbgrader.take_over(_as_nbgrader_shows(self._unmarked()))

    def late_penalty(self, grade: Grade, student: str) -> float:
        """Points that lateness costs of a grade, as nbgrader's plugin of the course says; not taken off its points."""
        return self.nbgrader.late_penalty(student, grade.exercise, grade.points)

    def works(self) -> list[GradedWork]:
        """The grades as reports want them."""
        store = self.course.store
        return [
            GradedWork(
                entry.student,
                grade,
                store.picture,
                store.seconds(entry.key),
                self.late_penalty(grade, entry.student),
            )
            for entry, grade in self.graded()
        ]

    def write_views(self) -> Path:
        """Write `grades/<student>/<slug>.json`, nbgrader's gradebook and `autograded/`, and the HTML reports.

        Returns the class's page. `nbgrader.troubles` tells where the gradebook could not be read or written.
        """
        self.nbgrader.write(_as_nbgrader_shows(self._unmarked()))
        for entry, grade in self.graded():
            content = self._as_json(entry, grade)
            path = self.course.folder / "grades" / entry.student / f"{entry.slug}.json"
            write_atomically(path, json_bytes(content))
        with speaking(self.course.catalog()):
            title = translate(self.course.sheet.title)
            return write_reports(self.works(), title, self.course.folder / "reports", self.maximum())

    def maximum(self) -> dict[str, float]:
        """Exercise -> the most points that it gives."""
        return {slug: exercise.max_points for slug, exercise in self.exercises.items()}

    def as_json(self) -> list[dict[str, Any]]:
        """All grades as `netlens grade --json` prints them."""
        return [self._as_json(entry, grade) for entry, grade in self.graded()]

    def _as_json(self, entry: Entry, grade: Grade) -> dict[str, Any]:
        content = grade_json(grade, entry.student, self.course.store.times(entry.key))
        late = self.late_penalty(grade, entry.student)
        return {**content, "late_penalty": late} if late else content


def grade_json(grade: Grade, student: str, times: Mapping[str, float]) -> dict[str, Any]:
    """A grade as the JSON that commands print: the stored grade, the student, and the seconds that it took."""
    content = grade.model_dump(mode="json", exclude_none=True)
    seconds = {name: round(times.get(name, 0.0), 3) for name in grade.times}
    return {"exercise": content.pop("exercise"), "student": student, **content, **seconds}


def _as_nbgrader_shows(graded: list[tuple[Entry, Grade]]) -> list[Graded]:
    return [Graded(entry.student, entry.key, grade) for entry, grade in graded]


def _settled(grade: Grade | None) -> bool:
    return grade is not None and not any(check.fault for check in grade.checks)


def _handed_in(folder: Path, slug: str) -> tuple[bytes, str, str]:
    """Content, file name and refusal (empty, or why there is no content)."""
    found = find_submission_file(folder, slug)
    if isinstance(found, str):
        return b"", slug, found
    read = read_submission_file(found)
    return (b"", found.name, read) if isinstance(read, str) else (read, found.name, "")


def _load(folder: Path, slug: str) -> tuple[bytes, str]:
    data, name, _ = _handed_in(folder, slug)
    return data, name
