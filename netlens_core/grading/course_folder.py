"""What may be wrong with a course folder: no course.yaml, files that belong to no exercise, work in the wrong place.

A message says what was looked for and where, and what may have been meant.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from netlens_core.grading.plain_text import one_line
from netlens_core.grading.sheets import CourseError
from netlens_core.grading.suggestions import did_you_mean, nearest

COURSE = "course.yaml"
_ALMOST = ("course.yml", "course.yaml.txt", "course.json")
_SUBMISSIONS = (".ipynb", ".py", ".zip")
_MOST_NAMED = 5
_OF_PROGRAMS = {"__MACOSX", "__pycache__"}

_EXAMPLE = """\
A course folder holds course.yaml, and what was handed in as submitted/<student>/<exercise>/.
`netlens sample-course FOLDER` writes one to try. The smallest course.yaml:

    title: My course
    seed: 1
    networks: {target: efficientnet_lite0, jury: [efficientnet_lite1, efficientnet_lite2]}
    exercises: [activations, noise]"""


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, in order, without links, hidden ones and those that programs leave."""
    if not folder.is_dir():
        return []
    found = (entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())
    return sorted(entry for entry in found if not entry.name.startswith(".") and entry.name not in _OF_PROGRAMS)


# -- no course.yaml --------------------------------------------------------------------------------------


def refuse_no_course(folder: Path) -> None:
    """Raises CourseError for what is no course folder, with where course.yaml was found near by."""
    if folder.is_file():
        raise CourseError(
            f"{folder} is a file, not a folder: give the folder that holds {COURSE}, here {folder.parent}"
        )
    if not folder.is_dir():
        near = _near(folder.parent) if folder.parent.is_dir() else []
        found = nearest(folder.name, [place.name for place in near])
        meant = f"; did you mean {folder.parent / found}?" if found else ""
        raise CourseError(f"{folder} is not a folder: give the folder that holds {COURSE}{meant}")
    if not (folder / COURSE).exists():
        raise CourseError(f"{folder / COURSE} is missing: {_what_is_there(folder)}\n{_EXAMPLE}")


def _what_is_there(folder: Path) -> str:
    here = folder.resolve()
    names = {entry.name.casefold(): entry.name for entry in here.iterdir()}
    almost = next((names[name] for name in (COURSE, *_ALMOST) if name in names), None)
    if almost:
        return f"{here} is no course folder. There is {one_line(almost)}: its name has to be {COURSE}."
    places = [place for place in (here.parent, here.parent.parent) if (place / COURSE).is_file()] or _near(here)
    if places:
        return f"{here} is no course folder. Did you mean {' or '.join(map(str, places[:3]))}?"
    return f"{here} is no course folder, nor are the folders above and in it."


def _near(folder: Path) -> list[Path]:
    return [place for place in folders(folder) if (place / COURSE).is_file()]


# -- files of exercises that belong to none --------------------------------------------------------------


def refuse_files_of_no_exercise(folder: Path, shipped: Path) -> None:
    """Raises CourseError for a grader without its assignment, or thresholds without their exercise, in a course folder.

    Nothing would use them: an exercise's files lie together, all in the course or all in netlens.
    """
    own = {entry.name for entry in folders(folder / "assignments")}
    ships = {entry.name for entry in folders(shipped / "assignments")}
    for grader in sorted((folder / "graders").glob("test_*.py")):
        slug = grader.stem.removeprefix("test_")
        if slug not in own and b"@check" in grader.read_bytes():
            raise CourseError(_unused(grader, slug, own, ships, folder, shipped))
    for thresholds in sorted((folder / "graders").glob("*.yaml")):
        if thresholds.stem not in own | ships:
            raise CourseError(_unused(thresholds, thresholds.stem, own, ships, folder, shipped))


