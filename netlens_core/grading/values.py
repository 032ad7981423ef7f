"""The border between a submission's values and the grader: what a function claims becomes data that can be measured.

Nothing that came out of the sandbox is trusted: every value is checked for kind, shape and size before a grader sees
it, and images are rounded to the 8 bits that a viewer would see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netlens_core.grading.plain_text import plain
from netlens_core.grading.sheets import Returned
from netlens_core.images import to_8bit
from netlens_core.languages import translate

Array = np.ndarray[Any, Any]
Cell = str | float | list[float]

LARGEST_SIDE = 4096
MOST_IMAGES, MOST_ROWS, MOST_STEPS = 4096, 10_000, 1_000_000
LOSSES = ("generator", "discriminator")
SLACK = 1e-3  # how far outside [0, 1] rounding may carry an image


class SubmissionError(Exception):
    """What a submission did wrong, in words for the student. Costs the points of the checks that needed the value."""


def image_from(claim: Any, what: str) -> Tensor:
    """A claimed image as float32 (3, H, W) in [0, 1], rounded to 8 bits.

    Raises SubmissionError for anything else: other shapes, unsigned bytes, NaN, values outside [0, 1].
    """
    wanted = translate("expected a float32 tensor (3, H, W) with values in [0, 1]")
    array = _numbers(claim, what, wanted)
    if array.ndim != 3 or array.shape[0] != 3:
        raise _other_shape(array, what, wanted)
    return to_8bit(_in_unit_range(array, what, wanted))


def images_from(claim: Any, what: str) -> Tensor:
    """Claimed images as float32 (N, C, H, W) in [0, 1], C 1 or 3, rounded to 8 bits. Raises as `image_from`."""
    wanted = translate("expected a float32 tensor (count, channels, H, W) with values in [0, 1]")
    array = _numbers(claim, what, wanted)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or not 1 <= array.shape[0] <= MOST_IMAGES:
        raise _other_shape(array, what, wanted)
    return to_8bit(_in_unit_range(array, what, wanted))


def montage_from(claim: Any, what: str) -> Tensor:
    """A claimed picture, grey (H, W) or coloured (3, H, W), as float32 (3, H, W) in [0, 1], rounded to 8 bits."""
    wanted = translate("expected a float32 tensor (H, W) or (3, H, W) with values in [0, 1]")
    array = _numbers(claim, what, wanted)
    if array.ndim == 2:
        array = np.broadcast_to(array, (3, *array.shape))
    if array.ndim != 3 or array.shape[0] != 3:
        raise _other_shape(array, what, wanted)
    return to_8bit(_in_unit_range(array, what, wanted))


def map_from(claim: Any, what: str) -> Tensor:
    """A claimed map as float32 (H, W) in [0, 1]. Raises as `image_from`."""
    wanted = translate("expected a float32 tensor (H, W) with values in [0, 1]")
    array = _numbers(claim, what, wanted)
    if array.ndim != 2:
        raise _other_shape(array, what, wanted)
    return _in_unit_range(array, what, wanted).clamp(0, 1)


def activations_from(claim: Any, what: str) -> Tensor:
    """Claimed activations as float32 (C, H, W), finite, of any size and sign."""
    wanted = translate("expected a float32 tensor (C, H, W)")
    array = _numbers(claim, what, wanted)
    if array.ndim != 3 or not array.size:
        raise _other_shape(array, what, wanted)
    return _finite(array, what, wanted)


def _returned(what: str, found: str, wanted: str) -> SubmissionError:
    return SubmissionError(translate("{what} returned {found}; {wanted}", what=what, found=found, wanted=wanted))


def _other_shape(array: Array, what: str, wanted: str) -> SubmissionError:
    return _returned(what, translate("shape {shape}", shape=tuple(array.shape)), wanted)


def _numbers(claim: Any, what: str, wanted: str) -> Array:
    if not isinstance(claim, np.ndarray):
        raise _returned(what, _described(claim), wanted)
    if claim.dtype.kind != "f":
        found = translate("{kind} values of shape {shape}", kind=claim.dtype, shape=tuple(claim.shape))
        raise _returned(what, found, wanted)
    return claim


def _finite(array: Array, what: str, wanted: str) -> Tensor:
    with np.errstate(over="ignore"):  # float64 beyond float32's range becomes infinite
        values = torch.from_numpy(np.array(array, dtype=np.float32))
    if not bool(torch.isfinite(values).all()):
        raise _returned(what, translate("NaN or infinity"), wanted)
    return values


def _in_unit_range(array: Array, what: str, wanted: str) -> Tensor:
    if not 1 <= min(array.shape[-2:]) <= max(array.shape[-2:]) <= LARGEST_SIDE:
        raise _other_shape(array, what, translate("sides are 1 to {most} pixels", most=LARGEST_SIDE))
    values = _finite(array, what, wanted)
    low, high = float(values.min()), float(values.max())
    if low < -SLACK or high > 1 + SLACK:
        found = translate("values from {low} to {high}", low=f"{low:.3g}", high=f"{high:.3g}")
        raise _returned(what, found, wanted)
    return values


def table_from(claim: Any, what: str) -> list[dict[str, Cell]]:
    """A claimed table as a list of rows, each a dict of texts, numbers, or lists of numbers (a size, say).

    Texts are cleaned and cut to 500 characters. Raises SubmissionError for more than 10,000 rows and anything else.
    """
    wanted = translate("expected a list of rows, each a dict of texts and numbers")
    if not isinstance(claim, list) or len(claim) > MOST_ROWS:
        raise _returned(what, _described(claim), wanted)
    where = translate("{what} returned in row {number}")
    return [_row(row, where.format(what=what, number=number), wanted) for number, row in enumerate(claim, 1)]


def _row(claim: Any, where: str, wanted: str) -> dict[str, Cell]:
    if not isinstance(claim, dict) or len(claim) > 50:
        raise SubmissionError(f"{where} {_described(claim)}; {wanted}")
    return {
        plain(str(key), 80): _cell(value, f"{where}, {plain(str(key), 80)}:", wanted) for key, value in claim.items()
    }


def _cell(value: Any, where: str, wanted: str) -> Cell:
    if isinstance(value, str):
        return plain(value, 500)
    if isinstance(value, list) and len(value) <= 20:
        return [_number(entry, where, wanted) for entry in value]
    return _number(value, where, wanted)


def _number(value: Any, where: str, wanted: str) -> float:
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fiu":
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SubmissionError(f"{where} {_described(value)}; {wanted}")
    if not math.isfinite(_as_float(value)):
        raise SubmissionError(translate("{where} no finite number; {wanted}", where=where, wanted=wanted))
    return _as_float(value)


def history_from(claim: Any, what: str) -> list[dict[str, float]]:
    """A claimed history of losses as [{"generator": loss, "discriminator": loss}, …], at least one, finite."""
    wanted = translate('expected a list of {"generator": loss, "discriminator": loss} with finite numbers')
    if not isinstance(claim, list) or not 1 <= len(claim) <= MOST_STEPS:
        raise _returned(what, _described(claim), wanted)
    where = translate("{what} returned at step {number}")
    return [_losses(step, where.format(what=what, number=number), wanted) for number, step in enumerate(claim, 1)]


def _losses(step: Any, where: str, wanted: str) -> dict[str, float]:
    if not isinstance(step, dict) or not step.keys() >= set(LOSSES):
        raise SubmissionError(f"{where} {_described(step)}; {wanted}")
    place = translate("{where} as the {name}'s loss")
    return {name: _number(step[name], place.format(where=where, name=name), wanted) for name in LOSSES}


def ranking_from(claim: Any, what: str) -> list[tuple[str, float]]:
    """A claimed ranking as [(category, probability), ...], at most 10,000 long; names cleaned and cut.

    Raises SubmissionError for anything that is not a list of such pairs with finite numbers.
    """
    wanted = translate("expected a list of (category, probability) such as [('daisy', 0.93), ...]")
    if not isinstance(claim, list) or len(claim) > MOST_ROWS:
        raise _returned(what, _described(claim), wanted)
    where = translate("{what} returned at place {number}")
    return [_pair(entry, where.format(what=what, number=number), wanted) for number, entry in enumerate(claim, 1)]


def _pair(entry: Any, where: str, wanted: str) -> tuple[str, float]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise SubmissionError(f"{where} {_described(entry)}; {wanted}")
    category, probability = entry
    if not isinstance(category, str):
        found = translate("{found} as the category", found=_described(category))
        raise SubmissionError(f"{where} {found}; {wanted}")
    return plain(category, 200), _number(probability, translate("{where} as the probability", where=where), wanted)


def answers_from(claim: Any) -> dict[str, str | float]:
    """The notebook's `answers` as {name: text or number}; texts cleaned and cut to 10,000 characters.

    Raises SubmissionError unless it is a dict with text or finite numbers as values.
    """
    wanted = translate("`answers` is a dict that maps names to texts or numbers")
    if not isinstance(claim, dict) or len(claim) > 200:
        raise SubmissionError(translate("{wanted}, not {found}", wanted=wanted, found=_described(claim)))
    answers: dict[str, str | float] = {}
    for name, value in claim.items():
        if isinstance(value, str):
            answers[plain(str(name), 200)] = plain(value, 10_000)
        elif isinstance(value, int | float) and math.isfinite(_as_float(value)):
            answers[plain(str(name), 200)] = _as_float(value)
        else:
            found = translate("{name} is {found}", name=repr(plain(str(name), 80)), found=_described(value))
            raise SubmissionError(f"{wanted}; {found}")
    return answers


BORDER: Mapping[Returned, Callable[[Any, str], Any]] = {
    "image": image_from,
    "images": images_from,
    "activations": activations_from,
    "montage": montage_from,
    "map": map_from,
    "ranking": ranking_from,
    "table": table_from,
    "history": history_from,
}


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _described(claim: Any) -> str:
    """What a value is, in words short enough for a message."""
    if claim is None:
        return translate("None (is a `return` missing?)")
    if isinstance(claim, np.ndarray):
        return translate("an array of {kind} with shape {shape}", kind=claim.dtype, shape=tuple(claim.shape))
    if isinstance(claim, list | dict):
        return translate("a {kind} of {count}", kind=type(claim).__name__, count=len(claim))
    if isinstance(claim, str):
        return translate("the text {text}", text=repr(plain(claim, 60)))
    return plain(repr(claim)[:80], 80)
