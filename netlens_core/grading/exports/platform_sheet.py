"""A sheet that a platform wrote and will read again: filled in, and otherwise left as it was."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.exports.decimal_marks import Cell
from netlens_core.grading.plain_text import plain
from netlens_core.grading.spreadsheets import MOST_BYTES, defused, encoding_of, separator_of, table_file

_NUMBER = re.compile(r"[-+]?\d*[.,]?\d+%?")


@dataclass
class PlatformSheet:
    """A CSV file's heading and rows, all rows as long as the longest, and how it was written."""

    heading: list[str]
    rows: list[list[str]]
    separator: str = ","
    newline: str = "\n"
    encoding: str = "utf-8"

    @classmethod
    def read(cls, path: Path) -> PlatformSheet:
        """Raises CourseError for a file that cannot be read, is too large, no UTF-8, or no table."""
        data = table_file(path)
        encoding = encoding_of(data)
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            raise CourseError(
                f"{path} is not UTF-8, so the platform could not read it either: download it again, and give it to "
                "netlens as it is, without a spreadsheet in between"
            ) from None
        separator, text = separator_of(text)
        first = text.partition("\n")[0]
        csv.field_size_limit(MOST_BYTES)
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row]
        except csv.Error as error:
            raise CourseError(f"{path} is no table: {error}") from None
        if not rows:
            raise CourseError(f"{path} is empty: download it from the platform again")
        width = max(map(len, rows))
        rows = [row + [""] * (width - len(row)) for row in rows]
        newline = "\r\n" if first.endswith("\r") else "\n"
        if separator == "\t" or encoding == "utf-16":  # a spreadsheet's Unicode text, which no platform reads
            return cls(rows[0], rows[1:], ",", newline, "utf-8-sig")
        return cls(rows[0], rows[1:], separator, newline, encoding)

    def cell(self, row: int, column: int) -> Cell:
        """A cell, with its place in words; row 0 is the first below the heading."""
        heading = plain(self.heading[column].strip(), 60) or f"{column + 1}"
        return Cell(self.rows[row][column], f"row {row + 2}, column {heading}")

    def as_bytes(self) -> bytes:
        """The file as the platform wrote it: its separator, line ends and, where it had one, its byte order mark."""
        held = io.StringIO(newline="")
        csv.writer(held, delimiter=self.separator, lineterminator=self.newline).writerows([self.heading, *self.rows])
        return held.getvalue().encode(self.encoding, "replace")


def harmless(cell: str) -> str:
    """A cell of words that no spreadsheet takes for a formula; numbers and a platform's lone `-` stay."""
    return cell if cell.strip() in ("", "-") or _NUMBER.fullmatch(cell.strip()) else defused(cell)


def looks_like_formula(cell: str) -> bool:
    """Whether a spreadsheet would run an ID as a formula, or a terminal obey it.

    IDs are never changed, so such a row is left out and told.
    """
    return harmless(cell) != cell or plain(cell, len(cell)) != cell
