"""Frames between grader and submission: no pickle, no archives, no evaluation, no paths.

    magic | header length (u32) | body length (u32) | header (JSON) | body

An array is `{"$array": [dtype, shape]}` in the header, bytes are `{"$bytes": length}`; their raw bytes follow in the
body in the same order. Memory grows with the bytes that arrive, never with the bytes that are announced.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np

HEAD = struct.Struct(">4sII")
MAGIC = b"NLF1"
MAX_HEADER = 1 << 20
MAX_RANK = 8
DTYPES = frozenset({"|b1", "|u1", "|i1", "<u2", "<i2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"})


class WireError(Exception):
    """What arrived is no well-formed frame, or a value has no form that can be sent."""


def pack(value: Any) -> bytes:
    """One frame holding None, bool, int, float, str, bytes, lists, tuples, dicts with text keys, and arrays.

    Raises WireError for anything else and for a header above 1 MiB.
    """
    body: list[bytes] = []

    def encoded(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            if item.dtype.str not in DTYPES or item.ndim > MAX_RANK:
                raise WireError(f"an array of {item.dtype} with {item.ndim} dimensions")
            body.append(item.tobytes())
            return {"$array": [item.dtype.str, list(item.shape)]}
        if isinstance(item, bytes):
            body.append(item)
            return {"$bytes": len(item)}
        if item is None or isinstance(item, bool | int | float | str):
            return item
        if isinstance(item, list | tuple):
            return [encoded(part) for part in item]
        if isinstance(item, dict) and all(isinstance(key, str) for key in item):
            if "$array" in item or "$bytes" in item:
                raise WireError("a dict with a reserved key")
            return {key: encoded(part) for key, part in item.items()}
        raise WireError(f"a {type(item).__name__}")

    try:
        header = json.dumps(encoded(value)).encode()
    except (ValueError, RecursionError) as error:
        raise WireError(f"a value that cannot be written down ({type(error).__name__})") from None
    if len(header) > MAX_HEADER:
        raise WireError(f"{len(header)} bytes of text and numbers outside arrays; {MAX_HEADER} is the limit")
    content = b"".join(body)
    return HEAD.pack(MAGIC, len(header), len(content)) + header + content


def take(buffer: bytearray, max_body: int) -> tuple[Any] | None:
    """Remove one whole frame from the front of a buffer and return `(value,)`; None while it is incomplete.

    Raises WireError as soon as it is certain that no well-formed frame within the limits will come.
    """
    if len(buffer) < HEAD.size:
        if not MAGIC.startswith(bytes(buffer[:4])):
            raise WireError("no frame")
        return None
    magic, header_length, body_length = HEAD.unpack_from(buffer)
    if magic != MAGIC:
        raise WireError("no frame")
    if header_length > MAX_HEADER or body_length > max_body:
        raise WireError(f"more than {max_body >> 20} MiB")
    end = HEAD.size + header_length + body_length
    if len(buffer) < end:
        return None
    header = bytes(buffer[HEAD.size : HEAD.size + header_length])
    body = bytes(buffer[HEAD.size + header_length : end])
    del buffer[:end]
    return (_decoded(header, body),)


def _decoded(header: bytes, body: bytes) -> Any:
    at = 0

    def restored(item: dict[str, Any]) -> Any:
        nonlocal at
        if item.keys() == {"$bytes"}:
            dtype, shape = "|u1", [item["$bytes"]]
        elif item.keys() == {"$array"}:
            dtype, shape = item["$array"]
        else:
            return item
        sizes_are_sane = len(shape) <= MAX_RANK and all(type(n) is int and 0 <= n < 1 << 31 for n in shape)
        if dtype not in DTYPES or not sizes_are_sane:
            raise WireError("an array of unknown kind or size")
        count = math.prod(shape)  # Python's integers do not overflow
        end = at + count * np.dtype(dtype).itemsize
        if end > len(body):
            raise WireError("an array larger than what was sent")
        array = np.frombuffer(body, dtype, count, at).reshape(shape)
        at = end
        return array.tobytes() if "$bytes" in item else array

    try:
        value = json.loads(header, object_hook=restored)
    except WireError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError, OverflowError) as error:
        raise WireError(f"a malformed frame ({type(error).__name__})") from None
    if at != len(body):
        raise WireError("bytes that belong to nothing")
    return value
