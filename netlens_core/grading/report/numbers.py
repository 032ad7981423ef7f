"""Numbers and requirements in words, and where they lie on a small scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netlens_core.grading.grade import Measurement
from netlens_core.languages import translate

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_STORED_DIGITS = 6


def number(value: float | str, digits: int = 3) -> str:
    """A number as people write it, with `digits` significant digits; words stay as they are."""
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return translate("not a number") if math.isnan(value) else translate("infinite")
    size = abs(value)
    sign = "−" if value < 0 else ""
    if size < 1e9 and size == int(size):
        text = f"{int(size):,}"
    elif 1e-4 <= size < 1e6:
        text = f"{size:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        text = f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    return sign + text.replace(",", "\u202f").replace(".", _decimal_sign())


def _decimal_sign() -> str:
    return translate("0.5")[1]  # a translator writes this number as people do


def points(value: float) -> str:
    """Points with at most two decimals: 3, 2.5, 0.67."""
    return number(round(value, 2), 12) if math.isfinite(value) else number(value)


def percent(probability: float) -> str:
    """A probability in percent; never "100 %" or "0 %" for what is only nearly so."""
    if math.isnan(probability):
        return translate("not a number")
    if probability < 0.001:
        text = "0 %" if probability <= 0 else "< 0.1 %"
    else:
        text = "100 %" if probability >= 1 else "> 99.9 %" if probability > 0.999 else f"{probability * 100:.1f} %"
    return text.replace(".", _decimal_sign())


def share(part: float, whole: float) -> float:
    """`part` of `whole` in percent, within [0, 100], whatever the numbers are."""
    if not (math.isfinite(part) and math.isfinite(whole)) or whole <= 0:
        return 0.0
    return round(min(max(part / whole, 0.0), 1.0) * 100, 2)


def measured(measurement: Measurement) -> str:
    """The value, with as many digits as it takes to tell it from what is required: 0.9497, not 0.95."""
    value = measurement.value
    if isinstance(value, str):
        return translate("“{word}”", word=value) if isinstance(measurement.equal_to, str) else value
    return number(value, _digits(measurement))


def requirement(measurement: Measurement) -> str:
    """What was required, in words: `at least 0.95`."""
    digits = _digits(measurement)
    if measurement.at_least is not None:
        return translate("at least {number}", number=number(measurement.at_least, digits))
    if measurement.at_most is not None:
        return translate("at most {number}", number=number(measurement.at_most, digits))
    if isinstance(measurement.equal_to, str):
        return translate("exactly “{word}”", word=measurement.equal_to)
    if measurement.equal_to is None:
        return translate("for information")
    return translate("exactly {number}", number=number(measurement.equal_to, digits))


def partly(measurement: Measurement) -> str:
    """From where on there is part of the points, in words; empty where it is all or nothing."""
    if measurement.partial_from is None:
        return ""
    start = number(measurement.partial_from, _digits(measurement))
    if measurement.at_least is not None:
        return translate("part of the points above {number}", number=start)
    return translate("part of the points below {number}", number=start)


def _digits(measurement: Measurement) -> int:
    """Significant digits with which different numbers look different: three, more where they are close."""
    limits = (measurement.at_least, measurement.at_most, measurement.equal_to, measurement.partial_from)
    # Stored values have six digits, limits may have more.
    numbers = {float(f"{x:.{_STORED_DIGITS}g}") for x in (measurement.value, *limits) if isinstance(x, float)}
    enough = (n for n in range(3, _STORED_DIGITS) if len({number(x, n) for x in numbers}) == len(numbers))
    return next(enough, _STORED_DIGITS)


@dataclass(frozen=True)
class Scale:
    """A measurement drawn: positions in percent of the scale's width, from the left.

    Full points lie between `met_from` and `met_to`, part of the points between `partly_from` and `partly_to`.
    `beyond` is "low" or "high" where the value lies outside, else empty.
    """

    value: float
    required: float
    met_from: float
    met_to: float
    partly_from: float
    partly_to: float
    beyond: str


def scale_of(measurement: Measurement) -> Scale | None:
    """Where value and requirement lie; None for words, and for numbers that no scale can hold."""
    upward = measurement.at_least is not None
    required = measurement.at_least if upward else measurement.at_most
    value = measurement.value
    if required is None or isinstance(value, str):
        return None
    start = required if measurement.partial_from is None else measurement.partial_from
    low, high = _range(value, required, start)
    if not all(map(math.isfinite, (value, required, start, high - low))) or high <= low:
        return None

    def place(x: float) -> float:
        return share(x - low, high - low)

    return Scale(
        value=place(value),
        required=place(required),
        met_from=place(required) if upward else 0.0,
        met_to=100.0 if upward else place(required),
        partly_from=place(min(start, required)),
        partly_to=place(max(start, required)),
        beyond="low" if value < low else "high" if value > high else "",
    )


def _range(value: float, required: float, start: float) -> tuple[float, float]:
    """Ends of the scale: around the requirement, stretched towards the value, but not without end."""
    span = abs(required - start) or abs(required) or 1.0
    room = span if start == required else span * 0.6
    low, high = min(required, start) - room, max(required, start) + room
    low, high = min(low, max(value, low - 12 * span)), max(high, min(value, high + 12 * span))
    # Numbers that are never negative, and shares, end where they end by nature.
    given = (value, required, start)
    if min(given) >= 0:
        low = max(low, 0.0)
        high = min(high, 1.0) if max(given) <= 1 else high
    return low, high
