"""A new exercise: all its parts, small but whole, in the rooms where they belong; it verifies as it is.

What is written lies in `scaffold/`, laid out as a course: `SLUG` in a name, and `${slug}`, `${title}` and
`${quoted_title}` in a text, stand for the new exercise.
"""

from __future__ import annotations

import contextlib
import json
import keyword
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from string import Template

import yaml

from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.plain_text import plain
from netlens_core.grading.store import write_atomically

SCAFFOLD = Path(__file__).parent / "scaffold"
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,29}")
# Rooms of netlens itself, which a course of one's own does not need.
_IF_THERE = ("tests/exercises", "docs/exercises")


def new_exercise(course: Course, slug: str, title: str = "") -> list[Path]:
    """Write an exercise that verifies, and add it to `course.yaml`. Returns the files written.

    Raises CourseError for a name that cannot be a slug or is taken, a title that students could not read, and where
    `course.yaml` is written in a way that it cannot be added to; OSError where the folder cannot be written. Nothing is
    left behind then.
    """
    _refuse_name(slug)
    files = dict(_parts(course.folder, slug, _title(title or slug.replace("_", " ").capitalize())))
    rooms = _rooms(course.folder, slug)
    taken = [path for path in (*files, *rooms) if path.exists()]
    if slug in course.sheet.exercises or (shipped_course() / "assignments" / slug).is_dir() or taken:
        raise CourseError(f"{slug} is taken{f': there is {taken[0]}' if taken else ''}: choose another name")
    conftest = course.folder / "graders" / "conftest.py"
    if not conftest.is_file():
        files[conftest] = (shipped_course() / "graders" / "conftest.py").read_bytes()
    sheet = course.folder / "course.yaml"
    files[sheet] = with_exercise(sheet.read_bytes().decode(), slug, sheet).encode()  # last: all else is there
    try:
        for path, data in files.items():
            write_atomically(path, data)
    except BaseException:
        _take_back([path for path in files if path != sheet], rooms)
        raise
    return list(files)


def _take_back(files: list[Path], rooms: list[Path]) -> None:
    for room in rooms:
        shutil.rmtree(room, ignore_errors=True)
    for path in files:
        with contextlib.suppress(OSError):
            path.unlink()


def _title(title: str) -> str:
    words = " ".join(title.split())
    if not words or len(words) > 200 or words != plain(words, 200):
        raise CourseError("a title has 1 to 200 letters that can be seen")
    return words


def _refuse_name(slug: str) -> None:
    if not _SLUG.fullmatch(slug) or keyword.iskeyword(slug):
        raise CourseError(
            f"{slug!r} cannot be an exercise's name: one word of up to 30 lower-case letters, digits and underscores, "
            "beginning with a letter, and no word of Python's own"
        )


def _rooms(folder: Path, slug: str) -> list[Path]:
    return [folder / "assignments" / slug, folder / "reference_solutions" / slug, folder / "graders" / f"{slug}.yaml"]


def _parts(folder: Path, slug: str, title: str) -> Iterator[tuple[Path, bytes]]:
    for part in sorted(SCAFFOLD.rglob("*.in")):
        name = part.relative_to(SCAFFOLD).as_posix().removesuffix(".in")
        if name.startswith(_IF_THERE) and not (folder / name).parent.is_dir():
            continue
        quoted = json.dumps(title, ensure_ascii=False)  # as YAML and gettext catalogs quote, too
        text = Template(part.read_text(encoding="utf-8")).substitute(slug=slug, title=title, quoted_title=quoted)
        yield folder / name.replace("SLUG", slug), text.encode()


def with_exercise(text: str, slug: str, path: Path) -> str:
    """The text of a `course.yaml` with an exercise added at the end of its list; every other letter stays."""
    before = yaml.safe_load(text)
    after = {**before, "exercises": [*before["exercises"], slug]}
    for changed in _additions(text, slug):
        try:
            if yaml.safe_load(changed) == after:
                return changed
        except yaml.YAMLError:
            continue
    raise CourseError(f"{path}: could not add {slug} to its list of exercises; write it as exercises: [one, two]")


def _additions(text: str, slug: str) -> Iterator[str]:
    """The text with the exercise added where lists end, in brackets or as lines that begin with a dash."""
    key = re.search(r"^exercises *:", text, re.MULTILINE)
    if not key:
        return
    for bracket in re.finditer(r"(,?)(\s*)\]", text[key.end() :]):
        start = key.end() + bracket.start()
        yield f"{text[:start]}, {slug}{bracket[1]}{bracket[2]}{text[start + len(bracket[1] + bracket[2]) :]}"
    for item in re.finditer(r"^( *)- .*$", text[key.end() :], re.MULTILINE):
        end = key.end() + item.end()
        yield f"{text[:end]}\n{item[1]}- {slug}{text[end:]}"
