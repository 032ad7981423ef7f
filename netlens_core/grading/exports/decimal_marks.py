"""Decimal and thousands marks of a sheet: decided from all of its numbers, or by the user, never from one cell.

`1,000` is a thousand in one country and one in another. A cell such as `3.50`, `1,000.00` or `1.234.567` can be read in
one way only, and tells for the whole sheet, as a platform writes all numbers alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.plain_text import plain

MARKS = (".", ",")
# Between groups of three digits: spaces (also narrow, thin and figure spaces), apostrophes; and the other mark.
_GROUPING = " \u00a0\u202f\u2009\u2007'\u2019\u02bc"
_NUMERIC = re.compile(rf"[-+\u2212]?[0-9][0-9.,{_GROUPING}]*|[-+\u2212]?[.,][0-9]+")
_SHOWN = 5
_ASK = "say what is the decimal mark, --decimal . or --decimal ,"


@dataclass(frozen=True)
class Cell:
    """A cell of a sheet, and where it stands, in words."""

    text: str
    place: str

    def __str__(self) -> str:
        return f"{plain(self.text.strip(), 40)!r} ({self.place})"


@dataclass(frozen=True)
class DecimalMark:
    """How a sheet writes its numbers.

    Attributes:
        mark: "." or ","; empty where the sheet's numbers do not tell.
        sheet: the sheet's name, for errors.
        separator: what separates the sheet's cells.
        doubt: why the numbers do not tell, in words.
    """

    mark: str
    sheet: str
    separator: str = ","
    doubt: str = ""

    def number(self, cell: Cell) -> float | None:
        """The cell's number; None for text. Raises CourseError for a number that has two readings, or none."""
        text = _bare(cell.text)
        if text is None:
            return None
        readings = {mark: value for mark, value in _readings(text).items() if not self.mark or mark == self.mark}
        if not readings:
            decimal = f"where {self.mark!r} is the decimal mark" if self.mark else "in any country's writing"
            raise CourseError(f"{self.sheet}: {cell} is no number {decimal}: correct it, or {_ASK}")
        if len(set(readings.values())) > 1:
            large, small = max(readings.values()), min(readings.values())
            raise CourseError(f"{self.sheet}: {cell} can be {large:g} or {small:g}; {self.doubt}: {_ASK}")
        return next(iter(readings.values()))

    def like(self, cell: Cell) -> DecimalMark:
        """The same, with the mark of a cell that can be read in one way only, where the sheet as a whole tells none."""
        mark = self.mark or _only_mark(cell.text)
        return replace(self, mark=mark)

    def written(self, value: float) -> str:
        """Points with two decimals, as the sheet writes them."""
        # Without any number to go by: spreadsheets separate cells with semicolons where they write decimal commas.
        comma = self.mark == "," or (not self.mark and self.separator == ";")
        text = f"{value:.2f}"
        return text.replace(".", ",") if comma else text


def decimal_mark(sheet: str, cells: Iterable[Cell], separator: str, asked: str = "") -> DecimalMark:
    """The decimal mark of a sheet with these cells, whatever they hold; `asked` is what the user said."""
    if asked:
        return DecimalMark(asked, sheet, separator)
    evidence: dict[str, list[Cell]] = {mark: [] for mark in MARKS}
    for cell in cells:
        if mark := _only_mark(cell.text):
            evidence[mark].append(cell)
    points, commas = evidence["."], evidence[","]
    if points and commas:
        doubt = f"the sheet has decimal points in {_listed(points)} and decimal commas in {_listed(commas)}"
        return DecimalMark("", sheet, separator, doubt)
    doubt = "" if points or commas else "no other number of the sheet tells which"
    return DecimalMark("." if points else "," if commas else "", sheet, separator, doubt)


def is_number(text: str) -> bool:
    """Whether a cell holds a number, whatever its decimal mark is."""
    return _bare(text) is not None


def _bare(text: str) -> str | None:
    """The digits and marks of a number, without a percent sign; None for anything else."""
    stripped = text.strip().removesuffix("%").strip()
    return stripped.replace("\u2212", "-") if _NUMERIC.fullmatch(stripped) else None


def _readings(text: str) -> dict[str, float]:
    return {mark: value for mark in MARKS if (value := _read(text, mark)) is not None}


def _only_mark(cell: str) -> str:
    """The one decimal mark with which a cell is a number; empty where both fit, or neither."""
    text = _bare(cell)
    readings = _readings(text) if text else {}
    return next(iter(readings)) if len(readings) == 1 else ""


def _read(text: str, mark: str) -> float | None:
    """A number where `mark` is the decimal mark; None where it cannot be one."""
    other = "," if mark == "." else "."
    whole, _, fraction = text.lstrip("+-").partition(mark)
    if not re.fullmatch(r"[0-9]*", fraction):
        return None
    grouping = rf"([{re.escape(other)}{_GROUPING}])"
    if not re.fullmatch(rf"[0-9]*|[1-9][0-9]{{0,2}}{grouping}[0-9]{{3}}(\1[0-9]{{3}})*", whole):
        return None
    digits = re.sub(grouping, "", whole)
    if not digits and not fraction:
        return None
    value = float(f"{digits or '0'}.{fraction or '0'}")
    return -value if text.startswith("-") else value


def _listed(cells: Sequence[Cell]) -> str:
    shown = ", ".join(map(str, cells[:_SHOWN]))
    return f"{shown} and {len(cells) - _SHOWN} more" if len(cells) > _SHOWN else shown
