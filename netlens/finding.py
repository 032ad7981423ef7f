"""Which exercise a notebook is, from inside it: by the check's name, the notebook's file, and the functions there."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from netlens_core import NetlensError
from netlens_core.grading.public_checks import handed_out
from netlens_core.grading.public_course import PublicCourse
from netlens_core.languages import translate


class CheckError(NetlensError, ValueError):
    """A check or an exercise that is not known; in a notebook its message is shown, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"netlens: {self}"]


def notebook_file(namespace: Mapping[str, Any]) -> Path | None:
    """The notebook's file, where Jupyter or VS Code tells; None elsewhere."""
    known = namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not isinstance(known, str) or not known.endswith(".ipynb"):
        return None
    file = Path(known)
    return file if file.is_file() else Path(file.name)  # a kernel works in its notebook's folder


def exercise_of(course: PublicCourse, name: str, exercise: str, namespace: Mapping[str, Any], file: Path | None) -> str:
    """The slug of the exercise that is meant. Raises CheckError."""
    if exercise:
        if exercise not in course.sheet.exercises:
            known = ", ".join(course.sheet.exercises)
            raise CheckError(translate("{name} is no exercise: there are {known}", name=repr(exercise), known=known))
        return exercise
    checks = {slug: _names(course, slug) for slug in course.sheet.exercises}
    likely = [slug for slug, names in checks.items() if not name or {name, f"test_{name}"} & set(names)]
    here = [file.stem] if file and file.stem in checks else _by_functions(course, checks, namespace)
    meant = [slug for slug in here if slug in likely] or likely
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise unknown(name, {slug: checks[slug] for slug in here} or checks)
    raise CheckError(
        translate(
            "it cannot be told which exercise this is: name it, netlens.check({check}exercise=…), one of {known}",
            check=f"{name!r}, " if name else "",
            known=", ".join(meant),
        )
    )


def _names(course: PublicCourse, slug: str) -> list[str]:
    return list(handed_out(course.template(slug), course.sheet.networks.target).checks)


def _by_functions(course: PublicCourse, slugs: Collection[str], namespace: Mapping[str, Any]) -> list[str]:
    """The exercises whose functions are all there."""
    return [slug for slug in slugs if course.exercise_sheet(slug).functions.keys() <= namespace.keys()]


def unknown(name: str, known: Mapping[str, Collection[str]]) -> CheckError:
    """The error for a check that there is not; it lists those there are."""
    listed = "; ".join(f"{slug}: {', '.join(names)}" for slug, names in known.items())
    return CheckError(translate("there is no check {name}; there are {known}", name=repr(name), known=listed))