def _unused(file: Path, slug: str, own: Collection[str], ships: Collection[str], folder: Path, shipped: Path) -> str:
    place = folder / "assignments" / slug
    if slug in ships:
        return (
            f"{file} is not used: {place} is missing, so {slug} is the exercise that comes with netlens, with its own "
            f"grader and solutions. Copy {shipped / 'assignments' / slug} to {place}, or delete {file}"
        )
    return (
        f"{file} belongs to no exercise: {place} is missing{did_you_mean(slug, {*own, *ships})} (an exercise is "
        f"assignments/{slug}/ with exercise.yaml and template.py, graders/test_{slug}.py, reference_solutions/{slug}/)"
    )


def solutions_of_no_exercise(folder: Path, shipped: Path) -> Iterator[tuple[str, str]]:
    """Folders of reference_solutions/ that no exercise of this course folder uses: name, and why."""
    own = {entry.name for entry in folders(folder / "assignments")}
    ships = {entry.name for entry in folders(shipped / "assignments")}
    for place in folders(folder / "reference_solutions"):
        if place.name not in own:
            yield place.name, _unused(place, place.name, own, ships, folder, shipped)


# -- work in the wrong place -----------------------------------------------------------------------------


def misplaced_work(folder: Path, exercises: Collection[str], students: Collection[str] | None = None) -> list[str]:
    """What lies in submitted/ where no exercise takes it, in words: such work is not graded."""
    submitted = folder / "submitted"
    unknown: dict[str, list[str]] = {}
    loose: list[str] = []
    swapped: list[str] = []
    told = _passed_over(submitted, exercises, students)
    for place in folders(submitted):
        if (students is not None and place.name not in students) or not os.access(place, os.R_OK | os.X_OK):
            continue
        wrong = [entry.name for entry in folders(place) if entry.name not in exercises]
        if place.name in exercises and wrong:
            swapped.append(place.name)
            continue
        for name in wrong:
            unknown.setdefault(name, []).append(place.name)
        if any(_is_submission(entry) for entry in place.iterdir()):
            loose.append(place.name)
    top = [entry.name for entry in submitted.iterdir() if _is_submission(entry)] if submitted.is_dir() else []
    told += [_of_unknown(name, theirs, exercises) for name, theirs in sorted(unknown.items())]
    told += [f"submitted/{name}/ is named like an exercise, not like a student" for name in swapped]
    if loose:
        told.append(f"{_count(loose, 'student')} with files beside the exercises' folders: {_named(loose)}")
    if top and students is None:
        told.append(f"{_count(top, 'file')} in submitted/ itself: {_named(sorted(top))}")
    return told


def _passed_over(submitted: Path, exercises: Collection[str], students: Collection[str] | None) -> list[str]:
    """Folders of students whose work is never looked at for what they are, in words."""
    told = []
    for place in sorted(submitted.iterdir()) if submitted.is_dir() else []:
        if (students is not None and place.name not in students) or not place.is_dir():
            continue
        shown = f"submitted/{one_line(place.name, 60)}"
        if not os.access(place, os.R_OK | os.X_OK):
            told.append(f"{shown} cannot be read: give yourself the right to")
        elif not any((place / slug).is_dir() for slug in exercises):
            continue
        elif place.is_symlink():
            told.append(f"{shown} is a link, which is not followed: put the work itself there")
        elif place.name.startswith("."):
            told.append(f"{shown} begins with a full stop, as no student ID does: rename it")
        else:
            links = sorted(slug for slug in exercises if (place / slug).is_symlink())
            told += [f"{shown}/{slug} is a link, which is not followed: put the work itself there" for slug in links]
    return told


def _is_submission(entry: Path) -> bool:
    return entry.suffix.lower() in _SUBMISSIONS and not entry.name.startswith(".") and entry.is_file()


def _of_unknown(name: str, students: list[str], exercises: Collection[str]) -> str:
    told = f"{_count(students, 'folder')} {one_line(name, 60)!r}, which is no exercise of {COURSE}"
    return f"{told}{did_you_mean(name, exercises)} ({_named(students)})"


def _count(names: Collection[str], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(one_line(name, 60) for name in names[:_MOST_NAMED]) + more
