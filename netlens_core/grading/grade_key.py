"""What determines a grade, as named digests, and the key that they make together.

The list is positive and as short as honesty allows: the submission's bytes, the exercise (grader, inputs' recipes,
thresholds, template, limits, translations), networks' weights, seed, sandbox level, the code that runs, measures and
scores, and the libraries that it measures with. Views (reports, exports, nbgrader), commands and what collects or
releases are no part of it, nor are comments and docstrings.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import netlens_core
from netlens_core.grading.exercise import Exercise
from netlens_core.grading.source_code import Code, code_below, digest_of, read_source
from netlens_core.languages import Catalog, own_catalog

# What runs, measures and scores: these rooms whole, and whatever they and the exercise's grader import.
GRADING = ("grading/pipeline.py", "grading/sandbox/**/*.py", "measures/*.py")
# What a submission meets before anything is measured.
RUNNING = (
    *("grading/sandbox/**/*.py", "grading/intake.py", "grading/restoring.py", "grading/inputs.py"),
    "grading/missing_names.py",  # what is recorded says why a name is missing
)
# Imported by them, without a say in any grade: progress, files and folders, how errors in a course are told, and the
# version, which is a part of its own.
PLUMBING = (
    *("__init__.py", "progress.py", "grading/files.py", "grading/scratch.py", "grading/suggestions.py"),
    *("grading/yaml_reading.py", "grading/source_code.py"),
)
LIBRARIES = ("torch", "torchvision", "timm", "torchmetrics", "numpy", "scipy", "scikit-learn", "pillow")
RUNNING_LIBRARIES = (*LIBRARIES, "ipython", "matplotlib")

Parts = Mapping[str, str]  # a name that people can read -> a digest, a version or a word


def determinants(
    submission_sha256: str, exercise: Exercise, networks: Mapping[str, str], seed: int, sandbox: str
) -> dict[str, str]:
    """Everything that determines a grade, by name.

    Args:
        exercise: its inputs need not be made; their recipes count.
        networks: name -> fingerprint of the weights.
    """
    code = grading_code(exercise)
    return {
        "submission": submission_sha256,
        "exercise": exercise.slug,
        "seed": str(seed),
        "sandbox": sandbox,
        **{f"network {name}": fingerprint[:16] for name, fingerprint in networks.items()},
        **exercise.parts,
        "language": exercise.language,
        "translations": _translations(exercise.catalog, code.texts, own_too=True),
        "netlens": netlens_core.__version__,
        "code": code.digest,
        **{f"library {name}": installed for name, installed in _versions(LIBRARIES).items()},
    }


def key_of(parts: Parts) -> str:
    """The name of a grade in the store: SHA-256 (hex) of everything that determines it."""
    return hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()


def grade_key(submission_sha256: str, exercise: Exercise, networks: Mapping[str, str], seed: int, sandbox: str) -> str:
    """The key of a grade, from what determines it."""
    return key_of(determinants(submission_sha256, exercise, networks, seed, sandbox))


def running_key(parts: Parts, exercise: Exercise) -> str:
    """The name of what a submission returned: a digest of all that determines it.

    The grader, its thresholds and what measures are no part of it. Where in doubt it is stricter than a grade's key:
    a difference costs one run, not a grade.
    """
    whole = {name: value for name, value in parts.items() if not name.startswith(("graders/", "library "))}
    for name in ("thresholds", "netlens"):
        whole.pop(name, None)
    whole |= {
        "wanted": " ".join(exercise.wanted),
        "code": running_code().digest,
        "translations": _translations(exercise.catalog, running_code().texts, own_too=False),
        "python": ".".join(map(str, sys.version_info[:2])),
        **{f"library {name}": installed for name, installed in _versions(RUNNING_LIBRARIES).items()},
    }
    return key_of(whole)


# -- code, libraries, translations ------------------------------------------------------------------------


def grading_code(exercise: Exercise) -> Code:
    """What runs, measures and scores an exercise: `GRADING`, and what this and the exercise's grader import."""
    imported = {name for source in exercise.grader.values() for name in read_source(source).imports}
    return _code(GRADING, tuple(sorted(imported)))


def running_code() -> Code:
    """What determines what a submission's functions return: `RUNNING`, and what this imports."""
    return _code(RUNNING, ())


@lru_cache(maxsize=64)
def _code(roots: tuple[str, ...], imported: tuple[str, ...]) -> Code:
    return code_below(Path(netlens_core.__file__).parent, roots, imported, PLUMBING)


@lru_cache(maxsize=4)
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for library in libraries:
        with contextlib.suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def _translations(catalog: Catalog, said: frozenset[str], own_too: bool) -> str:
    """A digest of the translations that can stand in a grade: those of reports and commands cannot.

    Args:
        said: every text of the code that counts.
        own_too: also what the exercise itself translates.
    """
    known = own_catalog(catalog.language).messages
    used = {
        text: told for text, told in catalog.messages.items() if text in said or (own_too and known.get(text) != told)
    }
    return digest_of(json.dumps([catalog.plural, used], sort_keys=True).encode()) if used else ""
