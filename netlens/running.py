"""Public checks run where the student works: with the notebook's own names, and what they show captured.

A self-check only: whatever happens here, grading runs the functions anew, elsewhere, with checks of its own.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from netlens.finding import CheckError, exercise_of, notebook_file, unknown
from netlens.result import CheckResult
from netlens_core import NetlensError
from netlens_core.grading.cell_names import names_of
from netlens_core.grading.public_checks import CheckCell, HandedOut, PublicCheck, handed_out
from netlens_core.grading.public_course import PublicCourse
from netlens_core.grading.self_check import written_in
from netlens_core.languages import speaking, spoken, translate

_DPI = 80
_MOST_PRINTED = 20_000  # characters of what one check printed
_MOST_PICTURES = 16


def run_checks(name: str, exercise: str, language: str) -> CheckResult:
    """Run one check, or all where no name is given, and show the result. As `netlens.check`; raises CheckError."""
    try:
        return _run_checks(name, exercise, language)
    except NetlensError as error:  # also of a language that is not known: told without a traceback
        raise CheckError(str(error)) from None


def _run_checks(name: str, exercise: str, language: str) -> CheckResult:
    namespace, file = _namespace(), notebook_file(_namespace())
    course = PublicCourse.shipped()
    course = course.in_language(language or (written_in(file) if file else None) or course.sheet.language)
    with speaking(course.catalog()):
        slug = exercise_of(course, name, exercise, namespace, file)
    if not language and file is None:  # the notebook beside which the kernel runs most likely is the exercise's
        course = course.in_language(written_in(Path(f"{slug}.ipynb")) or course.sheet.language)
    with speaking(course.catalog(slug)):
        result = _run(course, slug, name, namespace)
        result.show()
    return result


def _namespace() -> dict[str, Any]:
    from IPython import get_ipython

    shell = get_ipython()
    return vars(sys.modules["__main__"]) if shell is None else shell.user_ns


def _run(course: PublicCourse, slug: str, name: str, namespace: dict[str, Any]) -> CheckResult:
    template = handed_out(course.template(slug), course.sheet.networks.target)
    wanted = [check for check in template.checks.values() if not name or check.name in (name, f"test_{name}")]
    if not wanted:
        raise unknown(name, {slug: list(template.checks)})
    title = translate(course.exercise_sheet(slug).title)
    return CheckResult(slug, title, tuple(_checked(check, template, namespace) for check in wanted), spoken())


def _checked(check: CheckCell, template: HandedOut, namespace: dict[str, Any]) -> PublicCheck:
    missing = names_of(check.source).needed - namespace.keys() - set(dir(builtins))
    if missing:
        return PublicCheck(check.name, check.title, False, 0.0, check.points, _not_defined(missing, template), "", ())
    shown = _Shown()
    with shown.captured():
        message = _failure(check, template, namespace)
    earned = 0.0 if message else check.points
    pictures = tuple(shown.pictures[:_MOST_PICTURES])
    return PublicCheck(
        check.name, check.title, not message, earned, check.points, message, shown.printed[:_MOST_PRINTED], pictures
    )


# -- one check's cell --------------------------------------------------------------------------------------


def _failure(check: CheckCell, template: HandedOut, namespace: dict[str, Any]) -> str:
    """Run a check's cell; what was wrong, or nothing."""
    file = f"<{check.name}>"
    try:
        exec(compile(check.source, file, "exec"), namespace)
    except AssertionError as error:
        place = _place(error.__traceback__, namespace, file)
        return (str(error) or translate("An assertion does not hold.")) + place
    except NameError as error:
        if error.name and any(error.name in names_of(source).bound for source in template.cells.values()):
            return _not_defined({error.name}, template)
        return _described(error, namespace, file)
    except (Exception, SystemExit) as error:
        return _described(error, namespace, file)
    return ""


def _described(error: BaseException, namespace: dict[str, Any], file: str) -> str:
    words = [type(error).__name__, *str(error).strip().splitlines()[:1]]
    return ": ".join(words) + _place(error.__traceback__, namespace, file)


def _place(trace: TracebackType | None, namespace: dict[str, Any], file: str) -> str:
    """Where in the student's own functions something went wrong; nothing where it was in the check itself."""
    place = ""
    for frame, line in traceback.walk_tb(trace):
        if frame.f_globals is namespace and frame.f_code.co_filename != file:
            place = translate(" (in {function}, line {line} of its cell)", function=frame.f_code.co_name, line=line)
    return place


def _not_defined(missing: Collection[str], template: HandedOut) -> str:
    """Which cells have to be run before, told by their first lines."""
    before = [
        next(line for line in source.splitlines() if line.strip())
        for source in template.cells.values()
        if names_of(source).bound & set(missing)
    ]
    told = translate("Not there yet: {names}.", names=", ".join(sorted(missing)))
    first = translate("Run first the cell that begins with: {lines}", lines="  ·  ".join(before))
    return f"{told} {first}" if before else told


# -- what it shows -----------------------------------------------------------------------------------------


class _Shown:
    """What a check prints and shows while it runs."""

    def __init__(self) -> None:
        self.printed = ""
        self.pictures: list[bytes] = []

    @contextlib.contextmanager
    def captured(self) -> Iterator[None]:
        from IPython.utils.capture import capture_output

        with self._figures(), capture_output() as captured:
            yield
        for output in captured.outputs:
            self._displayed(output.data)
        self.printed = f"{captured.stdout}{captured.stderr}"

    def _displayed(self, data: Mapping[str, Any]) -> None:
        from base64 import b64decode

        picture = data.get("image/png")
        if isinstance(picture, str):
            picture = b64decode(picture)
        if isinstance(picture, bytes):
            self.pictures.append(picture)

    @contextlib.contextmanager
    def _figures(self) -> Iterator[None]:
        """Figures become pictures at `plt.show()`, whichever backend there is; earlier ones stay as they are."""
        from matplotlib import pyplot

        before, show = set(pyplot.get_fignums()), pyplot.show

        def collect(*_: Any, **__: Any) -> None:
            for number in [number for number in pyplot.get_fignums() if number not in before]:
                held = io.BytesIO()
                figure = pyplot.figure(number)
                figure.savefig(held, format="png", dpi=_DPI, bbox_inches="tight", facecolor="white")
                pyplot.close(figure)
                self.pictures.append(held.getvalue())

        pyplot.show = collect
        try:
            yield
            collect()
        finally:
            pyplot.show = show
