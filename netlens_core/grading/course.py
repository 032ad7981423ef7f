"""A course on disk: `course.yaml`, its exercises, and what students handed in; laid out as nbgrader lays it out.

course.yaml                            target network, jury, seed, order of exercises
submitted/<student>/<slug>/…           one notebook, Python file or zip each
assignments/  graders/                 the exercises; those that netlens ships need not be copied
release/<slug>/…                       made by `netlens release`
.netlens/                              secret, grades, pictures, hidden inputs: never handed out
reports/  grades/                      views of the grades, rebuilt at will
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

import netlens_core
from netlens_core.grading.course_folder import COURSE, refuse_files_of_no_exercise
from netlens_core.grading.exercise import CourseError, Exercise, asks_for, in_language, read_exercise
from netlens_core.grading.files import (
    PRIVATE,
    close_to_others,
    make_private_folder,
    read_regular_file,
    refuse_foreign_folder,
    write_atomically,
    write_once,
)
from netlens_core.grading.inputs import CourseNetworks, with_materials, with_recipes
from netlens_core.grading.marks import Marks
from netlens_core.grading.public_course import PublicCourse, shipped_course
from netlens_core.grading.restoring import code_of
from netlens_core.grading.store import Store
from netlens_core.grading.templates import about_network
from netlens_core.grading.thresholds import Threshold, read_thresholds, requirements, thresholds_path
from netlens_core.own_inputs import student_seed
from netlens_core.progress import activity


@dataclass(frozen=True)
class HandedIn:
    """A folder in which a student handed in one exercise."""

    student: str
    slug: str
    folder: Path


def cache_folder() -> Path:
    """Where forged noise and fingerprints are kept between runs (NETLENS_CACHE sets another place)."""
    return Path(os.environ.get("NETLENS_CACHE") or user_cache_path("netlens"))


class Course(PublicCourse):
    """A course folder; secret, grades and hidden inputs lie in `hidden_folder` (`.netlens` in it by default).

    Raises CourseError where its files are missing or wrong.
    """

    def __init__(self, folder: Path, hidden_folder: Path | None = None) -> None:
        super().__init__(folder)
        refuse_files_of_no_exercise(folder, shipped_course())
        self.hidden_folder = hidden_folder or folder / ".netlens"

    @classmethod
    def shipped(cls) -> Course:
        """The course that comes with netlens; its secret and inputs lie in the user's cache."""
        return cls(shipped_course(), cache_folder() / "shipped")

    # -- its parts -----------------------------------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        """The grades."""
        return Store(self.hidden_folder)

    @property
    def marks(self) -> Marks:
        """What people gave for written answers."""
        return Marks(self.hidden_folder)

    def known_secret(self) -> str:
        """The secret; empty where none was made yet. Raises CourseError for a damaged one."""
        path = self.hidden_folder / "secret"
        try:
            return read_regular_file(path).strip().decode()
        except FileNotFoundError:
            return ""
        except PermissionError:
            refuse_foreign_folder(self.hidden_folder)
            raise
        except UnicodeDecodeError:
            raise CourseError(
                f"{path} is damaged: take it from a backup (another secret gives everybody other hidden inputs)"
            ) from None

    @cached_property
    def secret(self) -> str:
        """What hidden inputs derive from; made at the first use and never handed out. Raises as `known_secret`."""
        close_to_others(self.hidden_folder)
        if known := self.known_secret():
            return known
        make_private_folder(self.hidden_folder)
        write_once(self.hidden_folder / "secret", secrets.token_hex(32).encode(), PRIVATE)
        return self.known_secret()

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Name -> SHA-256 of the weights installed here, for target and jury.

        Raises CourseError where the course was released with other weights.
        """
        names = [self.sheet.networks.target, *self.sheet.networks.jury]
        here = {name: fingerprint(name, cache_folder()) for name in names}
        for name, released in self.released_fingerprints().items():
            if here.get(name, released) != released:
                raise CourseError(
                    f"{name} has other weights here ({here[name][:12]}) than when {self.folder} was released "
                    f"({released[:12]}): install those weights, or release the course again"
                )
        return here

    def released_fingerprints(self) -> dict[str, str]:
        """The fingerprints in `release/release.json`; empty before the first release."""
        path = self.folder / "release" / "release.json"
        try:
            networks = json.loads(path.read_text())["networks"]
            return {str(name): str(value) for name, value in networks.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CourseError(f"{path} is damaged ({error}): run `netlens release {self.folder}`") from None

    def exercise(self, slug: str, thresholds: Mapping[str, Mapping[str, Any]] | None = None) -> Exercise:
        """One exercise with its hidden and course-wide inputs made. Raises CourseError for an unknown one.

        `thresholds` stands in for those that were calibrated, while they are.
        """
        forged_with = self.forging_networks().fingerprint
        return self.with_inputs(self.exercise_to_grade(slug, forged_with, self.secret, thresholds))

    def released_exercise(self, slug: str) -> Exercise:
        """As `exercise`, without hidden inputs: they are made when submissions are graded."""
        return self.with_inputs(self.plain_exercise(slug), ("course",))

    def with_inputs(self, exercise: Exercise, whose: tuple[str, ...] = ("course", "hidden")) -> Exercise:
        """An exercise with its hidden and course-wide inputs made, or read where they were made before."""
        cache = self.hidden_folder / "inputs"
        with activity(exercise.slug):
            return with_materials(exercise, self.sheet.seed, self.secret, self.forging_networks(), cache, whose)

    def exercise_to_grade(
        self, slug: str, forged_with: str, secret: str, thresholds: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Exercise:
        """As `exercise`, its inputs not yet made: known by their recipes, which is enough to tell a grade's key.

        Args:
            forged_with: the fingerprints of the networks that noise is forged with.
            secret: what hidden inputs derive from.
        """
        return with_recipes(self.plain_exercise(slug, thresholds), self.sheet.seed, secret, forged_with)

    def plain_exercise(self, slug: str, thresholds: Mapping[str, Mapping[str, Any]] | None = None) -> Exercise:
        """As `exercise`, its inputs not yet made."""
        self.refuse_unknown(slug)
        root = self.root(slug)
        read = read_exercise(slug, root / "assignments", root / "graders")
        if not self.sheet.networks.jury and asks_for(read, "jury"):
            raise CourseError(
                f"{self.folder / COURSE} has no jury, and the grader of {slug} asks for one: name networks that stand "
                "for people's eyes, as in networks: {target: "
                f"{self.sheet.networks.target}, jury: [efficientnet_lite1, efficientnet_lite2]}}"
            )
        exercise = replace(
            read,
            thresholds=self.thresholds(slug) if thresholds is None else thresholds,
            template=self._template_code(slug),
        )
        return in_language(exercise, self.catalog(slug))

    def _template_code(self, slug: str) -> bytes:
        """What submissions are restored by: the template's code for the course's target; empty without a template."""
        try:
            template = self.template(slug).read_bytes()
        except FileNotFoundError:
            return b""
        return code_of(about_network(template, self.sheet.networks.target))

    def thresholds(self, slug: str) -> dict[str, dict[str, Any]]:
        """What an exercise's grader requires on this course's target network, as calibrated. Raises CourseError."""
        path = thresholds_path(self._calibrations(slug), slug)
        return requirements(self.threshold_sheet(slug), self.sheet.networks.target, path, slug)

    def threshold_sheet(self, slug: str) -> dict[str, Threshold]:
        """An exercise's calibrated thresholds on every network: those measured in this course, or those shipped."""
        return read_thresholds(self._calibrations(slug), slug)

    def threshold_text(self, slug: str) -> str:
        """The file that `threshold_sheet` reads; empty where there is none."""
        path = thresholds_path(self._calibrations(slug), slug)
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def _calibrations(self, slug: str) -> Path:
        own = self.folder / "graders"
        return own if thresholds_path(own, slug).is_file() else self.root(slug) / "graders"

    def about(self, target: str) -> Course:
        """The same course with another target network."""
        other = Course(self.folder, self.hidden_folder)
        networks = self.sheet.networks.model_copy(update={"target": target})
        other.sheet = self.sheet.model_copy(update={"networks": networks})
        return other

    def forging_networks(self) -> CourseNetworks:
        """The networks that noise is forged with."""
        return CourseNetworks(self.sheet.networks.target, self.sheet.networks.jury, self.fingerprints)

    def seed(self, student: str, slug: str) -> int:
        """The seed of a student's inputs for an exercise."""
        return student_seed(self.sheet.seed, student, slug)

    # -- what was handed in --------------------------------------------------------------------------

    def handed_in(
        self, slugs: Collection[str] | None = None, students: Collection[str] | None = None
    ) -> Iterator[HandedIn]:
        """Every folder `submitted/<student>/<slug>/`, students in order, exercises as the course orders them.

        Links are passed over: a submission lies in the course folder itself.

        Args:
            slugs, students: only these; None for all.
        """
        for folder in self._student_folders():
            if students is not None and folder.name not in students:
                continue
            for name in self.sheet.exercises:
                place = folder / name
                if (slugs is None or name in slugs) and _is_folder(place):
                    yield HandedIn(folder.name, name, place)

    def students(self) -> list[str]:
        """Names of all students who handed in anything."""
        return [folder.name for folder in self._student_folders()]

    def _student_folders(self) -> list[Path]:
        submitted = self.folder / "submitted"
        if not submitted.is_dir():
            raise CourseError(
                f"{submitted} is missing: put what students handed in into submitted/<student>/<exercise>/"
            )
        return sorted(
            entry
            for entry in submitted.iterdir()
            if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".")
        )


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir() and not place.is_symlink()
    except PermissionError:  # that of the folder above, which `course_folder.misplaced_work` tells
        return False


def fingerprint(name: str, cache: Path) -> str:
    """SHA-256 of a network's weights; remembered as long as the weight file and our reading of it stay the same.

    The memory spares `netlens grade` from importing torch where nothing changed.
    """
    networks_source = Path(netlens_core.__file__).parent / "networks.py"
    code = hashlib.sha256(networks_source.read_bytes()).hexdigest()[:16]
    memory = cache / "fingerprints" / f"{hashlib.sha256(f'{name} {code}'.encode()).hexdigest()[:24]}.json"
    try:
        known = json.loads(memory.read_text())
        if _state(Path(known["path"])) == known["state"]:
            return str(known["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    with activity(f"reading the weights of {name}"):
        from netlens_core.networks import load_network, network_source

        value, path = load_network(name, device="cpu").fingerprint, network_source(name).path
    content = {"fingerprint": value, "path": str(path), "state": _state(path)}
    write_atomically(memory, json.dumps(content).encode())
    return value


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
