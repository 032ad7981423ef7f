"""The border between a submission's values and the grader: what a function claims becomes data that can be measured.

Nothing that came out of the sandbox is trusted: every value is checked for kind, shape and size before a grader sees
it, and images are rounded to the 8 bits that a viewer would see.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netlens_core.grading.plain_text import plain
from netlens_core.images import to_8bit

LARGEST_SIDE = 4096
SLACK = 1e-3  # how far outside [0, 1] rounding may carry an image


class SubmissionError(Exception):
    """What a submission did wrong, in words for the student. Costs the points of the checks that needed the value."""


def image_from(claim: Any, what: str) -> Tensor:
    """A claimed image as float32 (3, H, W) in [0, 1], rounded to 8 bits.

    Raises SubmissionError for anything else: other shapes, unsigned bytes, NaN, values outside [0, 1].
    """
    wanted = "expected a float32 tensor (3, H, W) with values in [0, 1]"
    if not isinstance(claim, np.ndarray):
        raise SubmissionError(f"{what} returned {_described(claim)}; {wanted}")
    if claim.ndim != 3 or claim.shape[0] != 3:
        raise SubmissionError(f"{what} returned shape {tuple(claim.shape)}; {wanted}")
    if not 1 <= min(claim.shape[1:]) <= max(claim.shape[1:]) <= LARGEST_SIDE:
        raise SubmissionError(f"{what} returned shape {tuple(claim.shape)}; sides are 1 to {LARGEST_SIDE} pixels")
    if claim.dtype.kind != "f":
        raise SubmissionError(f"{what} returned {claim.dtype} values; {wanted}")
    image = torch.from_numpy(np.ascontiguousarray(claim, dtype=np.float32))
    if not bool(torch.isfinite(image).all()):
        raise SubmissionError(f"{what} returned NaN or infinity; {wanted}")
    low, high = float(image.min()), float(image.max())
    if low < -SLACK or high > 1 + SLACK:
        raise SubmissionError(f"{what} returned values from {low:.3g} to {high:.3g}; {wanted}")
    return to_8bit(image)


def ranking_from(claim: Any, what: str) -> list[tuple[str, float]]:
    """A claimed ranking as [(category, probability), ...], at most 10,000 long; names cleaned and cut.

    Raises SubmissionError for anything that is not a list of such pairs with finite numbers.
    """
    wanted = "expected a list of (category, probability) such as [('daisy', 0.93), ...]"
    if not isinstance(claim, list):
        raise SubmissionError(f"{what} returned {_described(claim)}; {wanted}")
    if len(claim) > 10_000:
        raise SubmissionError(f"{what} returned {len(claim)} pairs; {wanted}")
    return [_pair(entry, f"{what} returned at place {place}", wanted) for place, entry in enumerate(claim, 1)]


def _pair(entry: Any, where: str, wanted: str) -> tuple[str, float]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise SubmissionError(f"{where} {_described(entry)}; {wanted}")
    category, probability = entry
    if not isinstance(category, str):
        raise SubmissionError(f"{where} {_described(category)} as the category; {wanted}")
    if isinstance(probability, np.ndarray) and probability.size == 1 and probability.dtype.kind in "fiu":
        probability = probability.item()
    if isinstance(probability, bool) or not isinstance(probability, int | float):
        raise SubmissionError(f"{where} {_described(probability)} as the probability; {wanted}")
    if not math.isfinite(_as_float(probability)):
        raise SubmissionError(f"{where} a probability that is no finite number; {wanted}")
    return plain(category, 200), _as_float(probability)


def answers_from(claim: Any) -> dict[str, str | float]:
    """The notebook's `answers` as {name: text or number}; texts cleaned and cut to 10,000 characters.

    Raises SubmissionError unless it is a dict with text or finite numbers as values.
    """
    wanted = "`answers` is a dict that maps names to texts or numbers"
    if not isinstance(claim, dict) or len(claim) > 200:
        raise SubmissionError(f"{wanted}, not {_described(claim)}")
    answers: dict[str, str | float] = {}
    for name, value in claim.items():
        if isinstance(value, str):
            answers[plain(str(name), 200)] = plain(value, 10_000)
        elif isinstance(value, int | float) and math.isfinite(_as_float(value)):
            answers[plain(str(name), 200)] = _as_float(value)
        else:
            raise SubmissionError(f"{wanted}; {plain(str(name), 80)!r} is {_described(value)}")
    return answers


BORDER = {"image": image_from, "ranking": ranking_from}


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _described(claim: Any) -> str:
    """What a value is, in words short enough for a message."""
    if claim is None:
        return "None (is a `return` missing?)"
    if isinstance(claim, np.ndarray):
        return f"an array of {claim.dtype} with shape {tuple(claim.shape)}"
    if isinstance(claim, list | dict):
        return f"a {type(claim).__name__} of {len(claim)}"
    if isinstance(claim, str):
        return f"the text {plain(claim, 60)!r}"
    return plain(repr(claim)[:80], 80)
