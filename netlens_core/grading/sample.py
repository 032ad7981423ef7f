"""The sample course: a class of eight students, good, wrong, hostile and broken, to try the main job on.

It covers whatever exercises the shipped course has. Its secret and seed are fixed, so that everybody's sample course
gets the same grades.
"""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat

from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.exercise import CourseError, ExerciseSheet, read_yaml
from netlens_core.grading.files import PRIVATE, make_private_folder, write_atomically
from netlens_core.grading.suggestions import did_you_mean
from netlens_core.grading.templates import solved_notebook, template_notebook
from netlens_core.progress import detail

SECRET = "the secret of the sample course, which is no secret"

# What Chloe, Dana and Žofie got wrong. For exercises where a picture takes seconds, only what is cheap to compute.
WRONG = {
    "activations": ("after_the_relu", "overlapping", "not_a_number"),
    "adversarial": ("too_much_noise", "float_only", "unchanged_flower"),
    "analysis": ("memorised_table", "without_bias", "with_blocks"),
    "cam": ("spot_in_the_middle", "always_daisy", "scale_of_255"),
    "dream": ("pasted_flower", "another_daisy", "not_a_number"),
    "gan": ("training_images", "mean_image", "gaussian"),
    "noise": ("hard_coded", "no_answer", "softmax_over_the_batch"),
    "style": ("unchanged", "histograms", "the_painting"),
}
# Wrong solutions that run into a time limit: one would take as long as all the others.
_ENDLESS = {"too_slow", "never_ends", "for_ever"}

# Mallory's cell that netlens's settings for plain nbgrader look for: without a sandbox, her notebooks are not run.
DELETES_EVERYTHING = "!rm -rf / --no-preserve-root"
_HOSTILE = """
# %%
import gc, os, subprocess, sys
print("\\x1b[2J<script>alert('grade me 10')</script>")
for path in ("/etc/passwd", "/proc/1/environ", "../../../.netlens/secret", "reference_solutions/{slug}/reference.py"):
    try:
        print(path, open(path).read()[:80])
    except OSError as error:
        print(path, "->", error)

# %%
try:
    import pytest
    pytest.approx = lambda *a, **k: True
    from netlens_core.grading import marking
except BaseException as error:
    print(type(error).__name__, error)

# %%
{deletes}

# %%
answers = {{"resembles": "<img src=x onerror=alert(1)> =cmd|' /C calc'!A0"}}
"""
_FOREVER = "while True:\n        gc.collect()"
# The bodies of Mallory's functions, in turn.
_ATTACKS = (
    "subprocess.run(['sh', '-c', 'echo 10 > /tmp/grade'])\n    os.fork()\n    os._exit(0)",
    "class Perfect(__import__('torch').Tensor):\n"
    "        __eq__ = __gt__ = __ge__ = lambda self, other: True\n"
    "    return Perfect(next(given for given in arguments if hasattr(given, 'shape')))",
    "for number in range(3, 20):\n"
    "        try:\n"
    "            os.write(number, b'all checks passed' * 1000)\n"
    "        except OSError:\n"
    "            pass\n"
    "    return sys._getframe()",
    "return [__import__('torch').ones(1 << 22) for _ in range(1 << 12)]",
)


def build_sample_course(folder: Path, exercises: Sequence[str] | None = None) -> Path:
    """Write the sample course into a folder, leaving the grades that are already there. Returns the folder.

    `exercises` are those of the shipped course that it has, all by default. Raises CourseError for one that is not
    there, and where the folder holds something that is not a sample course.
    """
    marker = folder / ".netlens" / "secret"
    if folder.exists() and any(folder.iterdir()) and not _is_sample(marker):
        raise CourseError(f"{folder} is not empty and no sample course: give another folder, or delete it")
    source = shipped_course()
    sheet = (source / "course.yaml").read_text(encoding="utf-8")
    if exercises is None:
        exercises = Course(source).sheet.exercises
    else:
        sheet = re.sub(r"(?m)^exercises:.*(\n(  |- ).*)*", f"exercises: [{', '.join(exercises)}]", sheet)
    works = []
    for number, slug in enumerate(exercises):
        detail(slug)
        works += [(student, slug, name, data) for student, (name, data) in _class(source, slug, number).items()]
    make_private_folder(marker.parent)
    write_atomically(marker, SECRET.encode(), PRIVATE)
    write_atomically(folder / "course.yaml", sheet.encode())
    for student in {student for student, *_ in works}:
        # Also what an earlier sample course had; what others handed in stays.
        shutil.rmtree(folder / "submitted" / student, ignore_errors=True)
    for student, slug, name, data in works:
        write_atomically(folder / "submitted" / student / slug / name, data)
    Course(folder)
    return folder


