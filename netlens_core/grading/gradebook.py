"""A class's grades: what was handed in, what is still to be graded, and views of what is known.

Views show the last grade of each student and exercise, whatever determines grades today. Everything here is rebuilt
from the course folder and the store; deleting `grades/` and `reports/` loses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from netlens_core import NetlensError
from netlens_core.grading.changes import (
    ASKED_FOR,
    GONE,
    HAND_IN_UNREADABLE,
    NO_WEIGHTS,
    NOT_LISTED,
    UNREADABLE,
    Change,
    LastChanges,
    Reason,
    in_words,
)
from netlens_core.grading.course import Course, HandedIn
from netlens_core.grading.entries import Entry, Standing, Standings, ended, settled
from netlens_core.grading.exercise import CourseError, Exercise, Networks
from netlens_core.grading.files import json_bytes, write_atomically
from netlens_core.grading.grade import Grade
from netlens_core.grading.grade_key import Parts, determinants, grading_code, key_of, running_key
from netlens_core.grading.hand_ins import HandInError, HandIns
from netlens_core.grading.history import Graded, History, Origins, Place, grades_without_history
from netlens_core.grading.marks import with_marks
from netlens_core.grading.nbgrader.views import Graded as ShownInNbgrader
from netlens_core.grading.nbgrader.views import NbgraderViews
from netlens_core.grading.plain_text import plain
from netlens_core.grading.pool import Work, grade_all
from netlens_core.grading.report import GradedWork, write_reports
from netlens_core.grading.returned import Records
from netlens_core.grading.suggestions import did_you_mean
from netlens_core.grading.unrun import refused
from netlens_core.languages import N_, speaking, translate

_MOST_NAMED = 12


class Gradebook:
    """What a class handed in, joined with the grades in the store.

    Args:
        sandbox: the level that grades must have been made with.
        slugs, students: look at these exercises or students only; None for all.
        writes: whether anything may be written. Views are only written by `write_views`, grades by `grade`.

    `changes` collects the points that grading changed. Raises CourseError where course.yaml is wrong, and for an
    exercise or a student that nobody knows.
    """

    def __init__(
        self,
        course: Course,
        sandbox: str,
        slugs: Collection[str] | None = None,
        students: Collection[str] | None = None,
        writes: bool = True,
    ) -> None:
        self.course = course
        self.sandbox = sandbox
        self._problems: list[str] = []
        self.changes: list[Change] = []
        self._slugs, self._students, self._writes = slugs, students, writes
        self._unread: dict[Place, str] = {}
        self._graded_any = False
        self._to_run: set[str] = set()  # keys of what was asked for although it is known
        self._records = Records(course.hidden_folder)
        names = course.sheet.networks
        self._weights_problem: NetlensError | None = None
        self.networks = Networks(names.target, tuple(names.jury), self._fingerprints())
        self.exercises = self._exercises()
        self._base_parts: dict[str, Mapping[str, str]] = {}
        self._prepared: dict[str, Exercise | NetlensError] = {}
        self.origins = Origins(course.store)
        self.history = History(course.hidden_folder)
        self._hand_ins = HandIns(course.hidden_folder)
        if not self.history.exists and (older := self._older_grades()):
            self.history.adopt(older, write=writes)
        self._refuse_unknown_students()
        self._finder = Standings(course.store, self.origins)
        self._standings: list[Standing] | None = None
        self.entries = self._entries()
        self.nbgrader = NbgraderViews(course, self.exercises)

    @property
    def problems(self) -> list[str]:
        """What cannot be read or was not graded, in words for course staff."""
        whose: dict[str, list[str]] = {}
        for (student, slug), why in self._unread.items():
            whose.setdefault(why, []).append(f"{student} · {slug}")
        unread = [
            f"{names[0]}{f' and {len(names) - 1} more were' if names[1:] else ' was'} not graded: {why}"
            for why, names in whose.items()
        ]
        return [*self._problems, *unread]

    # -- what there is ---------------------------------------------------------------------------------------

    def _fingerprints(self) -> dict[str, str]:
        """The networks' weights; none where they are not here: what was graded is shown all the same."""
        try:
            return self.course.fingerprints
        except NetlensError as error:
            self._weights_problem = error
            return {}

    def _exercises(self) -> dict[str, Exercise]:
        """The exercises that can be read, as far as they were asked for."""
        course, found = self.course, {}
        for slug in self._slugs or ():
            course.refuse_unknown(slug)
        forged_with = "" if self._weights_problem else course.forging_networks().fingerprint
        secret = course.secret if self._writes else course.known_secret()
        for slug in course.sheet.exercises:
            if self._slugs is None or slug in self._slugs:
                try:
                    found[slug] = course.exercise_to_grade(slug, forged_with, secret)
                except NetlensError as error:
                    self._problems.append(str(error))
        return found

    def _older_grades(self) -> dict[Place, list[Graded]]:
        """The grades of a store that has no history: a netlens of before made them, or somebody lost it."""
        course = self.course
        folders = [*(course.folder / "submitted").glob("*"), *(course.folder / "grades").glob("*")]
        students = sorted({folder.name for folder in folders})
        slugs = {*course.sheet.exercises, *(path.stem for path in (course.folder / "grades").glob("*/*.json"))}
        whose = {(slug, course.seed(student, slug)): student for slug in slugs for student in students}
        return grades_without_history(course.store, whose)

    def _entries(self) -> list[Entry]:
        """Everybody's work for every exercise: what lies there, then what was graded and lies there no longer."""
        found = {entry.place: entry for entry in map(self._entry, self._handed_in())}
        for place, history in self.history.all().items():
            if place not in found and self._wanted(place):
                found[place] = self._kept(*place, GONE, history)
        order = {slug: number for number, slug in enumerate(self.course.sheet.exercises)}
        return sorted(found.values(), key=lambda entry: (entry.student, order.get(entry.slug, len(order)), entry.slug))

    def _handed_in(self) -> list[HandedIn]:
        try:
            return list(self.course.handed_in(self._slugs, self._students))
        except CourseError:
            if not self.history.all():
                raise
            return []  # submitted/ is away: what was graded is shown all the same

    def _wanted(self, place: Place) -> bool:
        student, slug = place
        return (self._slugs is None or slug in self._slugs) and (self._students is None or student in self._students)

    def _refuse_unknown_students(self) -> None:
        if self._students is None:
            return
        try:
            handed_in = self.course.students()
        except CourseError:
            handed_in = []
        known = sorted({*handed_in, *(student for student, _ in self.history.all())})
        for student in self._students:
            if student not in known:
                more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
                listed = f"{', '.join(known[:_MOST_NAMED])}{more}"
                meant = did_you_mean(student, known)
                raise CourseError(plain(f"{student!r} handed in nothing; students: {listed}{meant}", 2000))

    def _kept(self, student: str, slug: str, obstacle: Reason, history: Sequence[Graded]) -> Entry:
        """An entry of which nothing can be graded, but which may have been graded."""
        reason = NOT_LISTED if slug not in self.course.sheet.exercises else obstacle
        return Entry(student, slug, obstacle=reason, history=history)

    def _entry(self, handed_in: HandedIn) -> Entry:
        student, slug = handed_in.student, handed_in.slug
        history = self.history.of((student, slug))
        exercise = self.exercises.get(slug)
        if exercise is None:
            return self._kept(student, slug, UNREADABLE, history)
        try:
            with speaking(exercise.catalog):
                found = self._hand_ins.look(handed_in.folder, slug)
        except HandInError as error:
            self._unread[student, slug] = str(error)
            return self._kept(student, slug, HAND_IN_UNREADABLE, history)
        if found.empty and any(graded.status != "refused" for graded in history):
            return self._kept(student, slug, GONE, history)
        if self._weights_problem:
            return self._kept(student, slug, NO_WEIGHTS, history)
        seed = self.course.seed(student, slug)
        parts = {**self._parts(exercise), "submission": found.sha256, "seed": str(seed)}
        entry = Entry(student, slug, key_of(parts), None, found.refusal, parts, None, history)
        load = partial(self._load, (student, slug), handed_in.folder)
        work = Work(
            entry.label,
            found.sha256,
            load,
            exercise,
            self.networks,
            seed,
            self.sandbox,
            prepare=partial(self._with_inputs, (student, slug)),
            returned=partial(self._returned, entry.key, parts, exercise),
            keep_returned=self.course.sheet.keep_returned,
        )
        return replace(entry, work=work)

    def _parts(self, exercise: Exercise) -> Mapping[str, str]:
        """What determines all grades of an exercise, the same for every student."""
        if exercise.slug not in self._base_parts:
            everybody = determinants("", exercise, self.networks.fingerprints, 0, self.sandbox)
            self._base_parts[exercise.slug] = everybody
        return self._base_parts[exercise.slug]

    # -- grading ---------------------------------------------------------------------------------------------

    def due(self, again: Collection[Entry] = ()) -> list[tuple[Entry, tuple[Reason, ...]]]:
        """What has to be graded, and why: what has no grade yet by what determines grades now, or only one that a fault
        of ours left unfinished, and what is asked for `again`.

        Raises NetlensError where networks' weights are missing, or none of the exercises can be read.
        """
        if self._weights_problem:
            raise self._weights_problem
        if not self.exercises and self._problems:
            raise CourseError("; ".join(self._problems))
        asked = {entry.place for entry in again}
        found = []
        for entry in self.entries:
            reasons = self._finder.due(entry)
            if entry.key and entry.place in asked:
                reasons = (*reasons, ASKED_FOR)
            if reasons:
                found.append((entry, reasons))
        return found

    def pending(self) -> list[Entry]:
        """What has to be graded. Raises as `due`."""
        return [entry for entry, _ in self.due()]

    def asked_again(self, ends: Collection[str] = ()) -> list[Entry]:
        """What can be graded anew although its grade is known, or of that what ended in one of these ways: "refused",
        "timed_out", "crashed", "out_of_memory" (the notebook or one of its calls), "internal_error"."""
        found = [one for one in self.standings() if one.entry.key]
        return [one.entry for one in found if not ends or ended(one) & set(ends)]

    def damaged(self) -> list[str]:
        """Whose grades have damaged files in the store, and which; `pending` grades these again."""
        found = ((entry.label, self.course.store.damage(entry.key)) for entry in self.entries if entry.key)
        return [f"{label}: {damage}" for label, damage in found if damage]

    def grade(
        self, pending: Sequence[Entry], workers: int, again: Collection[Entry] = ()
    ) -> Generator[tuple[Entry, Grade], None, None]:
        """Grade what is pending and store each grade as soon as it is there.

        A hand-in that cannot be read when its turn comes gets no grade: `problems` tells, and its last grade stays.
        `again` are those among them that were asked for although their grade is known.
        """
        asked = {entry.place for entry in again}
        by_label = {entry.label: entry for entry in pending}
        self._to_run = {entry.key for entry in again}
        try:
            for entry in pending:
                if entry.refusal and entry.work is not None:
                    work = entry.work
                    grade = refused(entry.refusal, work.sha256, work.exercise, work.networks, work.seed, work.sandbox)
                    self._keep(entry, grade, entry.place in asked)
                    yield entry, grade
            works = [entry.work for entry in pending if entry.work is not None and not entry.refusal]
            # What may take longest comes first, so that no worker is left alone with it in the end.
            works.sort(key=lambda work: -work.exercise.sheet.limits.total_seconds)
            for work, grade in grade_all(works, workers):
                entry = by_label[work.label]
                if entry.place not in self._unread:
                    self._keep(entry, grade, entry.place in asked)
                    yield entry, grade
        finally:
            self._standings, self.entries = None, self._entries()
            self._hand_ins.save()
            if self.course.sheet.keep_returned:
                self._records.make_room()
            else:
                self._records.clear()

    def _load(self, place: Place, folder: Path) -> tuple[bytes, str]:
        try:
            with speaking(self.exercises[place[1]].catalog):
                return self._hand_ins.load(folder, place[1])
        except HandInError as error:
            self._unread[place] = str(error)
            raise

    def _with_inputs(self, place: Place, exercise: Exercise) -> Exercise:
        """The exercise with its inputs made: when the turn of its first submission comes."""
        if exercise.slug not in self._prepared:
            try:
                self._prepared[exercise.slug] = self.course.with_inputs(exercise)
            except NetlensError as error:  # it would fail for everybody, and forging takes half a minute
                self._prepared[exercise.slug] = error
        made = self._prepared[exercise.slug]
        if isinstance(made, NetlensError):
            self._unread[place] = str(made)
            raise made
        return made

    def _returned(self, key: str, parts: Parts, exercise: Exercise) -> bytes:
        """What a submission returned before; nothing where it is to run again, or where that is not kept."""
        if key in self._to_run or not self.course.sheet.keep_returned:
            return b""
        return self._records.read(running_key(parts, exercise))

    def _keep(self, entry: Entry, grade: Grade, asked: bool) -> None:
        """Store a grade under the key of the very bytes that were graded, which may be others than those listed."""
        assert entry.work is not None
        parts = {**entry.parts, "submission": grade.submission_sha256}
        now = replace(entry, key=key_of(parts), parts=parts)
        before = self._finder.of(replace(entry, key=""))
        reasons = self._finder.due(now)
        if before is not None and not reasons:
            reasons = self._finder.differences(now, before.key, before.grade)
        if asked:
            reasons = (*reasons, ASKED_FOR)
        self.origins.write(now.key, parts, grading_code(entry.work.exercise))
        self.course.store.write(now.key, grade)
        self._finder.forget(now.key)
        if grade.returned:
            self._records.write(running_key(parts, entry.work.exercise), grade.returned)
        self._tell(now, grade, before, reasons)

    def _tell(self, entry: Entry, grade: Grade, before: Standing | None, reasons: tuple[Reason, ...]) -> None:
        """Write an entry's new grade into its history, and notice where its points changed."""
        graded = Graded.of(entry.key, grade, map(str, reasons))
        self.history.append(entry.place, graded)
        self._graded_any = True
        if before is not None and before.grade.points != grade.points and settled(grade):
            told = reasons or (Reason(N_("graded again")),)
            self.changes.append(Change(entry.student, entry.slug, before.grade.points, grade.points, told))

    def remember(self) -> None:
        """Write down which grades are the last ones where that changed without grading: an earlier version of a hand-in
        was handed in once more, say, or another version of netlens graded meanwhile. Raises OSError."""
        for entry in self.entries:
            grade = self._finder.current(entry)
            if grade is not None and (not entry.history or entry.history[-1].key != entry.key) and settled(grade):
                before = self._finder.of(replace(entry, key=""))
                reasons = self._finder.differences(entry, before.key, before.grade) if before else ()
                self._tell(entry, grade, before, reasons)
        self._standings, self.entries = None, self._entries()

    def keep_changes(self) -> None:
        """Keep for later views what this run changed, if it graded anything. Raises OSError."""
        if self._graded_any:
            LastChanges(self.course.hidden_folder).write(self.changes)

    # -- what is known ---------------------------------------------------------------------------------------

    def standings(self) -> list[Standing]:
        """The last grade of every entry that ever had one, as netlens made it."""
        if self._standings is None:
            self._standings = [found for entry in self.entries if (found := self._finder.of(entry))]
        return self._standings

    def marked(self) -> list[Standing]:
        """The last grades as people marked them, here or in nbgrader's formgrader."""
        found = self.standings()
        marks = self.nbgrader.marks(self.course.marks.read(), self._as_nbgrader_shows(found))
        return [replace(one, grade=with_marks(one.grade, one.entry.student, marks)) for one in found]

    def graded(self) -> list[tuple[Entry, Grade]]:
        """Every entry that has a grade, with it, as people marked it."""
        return [(one.entry, one.grade) for one in self.marked()]

    def take_over_marks(self) -> None:
        """Keep as netlens's marks what people entered in formgrader; `write_views` does so, if nobody did before."""
        self.nbgrader.take_over(self._as_nbgrader_shows(self.standings()))

    def late_penalty(self, grade: Grade, student: str) -> float:
        """Points that lateness costs of a grade, as nbgrader's plugin of the course says; not taken off its points."""
        return self.nbgrader.late_penalty(student, grade.exercise, grade.points)

    def works(self) -> list[GradedWork]:
        """The grades as reports want them."""
        store = self.course.store
        return [
            GradedWork(
                one.entry.student,
                one.grade,
                store.picture,
                store.seconds(one.key),
                self.late_penalty(one.grade, one.entry.student),
                in_words(one.outdated),
                store.tries(one.key),
            )
            for one in self.marked()
        ]

    def outdated(self) -> list[Standing]:
        """Last grades that are not those that grading would give now."""
        return [one for one in self.standings() if one.outdated]

    def write_views(self) -> Path:
        """Write `grades/<student>/<slug>.json`, nbgrader's gradebook and `autograded/`, and the HTML reports.

        Returns the class's page. `nbgrader.troubles` tells where the gradebook could not be read or written.
        """
        self._hand_ins.save()
        self.nbgrader.write(self._as_nbgrader_shows(self.standings()))
        for one in self.marked():
            path = self.course.folder / "grades" / one.entry.student / f"{one.entry.slug}.json"
            write_atomically(path, json_bytes(self._as_json(one)))
        changes = LastChanges(self.course.hidden_folder).read()
        with speaking(self.course.catalog()):
            title = translate(self.course.sheet.title)
            return write_reports(self.works(), title, self.course.folder / "reports", self.maximum(), changes)

    def maximum(self) -> dict[str, float]:
        """Exercise -> the most points that it gives."""
        return {slug: exercise.max_points for slug, exercise in self.exercises.items()}

    def as_json(self) -> list[dict[str, Any]]:
        """All grades as `netlens grade --json` prints them: those whose points this run changed tell it."""
        changed = {(change.student, change.exercise): change.as_json() for change in self.changes}
        printed = []
        for one in self.marked():
            content = self._as_json(one)
            if change := changed.get(one.entry.place):
                content["changed"] = {name: change[name] for name in ("before", "after", "why")}
            printed.append(content)
        return printed

    def _as_json(self, one: Standing) -> dict[str, Any]:
        content = grade_json(one.grade, one.entry.student, self.course.store.times(one.key))
        if late := self.late_penalty(one.grade, one.entry.student):
            content["late_penalty"] = late
        if one.outdated:
            content["outdated"] = [str(reason) for reason in one.outdated]
        return content

    def _as_nbgrader_shows(self, found: Sequence[Standing]) -> list[ShownInNbgrader]:
        """Grades of exercises that can be read: nbgrader's cells come from them. What it has of others stays."""
        with speaking(self.course.catalog()):
            return [
                ShownInNbgrader(one.entry.student, one.key, one.grade, in_words(one.outdated))
                for one in found
                if one.entry.slug in self.exercises
            ]


def grade_json(grade: Grade, student: str, times: Mapping[str, float]) -> dict[str, Any]:
    """A grade as the JSON that commands print: the stored grade, the student, and the seconds that it took."""
    content = grade.model_dump(mode="json", exclude_none=True)
    seconds = {name: round(times.get(name, 0.0), 3) for name in grade.times}
    return {"exercise": content.pop("exercise"), "student": student, **content, **seconds}
