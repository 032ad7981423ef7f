"""Tables as spreadsheets read and write them: CSV, whose cells never become formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from netlens_core.grading.exercise import CourseError

MOST_BYTES = 8 << 20
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # .xlsx and .ods; .xls
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # also as wide as Chinese
# A separator, a formula's first character after it, and what is more than a number.
_CELL_INSIDE = re.compile(
    r'([,;|\t\r\n][ "]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])(?![+-]?[\d.]+(?:e[+-]?\d+)?(?:[\s,;)\]]|$))'
)


def read_table(path: Path) -> list[list[str]]:
    """The rows of a CSV file, whatever it separates cells with: comma, semicolon or tab.

    Raises CourseError for a file that cannot be read, is too large or no UTF-8 text.
    """
    data = table_file(path)
    try:
        text = data.decode(encoding_of(data))
    except UnicodeDecodeError:
        raise CourseError(f'{path} is not UTF-8: in the spreadsheet, save it as "CSV UTF-8"') from None
    separator, text = separator_of(text)
    csv.field_size_limit(MOST_BYTES)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise CourseError(f"{path} is no table: {error}") from None


def encoding_of(data: bytes) -> str:
    """UTF-8 with or without a byte order mark, or UTF-16, which spreadsheets call Unicode text."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    return "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"


def separator_of(text: str) -> tuple[str, str]:
    """What separates a table's cells, and the table without the line `sep=;` that Excel may put before it."""
    text = text.lstrip("\r\n")
    if told := re.match(r'"?sep=([,;\t])"?\r?\n', text, re.IGNORECASE):
        return told[1], text[told.end() :]
    unquoted = re.sub(r'"[^"]*"', "", text.partition("\n")[0])  # a title may have commas of its own
    return max(",;\t", key=unquoted.count), text


def table_file(path: Path) -> bytes:
    """A table's bytes. Raises CourseError for a file that cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise CourseError(f"{path} has more than {MOST_BYTES >> 20} MiB: no such table is that large")
    if data.startswith(_WORKBOOKS):
        raise CourseError(f'{path} is a spreadsheet\'s own file, not CSV: open it there and save it as "CSV UTF-8"')
    return data


def table_bytes(heading: Sequence[str], rows: Iterable[Sequence[str]], separator: str = ",") -> bytes:
    """A table as CSV in UTF-8 with the mark by which spreadsheets know it; cells are text, whatever they hold."""
    held = io.StringIO(newline="")
    writer = csv.writer(held, delimiter=separator)
    writer.writerow(heading)
    writer.writerows([defused(cell) for cell in row] for row in rows)
    return held.getvalue().encode("utf-8-sig", "replace")


def defused(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: what looks like one gets an apostrophe before it."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def defused_inside(cell: str) -> str:
    """As `defused`, also where a spreadsheet that separates cells with something else would begin one within the text.

    Numbers stay. For tables that nobody reads back.
    """
    return defused(_CELL_INSIDE.sub("\\1'", cell))


def kept_as_text(name: str) -> str:
    """A name that no spreadsheet takes for a number or a date: `007`, `1e5` and `1-2` get an apostrophe before them."""
    return f"'{name}" if name[:1].isdigit() else defused(name)


def as_written(cell: str) -> str:
    """A cell as it was before `defused`."""
    return cell[1:] if cell.startswith("'") and defused(cell[1:]) != cell[1:] else cell