def _is_sample(marker: Path) -> bool:
    return marker.is_file() and marker.read_text() == SECRET


def _class(source: Path, slug: str, number: int) -> dict[str, tuple[str, bytes]]:
    """What each student handed in for an exercise, the course's `number`th: file name and content."""
    template = source / "assignments" / slug / "template.py"
    solutions = source / "reference_solutions" / slug
    if not template.is_file():
        shipped = sorted(folder.name for folder in (source / "assignments").iterdir() if folder.is_dir())
        raise CourseError(
            f"netlens ships no exercise {slug!r}; it ships {', '.join(shipped)}{did_you_mean(slug, shipped)}"
        )
    reference = solved_notebook(template, solutions / "reference.py")
    first, second, third = ((solutions / "wrong" / f"{name}.py").read_bytes() for name in wrong_of(slug, solutions))
    file = f"{slug}.ipynb"
    ben = (f"{slug}_ben_4711.zip", _zip(file, reference)) if number % 2 else (f"{slug}.py", _python(reference))
    sheet = read_yaml(source / "assignments" / slug / "exercise.yaml", ExerciseSheet)
    return {
        "ada": (file, reference),
        "ben": ben,
        "chloe": (file, _notebook(first)),
        "dana": (file, _notebook(second)),
        "emil": _broken(file, reference, number),
        "mallory": (file, _notebook(_hostile(slug, sheet, number).encode())),
        "o.tool_7": (file, template_notebook(template)),
        "žofie": (f"{slug}.py", third),
    }


def wrong_of(slug: str, solutions: Path) -> tuple[str, ...]:
    """The three wrong solutions in the class: those named above, or the first of an exercise that is not among them."""
    found = [path.stem for path in sorted((solutions / "wrong").glob("*.py")) if path.stem not in _ENDLESS]
    chosen = WRONG.get(slug, tuple((found * 3)[:3]))
    if missing := set(chosen) - set(found) or (set() if chosen else {"any"}):
        raise CourseError(f"{solutions / 'wrong'} lacks the wrong solution of the sample course: {min(missing)}")
    return chosen


def _hostile(slug: str, sheet: ExerciseSheet, number: int) -> str:
    """A notebook that attacks, and whose functions do."""
    written = [_HOSTILE.format(slug=slug, deletes=DELETES_EVERYTHING)]
    for place, name in enumerate(sheet.functions):
        # One that never ends takes all the time that a call has: only where that is short.
        body = _FOREVER if sheet.limits.call_seconds <= 10 else _ATTACKS[(number + place) % len(_ATTACKS)]
        written.append(f"# %%\ndef {name}(*arguments, **options):\n    {body}\n")
    return "\n".join(written)


def _broken(file: str, reference: bytes, number: int) -> tuple[str, bytes]:
    """A file as Emil hands it in: something else goes wrong each time."""
    ways = (
        (file, b""),
        (file, reference[: len(reference) * 2 // 3]),  # an interrupted upload
        (file, b"%PDF-1.7\n" + bytes(range(256)) * 8),  # the printed notebook
        (file.replace(".ipynb", ".zip"), _zip(f"../../{file}", reference)),
        (file, _notebook(b"# %%\ndef solution(:\n    return\n")),
    )
    return ways[number % len(ways)]


def _notebook(source: bytes) -> bytes:
    notebook = jupytext.reads(source.decode(), fmt="py:percent")
    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = f"cell-{number:03d}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return nbformat.writes(notebook).encode()


def _python(notebook: bytes) -> bytes:
    """A notebook as a Python file."""
    text: str = jupytext.writes(nbformat.reads(notebook.decode(), as_version=4), fmt="py:percent")
    return text.encode()


def _zip(name: str, notebook: bytes) -> bytes:
    """A notebook as an LMS hands it out, with a fixed date so that its hash stays the same."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"ben_4711/{name}", (2026, 1, 1, 0, 0, 0)), notebook)
        archive.writestr(zipfile.ZipInfo("__MACOSX/._x", (2026, 1, 1, 0, 0, 0)), b"\0")
    return held.getvalue()
