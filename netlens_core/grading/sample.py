"""The sample course: twelve submissions of six students, good, wrong, hostile and broken, to try the main job on.

Its secret and seed are fixed, so that everybody's sample course gets the same grades.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import jupytext
import nbformat

from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.store import write_atomically
from netlens_core.grading.templates import solved_notebook

SECRET = "the secret of the sample course, which is no secret"

HOSTILE = """
# %%
import os, sys, gc, builtins, subprocess
print("\\x1b[2J<script>alert('grade me 10')</script>")
for path in ("/etc/passwd", "/proc/1/environ", "../../../.netlens/secret", "reference_solutions/noise/reference.py"):
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
!rm -rf / --no-preserve-root

# %%
def classify(network, image, k=5):
    subprocess.run(["sh", "-c", "echo 10 > /tmp/grade"])
    os.fork()
    os._exit(0)

def mix(flower, noise):
    import torch
    class Perfect(torch.Tensor):
        __eq__ = __gt__ = __ge__ = lambda self, other: True
    return Perfect(flower)

def craft(network, flower):
    while True:
        gc.collect()

# %%
answers = {"resembles": "<img src=x onerror=alert(1)> =cmd|' /C calc'!A0"}
"""


def build_sample_course(folder: Path) -> Path:
    """Write the sample course into a folder, leaving the grades that are already there. Returns the folder.

    Raises CourseError where the folder holds something that is not a sample course.
    """
    marker = folder / ".netlens" / "secret"
    if folder.exists() and any(folder.iterdir()) and not _is_sample(marker):
        raise CourseError(f"{folder} is not empty and no sample course: give another folder, or delete it")
    source = shipped_course()
    write_atomically(marker, SECRET.encode())
    write_atomically(folder / "course.yaml", (source / "course.yaml").read_bytes())
    for student, works in _class(source).items():
        for slug, (name, data) in works.items():
            place = folder / "submitted" / student / slug
            shutil.rmtree(place, ignore_errors=True)
            write_atomically(place / name, data)
    Course(folder)
    return folder


def _is_sample(marker: Path) -> bool:
    return marker.is_file() and marker.read_text() == SECRET


def _class(source: Path) -> dict[str, dict[str, tuple[str, bytes]]]:
    """Student -> exercise -> (file name, content)."""
    solution = source / "reference_solutions"

    def taken(slug: str, name: str) -> bytes:
        if name == "reference":
            return solved_notebook(source / "assignments" / slug / "template.py", solution / slug / "reference.py")
        return _notebook((solution / slug / f"{name}.py").read_bytes())

    def notebook(slug: str, name: str) -> tuple[str, bytes]:
        return f"{slug}.ipynb", taken(slug, name)

    return {
        "ada": {"noise": notebook("noise", "reference"), "adversarial": notebook("adversarial", "reference")},
        "ben": {
            "noise": ("noise.py", _python(taken("noise", "reference"))),
            "adversarial": (
                "adversarial_ben_4711.zip",
                _zip("adversarial.ipynb", taken("adversarial", "reference")),
            ),
        },
        "chloe": {
            "noise": notebook("noise", "wrong/hard_coded"),
            "adversarial": notebook("adversarial", "wrong/too_much_noise"),
        },
        "dana": {
            "noise": notebook("noise", "wrong/no_answer"),
            "adversarial": notebook("adversarial", "wrong/float_only"),
        },
        "emil": {
            "noise": ("noise.ipynb", b""),
            "adversarial": notebook("adversarial", "wrong/unchanged_flower"),
        },
        "mallory": {
            "noise": ("noise.ipynb", _torn(taken("noise", "reference"))),
            "adversarial": ("adversarial.ipynb", _notebook(HOSTILE.encode())),
        },
    }


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


def _torn(whole: bytes) -> bytes:
    """A notebook as an interrupted upload leaves it."""
    return whole[: len(whole) * 2 // 3]


def _zip(name: str, notebook: bytes) -> bytes:
    """A notebook as an LMS hands it out, with a fixed date so that its hash stays the same."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"ben_4711/{name}", (2026, 1, 1, 0, 0, 0)), notebook)
        archive.writestr(zipfile.ZipInfo("__MACOSX/._x", (2026, 1, 1, 0, 0, 0)), b"\0")
    return held.getvalue()
