"""What student code returns, as plain data that can cross the border: done inside, so it is only a courtesy."""

from __future__ import annotations

import collections.abc
import numbers
from typing import Any

import numpy as np
import torch

from . import wire, words

_DEEPEST = 32


class Unsendable(Exception):
    """A value that has no plain form; the message completes "`craft` returned ..."."""


def plain_value(value: Any, depth: int = 0) -> Any:
    """A value as plain data: tensors and images become arrays, mappings dicts, tuples lists.

    Raises Unsendable for what has no plain form.
    """
    if depth > _DEEPEST:
        raise Unsendable(words.said(words.NESTED, most=_DEEPEST))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, torch.Tensor):
        return _from_tensor(value)
    if isinstance(value, np.ndarray):
        return _from_array(value)
    if isinstance(value, np.generic):
        return _from_array(np.asarray(value))
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, collections.abc.Mapping):
        return {_key(key): plain_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | collections.deque):
        return [plain_value(item, depth + 1) for item in value]
    if type(value).__module__.startswith("PIL."):
        return _from_array(np.asarray(value))
    if isinstance(value, complex):
        raise Unsendable(words.said(words.COMPLEX))
    raise Unsendable(words.said(words.OTHER_KIND, kind=type(value).__name__))


def _key(key: Any) -> str:
    if isinstance(key, str | numbers.Number | None):
        return str(key)
    raise Unsendable(words.said(words.OTHER_KEY, kind=type(key).__name__))


def _from_tensor(value: torch.Tensor) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        if value.layout != torch.strided or value.is_quantized:
            raise Unsendable(words.said(words.SPARSE))
        if value.is_complex():
            raise Unsendable(words.said(words.COMPLEX_TENSOR))
        if value.device.type == "meta":
            raise Unsendable(words.said(words.EMPTY))
        dense = value.detach().cpu().resolve_neg()
        if dense.dtype in (torch.bfloat16, torch.float16):
            dense = dense.float()
        return _from_array(dense.contiguous().numpy())


def _from_array(value: np.ndarray) -> Any:
    if value.ndim == 0 and value.dtype.kind in "biufU":
        return value.item()
    kind = value.dtype.newbyteorder("<")
    if kind.str not in wire.DTYPES:
        raise Unsendable(words.said(words.OTHER_ARRAY, kind=value.dtype))
    if value.ndim > wire.MAX_RANK:
        raise Unsendable(words.said(words.DIMENSIONS, count=value.ndim, most=wire.MAX_RANK))
    return np.ascontiguousarray(np.asarray(value), dtype=kind)
