"""Gradescope's `results.json` for one submission: every check a test, with its measurements in words."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from netlens_core.grading.exports.scores import Exported, Scored, unfinished_note
from netlens_core.grading.grade import Check, Measurement
from netlens_core.grading.plain_text import plain
from netlens_core.grading.report.numbers import measured, requirement
from netlens_core.grading.report.words import check_words, grade_word, late_words
from netlens_core.languages import translate

Visibility = Literal["visible", "hidden", "after_due_date", "after_published"]
VISIBILITIES: tuple[str, ...] = get_args(Visibility)
Picture = Callable[[str], bytes]

LONGEST_OUTPUT = 20_000  # characters of one test
MOST_PICTURES = 512 << 10  # bytes of PNG in one results.json
_SIDE = 320  # pixels


def results(scored: Scored, picture: Picture, visibility: str = "visible", pictures: bool = True) -> dict[str, Any]:
    """The content of `results.json`, as Gradescope documents it, in the language being spoken.

    Args:
        picture: name of a figure -> its PNG; may raise OSError, KeyError or ValueError where it is lost.
        visibility: of the whole and of each test; `hidden` and the others also hide the sum of points.
        pictures: with figures, in tests of the format html; without, all is plain text.
    """
    grade = scored.grade
    room = [MOST_PICTURES if pictures else 0]
    said = [grade_word(grade.status) if grade.status != "graded" else "", grade.message, *grade.notes]
    said += [translate("Cell {number}: {error}", number=note.number, error=note.error) for note in grade.cell_errors]
    if scored.late_penalty:
        said.append(late_words(scored.late_penalty))
    tests = [_test(f"{place}", check, picture, visibility, room) for place, check in enumerate(grade.checks, 1)]
    content = {
        "score": _rounded(scored.score),
        "output": plain("\n".join(line for line in said if line), LONGEST_OUTPUT),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "extra_data": {
            "status": grade.status,
            "submission_sha256": grade.submission_sha256,
            "exercise_sha256": grade.exercise_sha256,
            "netlens_version": grade.netlens_version,
            "sandbox": grade.sandbox,
            "waits_for_a_person": grade.needs_manual_grade,
        },
        "tests": tests,
    }
    if grade.seconds:
        content["execution_time"] = round(grade.seconds)
    return content


def results_bytes(content: dict[str, Any]) -> bytes:
    """`results.json`; strict JSON in ASCII, whatever the texts hold."""
    return json.dumps(content, indent=1, allow_nan=False).encode() + b"\n"


def _test(number: str, check: Check, picture: Picture, visibility: str, room: list[int]) -> dict[str, Any]:
    lines = [check_words()[check.status]]
    lines += [f"{_sign(m)} {m.name}: {measured(m)}, {requirement(m)}" for m in check.measurements]
    lines += [check.message] if check.message else []
    if check.mark is not None and check.mark.comment:
        lines.append(check.mark.comment)
    text = plain("\n".join(lines), LONGEST_OUTPUT)
    shown = [data for name in check.figures for data in [_small(name, picture, room)] if data]
    return {
        "name": plain(check.description or check.name, 300),
        "name_format": "text",
        "number": number,
        "score": _rounded(check.points),
        "max_score": _rounded(check.max_points),
        "status": "passed" if check.status == "passed" else "failed",
        "output": _html(text, shown) if shown else text,
        "output_format": "html" if shown else "text",
        "visibility": visibility,
        "tags": [check.name, check.status],
        "extra_data": {
            "check": check.name,
            "measurements": [_strict(m.model_dump(exclude_none=True)) for m in check.measurements],
        },
    }


def _sign(measurement: Measurement) -> str:
    return "·" if not measurement.required else "✓" if measurement.passed else "✗"


def _html(text: str, shown: Sequence[bytes]) -> str:
    lines = [f"<p>{'<br>'.join(html.escape(line) for line in text.splitlines())}</p>"]
    lines += [f'<img alt="" src="data:image/png;base64,{base64.b64encode(data).decode()}">' for data in shown]
    return "\n".join(lines)


def _small(name: str, picture: Picture, room: list[int]) -> bytes | None:
    """A figure drawn anew at no more than 320 pixels a side; None where it is lost or there is no room left."""
    from PIL import Image

    if room[0] <= 0:
        return None
    try:
        with Image.open(io.BytesIO(picture(name)), formats=["PNG"]) as opened:
            image = opened.convert("RGB")
    except (OSError, KeyError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    image.thumbnail((_SIDE, _SIDE))
    held = io.BytesIO()
    image.save(held, "PNG", optimize=True)
    data = held.getvalue()
    if len(data) > room[0]:
        return None
    room[0] -= len(data)
    return data


def _rounded(value: float) -> float:
    return round(value, 4) if math.isfinite(value) else 0.0


def _strict(measurement: dict[str, Any]) -> dict[str, Any]:
    """A measurement without what JSON cannot say: infinite numbers become words."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in measurement.items()
    }


def exported_results(
    works: Sequence[Scored], picture: Picture, visibility: str = "visible", pictures: bool = True
) -> Exported:
    """`<student>/<exercise>/results.json` for every submission."""
    exported = Exported(notes=unfinished_note(works))
    for work in works:
        content = results(work, picture, visibility, pictures)
        exported.files[f"{work.student}/{work.grade.exercise}/results.json"] = results_bytes(content)
    return exported
