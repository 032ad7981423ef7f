"""The store of grades: one file a grade, named by a hash of everything that determines it, written atomically.

    grades/3f/3fa0….json      the grade          grades/3f/3fa0….seconds   how long it took (not part of the grade)
    pictures/9c1e….png        its figures        notebooks/3fa0….ipynb     the notebook as it ran

Gradebook and reports are views of this folder and can be rebuilt from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import ValidationError

import netlens_core
from netlens_core.grading.files import write_atomically
from netlens_core.grading.grade import Grade

_LIBRARIES = ("torch", "torchvision", "timm", "torchmetrics", "numpy", "scipy", "pillow", "ipython", "pytest")
_VIEWS_ONLY = (
    "cli.py",
    "commands/",
    "methods/",
    "grading/report/",
    "grading/tables.py",
    "grading/doctor.py",
    "grading/sample.py",
    "grading/answers.py",
    "grading/marks.py",
    "grading/nbgrader/",
    "grading/exports/",
    "grading/spreadsheets.py",
    "grading/students.py",
)


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 (hex) of the code and the libraries that a grade depends on: another digest, another key."""
    root = Path(netlens_core.__file__).parent
    digest = hashlib.sha256(netlens_core.__version__.encode())
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith((*_VIEWS_ONLY, "_course/")):
            digest.update(f"\n{name}\n".encode() + path.read_bytes())
    for library in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            digest.update(f"\n{library} {version(library)}".encode())
    # Told for information in grades where it can be had, so grades with and without it are different ones.
    digest.update(f"\nLPIPS {_lpips_weights()}".encode())
    return digest.hexdigest()


def _lpips_weights() -> bool:
    """As `measures.similarity.perceptual_distance_available`, without importing torch."""
    folder = Path(os.environ.get("TORCH_HOME") or Path.home() / ".cache" / "torch") / "hub" / "checkpoints"
    return any(folder.glob("squeezenet1_1-*.pth"))


def grade_key(
    submission_sha256: str, exercise_sha256: str, networks: Mapping[str, str], seed: int, sandbox: str
) -> str:
    """The name of a grade in the store: SHA-256 (hex) of everything that determines it."""
    parts = [submission_sha256, exercise_sha256, dict(networks), seed, sandbox, code_digest()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Store:
    """Grades on disk. Any number of processes may read and write at once: equal keys hold equal grades."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, key: str, ending: str = "json") -> Path:
        return self.folder / "grades" / key[:2] / f"{key}.{ending}"

    def read(self, key: str) -> Grade | None:
        """The grade under a key, without its pictures; None where there is none, or only a damaged file."""
        try:
            grade = Grade.model_validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None
        return grade if all(self.picture_path(name).is_file() for name in grade.figure_notes) else None

    def write(self, key: str, grade: Grade) -> None:
        """Keep a grade and its pictures; the grade comes last, so that what it names is always there."""
        for name, data in grade.pictures.items():
            if not self.picture_path(name).is_file():
                write_atomically(self.picture_path(name), data)
        if grade.notebook:
            write_atomically(self.notebook_path(key), grade.notebook)
        write_atomically(self._path(key, "seconds"), json.dumps(grade.times).encode() + b"\n")
        write_atomically(self._path(key), grade.model_dump_json(indent=1).encode() + b"\n")

    def seconds(self, key: str) -> float:
        """How long grading took, in seconds; 0 where that is not known."""
        return self.times(key).get("seconds", 0.0)

    def times(self, key: str) -> dict[str, float]:
        """As `Grade.times`; empty where that is not known."""
        try:
            known = json.loads(self._path(key, "seconds").read_bytes())
            return {str(name): float(value) for name, value in known.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def picture_path(self, name: str) -> Path:
        """Where a figure's PNG lies."""
        return self.folder / "pictures" / name

    def notebook_path(self, key: str) -> Path:
        """Where the executed notebook lies."""
        return self.folder / "notebooks" / f"{key}.ipynb"
