"""Parquet: a row for each student, exercise and check, with typed columns and every measurement as numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from netlens_core.grading.exports.scores import Exported, Scored, unfinished_note
from netlens_core.grading.grade import Measurement


def exported_parquet(works: Sequence[Scored]) -> Exported:
    """`grades.parquet`; equal grades give equal bytes with the same version of pyarrow.

    `score`, `late_penalty` and `grade_status` are of the whole exercise, the same in each of its rows.
    """
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    number, text = pyarrow.float64(), pyarrow.string()
    measurement = pyarrow.struct(
        [
            ("name", text),
            ("value", number),
            ("word", text),
            ("at_least", number),
            ("at_most", number),
            ("equal_to", number),
            ("equal_to_word", text),
            ("partial_from", number),
            ("passed", pyarrow.bool_()),
            ("credit", number),
        ]
    )
    columns = {
        "student": text, "exercise": word, "grade_status": word, "score": number, "late_penalty": number,
        "check": word, "description": text, "points": number, "max_points": number, "status": word,
        "message": text, "comment": text, "marked_by_person": pyarrow.bool_(),
        "measurements": pyarrow.list_(measurement), "submission_sha256": text, "exercise_sha256": text,
        "netlens_version": word, "seed": pyarrow.int64(),
    }  # fmt: skip
    table = pyarrow.Table.from_pylist(list(_rows(works)), schema=pyarrow.schema(list(columns.items())))
    held = io.BytesIO()
    parquet.write_table(table, held, compression="zstd")
    return Exported({"grades.parquet": held.getvalue()}, unfinished_note(works))


def _rows(works: Sequence[Scored]) -> Iterator[dict[str, Any]]:
    for work in works:
        grade = work.grade
        for check in grade.checks:
            yield {
                "student": _text(work.student),
                "exercise": grade.exercise,
                "grade_status": grade.status,
                "score": work.score,
                "late_penalty": work.late_penalty,
                "check": check.name,
                "description": _text(check.description),
                "points": check.points,
                "max_points": check.max_points,
                "status": check.status,
                "message": _text(check.message),
                "comment": _text(check.mark.comment) if check.mark else None,
                "marked_by_person": check.mark is not None and check.mark.scored,
                "measurements": [_measurement(measurement) for measurement in check.measurements],
                "submission_sha256": grade.submission_sha256,
                "exercise_sha256": grade.exercise_sha256,
                "netlens_version": grade.netlens_version,
                "seed": grade.seed,
            }


def _measurement(measurement: Measurement) -> dict[str, Any]:
    value, equal_to = measurement.value, measurement.equal_to
    return {
        "name": _text(measurement.name),
        "value": None if isinstance(value, str) else value,
        "word": _text(value) if isinstance(value, str) else None,
        "at_least": measurement.at_least,
        "at_most": measurement.at_most,
        "equal_to": None if isinstance(equal_to, str) else equal_to,
        "equal_to_word": _text(equal_to) if isinstance(equal_to, str) else None,
        "partial_from": measurement.partial_from,
        "passed": measurement.passed,
        "credit": measurement.credit,
    }


def _text(text: str) -> str:
    """Text that UTF-8 can hold; half a surrogate pair, which names of files may have, is shown as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()
