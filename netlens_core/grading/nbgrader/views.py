"""What a course's grades look like in nbgrader: its gradebook and the notebooks of `autograded/`.

Where nothing changed since the last time, nbgrader is not even imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netlens_core
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError, Exercise
from netlens_core.grading.grade import Grade
from netlens_core.grading.marks import Mark, Place
from netlens_core.grading.nbgrader.memory import Memory, file_state, work_name
from netlens_core.languages import speaking
from netlens_core.progress import activity, detail

if TYPE_CHECKING:
    from netlens_core.grading.nbgrader.book import Book
    from netlens_core.grading.nbgrader.entered import Stands
    from netlens_core.grading.nbgrader.lateness import Penalties

SERVER = ["server"]  # of what is remembered of the database: whether a server's changed cannot be told from outside


@dataclass(frozen=True)
class Graded:
    """A student's grade as netlens made it, unmarked; its key in the store; and why it is outdated, if it is."""

    student: str
    key: str
    grade: Grade
    outdated: str = ""


class NbgraderViews:
    """A course as nbgrader shows it.

    `troubles` collects, in words, what could not be read or written; netlens's own grades are safe all the same.
    """

    def __init__(self, course: Course, exercises: Mapping[str, Exercise]) -> None:
        self._course, self._exercises = course, exercises
        self.troubles: list[str] = []
        self._memory = Memory.read(course.hidden_folder)
        self._standing: Mapping[Place, Stands] | None = None  # in the gradebook; None where nothing new is there
        self._looked = self._taken_over = False
        self._opened: Book | None = None
        self._penalties: Penalties | None = None

    # -- what people entered -------------------------------------------------------------------------------

    def marks(self, marks: Mapping[Place, Mark], graded: Iterable[Graded]) -> dict[Place, Mark]:
        """The marks, with what people entered in formgrader since; as they are where the gradebook cannot be read."""
        if self._taken_over or (standing := self._read()) is None:
            return dict(marks)
        from netlens_core.grading.nbgrader.entered import marks_with_entered

        return marks_with_entered(marks, standing, self._memory.left, _by_work(graded))

    def take_over(self, graded: Iterable[Graded]) -> None:
        """Keep as netlens's marks what people entered in formgrader; once, then `netlens mark` may change them.

        Raises OSError.
        """
        if self._taken_over or (standing := self._read()) is None:
            self._taken_over = True
            return
        from netlens_core.grading.nbgrader.entered import marks_with_entered, seen

        grades = _by_work(graded)
        before = self._course.marks.read()
        found = marks_with_entered(before, standing, self._memory.left, grades)
        for place, mark in found.items():
            if before.get(place) != mark:
                self._course.marks.write(mark)
        for place in before.keys() - found.keys():
            self._course.marks.withdraw(place)
        self._memory.left |= seen(standing, self._memory.left, grades)
        self._memory.write()
        self._taken_over = True

    def _read(self) -> Mapping[Place, Stands] | None:
        """What stands in the gradebook, read once; None where it is as netlens left it, or cannot be read."""
        from netlens_core.grading.nbgrader.database import DatabaseError

        if not self._looked and not self._unchanged():
            try:
                with activity("reading nbgrader's gradebook"):
                    self._standing = self._book().read()
            except (DatabaseError, CourseError) as error:
                self._trouble(error)
        self._looked = True
        return self._standing

    def _unchanged(self) -> bool:
        """Whether the gradebook is as netlens left it, as far as that can be told without opening it."""
        if self._memory.database == SERVER:
            return False
        database, settings = self._states()
        if not self._memory.database:  # never written: there may be none yet
            return not database and not settings
        return [database, settings] == self._memory.database

    def _states(self) -> tuple[list[Any], list[Any]]:
        remembered = self._memory.database and self._memory.database != SERVER and self._memory.database[0]
        path = remembered[0] if remembered else self._course.folder / "gradebook.db"
        settings = sorted(self._course.folder.glob("*.py"))
        return file_state(Path(path)), [file_state(file) for file in settings]

    # -- what netlens writes -------------------------------------------------------------------------------

    def write(self, graded: Sequence[Graded]) -> None:
        """Write gradebook and notebooks, as far as they are not yet as they should be.

        What people entered is taken over first. What cannot be written is told in `troubles`.
        """
        from netlens_core.grading.nbgrader.database import DatabaseError

        try:
            self.take_over(graded)
        except OSError as error:
            self._trouble(error)
        if self.troubles:  # the gradebook cannot be read: what people entered there must not be written over
            return
        marks = self._course.marks.read()
        digest = self._digest(graded, marks)
        if self._unchanged() and digest == self._memory.written and all(map(self._shown, graded)):
            return
        try:
            with activity("writing nbgrader's gradebook"):
                self._write_gradebook(graded, marks)
            with activity("writing autograded/"):
                self._write_notebooks(graded)
            self._memory.written = "" if self.troubles else digest
            self._memory.write()
        except (DatabaseError, CourseError, OSError) as error:
            self._trouble(error)
            self._memory.written = ""
            with contextlib.suppress(OSError):
                self._memory.write()

    def _write_gradebook(self, graded: Sequence[Graded], marks: Mapping[Place, Mark]) -> None:
        works = [(work.student, work.grade) for work in graded]
        outdated = {(work.student, work.grade.exercise): work.outdated for work in graded if work.outdated}
        with speaking(self._course.catalog()):
            written = self._book().write(works, marks, self._memory.left, outdated)
        self.troubles += written.problems
        self._memory.left |= written.left
        server = self._book().database.path is None
        self._memory.database = SERVER if server else [] if written.newer else [written.state, self._states()[1]]
        self._memory.late = {work_name(*work): seconds for work, seconds in written.late.items()}

    def _write_notebooks(self, graded: Sequence[Graded]) -> None:
        from netlens_core.grading.nbgrader.autograded import autograded_notebook, write_autograded
        from netlens_core.grading.nbgrader.config import course_directory
        from netlens_core.grading.nbgrader.source import write_missing_source

        store, directory = self._course.store, course_directory(self._course)
        for slug in sorted({work.grade.exercise for work in graded}):
            source = Path(directory.format_path(directory.source_directory, ".", slug))
            write_missing_source(self._course, slug, source, self._book().handed_out[slug].data)
        for number, work in enumerate(graded, 1):
            detail(f"notebook {number} of {len(graded)}")
            slug, name = work.grade.exercise, work_name(work.student, work.grade.exercise)
            folder = Path(directory.format_path(directory.autograded_directory, work.student, slug))
            handed_in = self._course.folder / "submitted" / work.student / slug
            file, made_from = folder / f"{slug}.ipynb", self._made_from(work, handed_in)
            if self._memory.notebooks.get(name) == [made_from, *file_state(file)]:
                continue
            executed = store.notebook(work.key)
            with speaking(self._course.catalog(slug)):
                notebook = autograded_notebook(
                    executed,
                    work.grade,
                    self._book().handed_out[slug],
                    store.picture,
                    work.outdated,
                )
            if store.damage(work.key):  # graded again the next time; until then, what lies there is better
                continue
            released = self._course.folder / "release" / slug
            write_autograded(folder, notebook, handed_in, released, work.student, self._course.secret)
            self._memory.notebooks[name] = [made_from, *file_state(file)]

    # -- lateness ------------------------------------------------------------------------------------------

    def late_penalty(self, student: str, slug: str, points: float) -> float:
        """What lateness costs of a student's points, by nbgrader's due date and the course's plugin; 0 in time.

        Due dates and hand-ins are those of the last `netlens grade`. Raises CourseError where the plugin cannot be
        loaded.
        """
        late = self._memory.late.get(work_name(student, slug), 0.0)
        if not late:
            return 0.0
        if self._penalties is None:
            from netlens_core.grading.nbgrader.lateness import Penalties

            self._penalties = Penalties(self._course.folder)
        return self._penalties.of(student, points, late) or 0.0

    # -- what is known without nbgrader ----------------------------------------------------------------------

    def _book(self) -> Book:
        from netlens_core.grading.nbgrader.book import Book

        if self._opened is None:
            self._opened = Book(self._course, self._exercises)
        return self._opened

    def _trouble(self, error: Exception) -> None:
        place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        told = place + str(error.strerror) if isinstance(error, OSError) else str(error)
        if told not in self.troubles:
            self.troubles.append(told)

    def _shown(self, work: Graded) -> bool:
        """Whether the notebook in `autograded/` is the one that netlens left; nbgrader writes there too."""
        _, *state = self._memory.notebooks.get(work_name(work.student, work.grade.exercise)) or [""]
        return bool(state) and file_state(Path(state[0])) == state

    def _digest(self, graded: Sequence[Graded], marks: Mapping[Place, Mark]) -> str:
        submitted = self._course.folder / "submitted"
        works = [
            (work.student, self._made_from(work, submitted / work.student / work.grade.exercise)) for work in graded
        ]
        return _hashed(works, [list(vars(mark).values()) for _, mark in sorted(marks.items())])

    def _made_from(self, work: Graded, handed_in: Path) -> str:
        """A digest of everything that a notebook in `autograded/` is made from."""
        from netlens_core.grading.nbgrader.lateness import timestamp_text

        slug = work.grade.exercise
        release = self._course.folder / "release" / slug
        # What failed by a fault of ours has the same key when it is graded again.
        checks = [[check.name, check.status, check.points] for check in work.grade.checks]
        return _hashed(
            work.key, work.outdated, checks, timestamp_text(handed_in), file_state(release / f"{slug}.ipynb"), _code()
        )


def _by_work(graded: Iterable[Graded]) -> dict[tuple[str, str], Grade]:
    return {(work.student, work.grade.exercise): work.grade for work in graded}


@lru_cache(maxsize=1)
def _code() -> str:
    """SHA-256 (hex) of the code that writes these views."""
    digest = hashlib.sha256(netlens_core.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _hashed(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
