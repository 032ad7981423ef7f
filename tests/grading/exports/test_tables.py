"""Plain CSV and Parquet hold what grades hold, and readers of both agree."""

from __future__ import annotations

import csv
import io
import math
import re

import pyarrow
from pyarrow import parquet

from netlens_core.grading.exports.parquet import exported_parquet
from netlens_core.grading.exports.plain_csv import CHECKS, GRADES, exported_csv
from netlens_core.grading.spreadsheets import as_written
from tests.grading.exports.conftest import HOSTILE


def works(scored):
    return [
        scored("007", 3.25, late=4.0),
        scored("=1+1", 1 / 3, comment=HOSTILE, message=HOSTILE),
        scored("Žofie, “q”", 0.0, check_status="needs_manual_grade", marked=False),
    ]


def rows_of(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def test_csv_has_a_row_a_grade_and_a_row_a_check(scored):
    exported = exported_csv(works(scored))
    grades, checks = rows_of(exported.files["grades.csv"]), rows_of(exported.files["checks.csv"])
    assert tuple(grades[0]) == GRADES and tuple(checks[0]) == CHECKS
    assert [as_written(row["student"]) for row in grades[1:]] == ["=1+1", "Žofie, “q”"]
    assert grades[0]["student"] == "'007"
    assert [(row["score"], row["points"], row["late_penalty"]) for row in grades[:1]] == [("0", "3.25", "4")]
    assert [row["waits_for_a_person"] for row in grades] == ["no", "no", "yes"]
    assert checks[1]["points"] == "0.333333" and as_written(checks[1]["comment"]) == HOSTILE
    assert any("Žofie" in note and "waiting for a person" in note for note in exported.notes)


def test_no_cell_of_the_csv_is_a_formula(scored):
    for data in exported_csv(works(scored)).files.values():
        for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")):
            assert not [cell for cell in row if cell.lstrip().startswith(("=", "+", "-", "@"))]


def test_no_cell_is_a_formula_where_a_spreadsheet_expects_other_separators(scored):
    """Excel takes semicolons in Czech: then cells begin within texts, and lines of a text are rows."""
    hostile = 'a;=1+1\n\n@SUM(1)\n"=2"\t+cmd|x, shape 3, -1; -0.5e-3, -2+3'
    data = exported_csv([scored("ada", comment=hostile, message=hostile)]).files["checks.csv"].decode("utf-8-sig")
    for separator in ",;\t|":
        rows = list(csv.reader(data.splitlines(), delimiter=separator, quoting=csv.QUOTE_NONE))
        cells = [cell.strip(' "') for row in rows for cell in row]
        assert [cell for cell in cells if re.match(r"[=@]|[+-](?![\d.e-]+($|[,;]))", cell)] == []
    assert "shape 3, -1; -0.5e-3, '-2+3" in data and "a;'=1+1\n\n'@SUM" in data


def test_parquet_is_typed_and_holds_every_measurement(scored):
    data = exported_parquet(works(scored)).files["grades.parquet"]
    table = parquet.read_table(io.BytesIO(data))
    types = {field.name: field.type for field in table.schema}
    assert types["points"] == types["score"] == pyarrow.float64() and types["seed"] == pyarrow.int64()
    assert pyarrow.types.is_dictionary(types["status"]) and pyarrow.types.is_list(types["measurements"])
    assert types["measurements"].value_type.field("value").type == pyarrow.float64()
    first, second, third = table.to_pylist()
    assert (first["student"], first["points"], first["score"], first["late_penalty"]) == ("007", 3.25, 0.0, 4.0)
    assert (second["student"], second["comment"]) == ("=1+1", HOSTILE)  # no spreadsheet: nothing is changed
    assert third["status"] == "needs_manual_grade" and not third["marked_by_person"] and third["comment"] is None
    probability, distance, category = first["measurements"]
    assert (probability["value"], probability["at_least"], probability["passed"]) == (0.25, 0.9, False)
    assert math.isnan(distance["value"]) and (category["word"], category["equal_to_word"]) == ("daisy", "daisy")


def test_equal_grades_give_equal_bytes(scored):
    assert exported_parquet(works(scored)).files == exported_parquet(works(scored)).files
    assert exported_csv(works(scored)).files == exported_csv(works(scored)).files


def test_no_grades_are_a_table_without_rows():
    table = parquet.read_table(io.BytesIO(exported_parquet([]).files["grades.parquet"]))
    assert table.num_rows == 0 and "measurements" in table.column_names
