"""What is fuzzed: for each reader of files and bytes from outside, odd inputs, and what must hold of every one.

A target's `run` returns what became of the input ("taken" or "refused"); every exception that it lets through is a
find. Inputs are well-formed ones bent out of shape, and ones made from the format's own words.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

from netlens_core.grading.exercise import Exercise
from netlens_core.grading.intake import MAX_CELLS, MAX_SOURCE, read_submission
from netlens_core.grading.sandbox.claims import Room, cell_of, outcome_of
from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sheets import CourseError, CourseSheet, ExerciseSheet, checked_yaml
from netlens_core.grading.values import BORDER, SubmissionError, answers_from
from netlens_core.images import ImageError, load_image

TAKEN, REFUSED = "taken", "refused"


@dataclass(frozen=True)
class Target:
    """One reader: its inputs, and a function that reads one and checks what came of it."""

    name: str
    inputs: st.SearchStrategy[Any]
    run: Callable[[Any], str]


def _words(text: str) -> list[str]:
    return text.split(" ")


# -- bending ---------------------------------------------------------------------------------------------

_BENDS = st.lists(
    st.tuples(
        st.sampled_from(_words("flip set cut drop double insert")), st.integers(0, 1 << 16), st.binary(max_size=8)
    ),
    max_size=5,
)


def bent(whole: bytes, bends: list[tuple[str, int, bytes]]) -> bytes:
    """Bytes with some of them changed, cut out, doubled or put in between."""
    data = bytearray(whole)
    for kind, at, extra in bends:
        at = at % (len(data) + 1)
        if kind == "flip" and at < len(data):
            data[at] ^= (extra or b"\x01")[0]
        elif kind == "set":
            data[at : at + len(extra)] = extra
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + len(extra) ** 2]
        elif kind == "double":
            data[at:at] = data[at : at + 64]
        else:
            data[at:at] = extra
    return bytes(data)


def bendings(wholes: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(bent, st.sampled_from(wholes), _BENDS)


def _trees(words: list[str], leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(words) | st.text(max_size=6)
    grown = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )
    return grown | st.dictionaries(keys, grown, max_size=6)


_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from([2**31, 2**63, 10**400, -1, 1e400, "\ud800", "\x1b[2J", "\u202e", ""])
)  # fmt: skip

# -- intake ----------------------------------------------------------------------------------------------

_CELLS = [
    {"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {"nbgrader": {"grade_id": "x"}}, "outputs": []},
    {"cell_type": "markdown", "source": "# words", "metadata": {}},
]
_NOTEBOOK = json.dumps({"cells": _CELLS, "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4}).encode()
_OLD = json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": ["a"]}]}], "nbformat": 3}).encode()
_PYTHON = "import torch\n# %% [markdown]\n# Words\n# %%\nä = 1\n".encode()


def zipped(entries: list[tuple[str, bytes, int, int]]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data, attributes, method in entries:
            entry = zipfile.ZipInfo(name[:200] or "x")
            entry.external_attr = attributes & 0xFFFFFFFF
            entry.compress_type = method
            archive.writestr(entry, data)
    return held.getvalue()


_NAMES = st.sampled_from(
    _words(
        "noise.ipynb Noise.IPYNB noise.py ../noise.ipynb /etc/noise.py C:\\x.py inner.zip a/b/noise.ipynb .x.py nul "
        "__MACOSX/._noise.ipynb x\ud7ff.ipynb"
    )
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_ENTRIES = st.tuples(
    _NAMES, st.sampled_from([_NOTEBOOK, _PYTHON, b"", b"PK\x03\x04", bytes(4096)]),
    st.sampled_from([0, 0o120777 << 16, 0o60666 << 16, 0o20666 << 16, 0o40755 << 16, 16]) | st.integers(0, 1 << 32),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
)  # fmt: skip
_ZIP = zipped([("noise.ipynb", _NOTEBOOK, 0, zipfile.ZIP_DEFLATED), ("x/flower.png", b"x", 0, zipfile.ZIP_STORED)])
_NOTEBOOK_WORDS = _words(
    "cells cell_type source metadata nbgrader grade_id kernelspec language language_info name worksheets input"
)
_FILES = (
    bendings([_NOTEBOOK, _OLD, _PYTHON, _ZIP, _NOTEBOOK.decode().encode("utf-16"), b"\xef\xbb\xbf" + _NOTEBOOK])
    | st.binary(max_size=200)
    | _trees(_NOTEBOOK_WORDS, _LEAVES).map(lambda tree: json.dumps({"cells": tree, "metadata": tree}).encode())
    | _trees(_NOTEBOOK_WORDS, _LEAVES).map(lambda tree: json.dumps({"cells": [tree], "worksheets": tree}).encode())
    | st.builds(bent, st.lists(_ENTRIES, max_size=4).map(zipped), _BENDS)
)


def _intake(given: tuple[bytes, str]) -> str:
    data, name = given
    submission = read_submission(data, name, "noise")
    assert len(submission.sha256) == 64
    assert len(submission.cells) <= MAX_CELLS and sum(len(cell.source) for cell in submission.cells) <= MAX_SOURCE
    for cell in submission.cells:
        cell.source.encode()  # can be written down
    for text in (submission.name, submission.refusal, *submission.notes):
        assert len(text) < 2000 and "\x1b" not in text and "\u202e" not in text
    return REFUSED if submission.refusal else TAKEN


# -- replies ---------------------------------------------------------------------------------------------

_REPLIES = [
    wire.pack({"id": 1, "ok": True, "value": np.zeros((3, 2, 2), np.float32)}),
    wire.pack({"id": 1, "ok": True, "value": [["daisy", 0.5], ["bee", np.float64(0.25).item()]]}),
    wire.pack({"id": 1, "ok": False, "error": "ValueError: x", "trace": "cell 1", "memory": False}),
    wire.pack(
        {"cell": 1, "error": None, "trace": "", "outputs": [{"kind": "display", "text": "x", "png": b"\x89PNG"}]}
    ),
    wire.pack({"ran": True}),
]
_REPLY_WORDS = _words(
    "$array $bytes id ok value missing problem memory error trace outputs kind text png ran cell resembles"
)
_REPLY_LEAVES = _LEAVES | st.sampled_from(
    ["<f4", "|u1", "|O", "stdout", "display", [3, 2, 2], [2**31, 0], [-1], True, 1]
)


def framed(tree: Any, body: bytes) -> bytes:
    head = json.dumps(tree).encode()
    return struct.pack(">4sII", b"NLF1", len(head), len(body)) + head + body


_FRAMES = (
    bendings(_REPLIES)
    | st.binary(max_size=64).map(lambda data: b"NLF1" + data)
    | st.builds(framed, _trees(_REPLY_WORDS, _REPLY_LEAVES), st.binary(max_size=48))
    | st.builds(
        lambda value, body: framed({"id": 1, "ok": True, "value": value}, body),
        _trees(_REPLY_WORDS, _REPLY_LEAVES),
        st.binary(max_size=48),
    )
)


def _replies(given: tuple[bytes, int]) -> str:
    """A frame, in pieces of some size, through parser, claims and border."""
    data, piece = given
    buffer, taken, limits = bytearray(), REFUSED, Limits()
    for start in range(0, len(data), piece):
        buffer += data[start : start + piece]
        try:
            while (frame := wire.take(buffer, 1 << 20)) is not None:
                _claimed(frame[0], limits)
                taken = TAKEN
        except wire.WireError:
            return REFUSED
    return taken


def _claimed(frame: Any, limits: Limits) -> None:
    outcome = outcome_of(frame, "`f`", 1, limits)
    assert len(outcome.message) < 6000 and "\x1b" not in outcome.message
    if isinstance(frame, dict):
        cell = cell_of(frame, 1, Room(1 << 20))
        json.dumps([cell.error, cell.traceback, cell.outputs]).encode()
    borders = {kind: partial(read, what="`f`") for kind, read in BORDER.items()}
    for kind, border in {**borders, "answers": answers_from}.items():
        try:
            value = border(outcome.value)
        except SubmissionError as error:
            assert len(str(error)) < 1000 and "\x1b" not in str(error)
            continue
        if isinstance(value, torch.Tensor):
            assert value.dtype == torch.float32 and bool(value.isfinite().all())
            assert kind == "activations" or bool(((value >= 0) & (value <= 1)).all())


# -- images ----------------------------------------------------------------------------------------------


def _pictures() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
    profile, exif = b"ICC" * 50, Image.Exif()
    exif[0x0112] = 6
    found = []
    for form, mode in [("PNG", "RGB"), ("PNG", "P"), ("PNG", "LA"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("BMP", "RGB")]:
        held = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(held, form, icc_profile=profile, exif=exif)
        found.append(held.getvalue())
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG", interlace=True, bits=8)
    return [*found, held.getvalue()]


def with_chunk(kind: bytes, content: bytes, compressed: bool, sizes: tuple[int, int]) -> bytes:
    """A PNG that claims a size and carries one chunk more, with a right checksum."""
    body = b"x\0\0" + zlib.compress(content) if compressed else content

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", *sizes, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(4 * (1 + 3 * 4)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(kind, body) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


_PICTURES = (
    bendings(_pictures())
    | st.binary(max_size=200)
    | st.builds(
        with_chunk,
        st.sampled_from([b"iCCP", b"eXIf", b"zTXt", b"iTXt", b"tRNS", b"PLTE", b"acTL", b"fcTL", b"gAMA", b"IHDR"]),
        st.binary(max_size=64) | st.just(bytes(1 << 20)),
        st.booleans(),
        st.sampled_from([(4, 4), (0, 4), (4096, 4096), (1 << 31, 1), (65535, 65535)]),
    )
)


def _image(data: bytes) -> str:
    try:
        image = load_image(data, max_pixels=1 << 16)
    except ImageError as error:
        assert len(str(error)) < 1000
        return REFUSED
    assert image.dtype == torch.float32 and image.dim() == 3 and image.size(0) == 3
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    return TAKEN


# -- course files ----------------------------------------------------------------------------------------

_EXERCISE = b"""title: A title
functions:
  paint: {arguments: {network: network, image: image}, returns: image}
answers: [resembles]
inputs:
  flower: {draw: daisy, whose: student, file: flower.png}
  noise: {draw: noise, whose: course, category: flamingo, file: x.png}
limits: {start_seconds: 60, call_seconds: 30, total_seconds: 150, memory_mb: 2048}
"""
_COURSE = b"""title: A title
language: en
seed: 2026
networks:
  target: efficientnet_lite0
  jury: [efficientnet_lite1, efficientnet_lite2]
exercises: [noise, adversarial]
"""
_YAML_PARTS = st.sampled_from(
    _words(
        "!!timestamp !!int !!bool !!float !!binary !!set !!omap !!pairs !!python/object:os.system !!null !x &a *a << : "
        '- ? | > [ ] { } , # --- ... %YAML @ ` 2001-99-99 1:99:99 .nan .inf -.inf 0x10 1e999 \'"\' "\\uD800" ~ \t '
        "{{}:1} [[[[[[[[ <<:*a \ufeff"
    )
) | st.text(max_size=8)
_YAML_WORDS = _words(
    "title language seed networks target jury exercises functions arguments returns answers inputs draw whose category "
    "color size file limits start_seconds call_seconds memory_mb image network integer ranking daisy noise"
)


def _sheets(whole: bytes) -> st.SearchStrategy[bytes]:
    lines = st.lists(
        st.tuples(st.sampled_from(_YAML_WORDS) | st.text(max_size=5), _YAML_PARTS, _YAML_PARTS), max_size=6
    )
    return (
        bendings([whole])
        | lines.map(lambda found: "\n".join(f"{a}: {b} {c}" for a, b, c in found).encode(errors="surrogatepass"))
        | st.tuples(st.integers(0, 400), _YAML_PARTS).map(
            lambda put: whole[: put[0]] + put[1].encode(errors="surrogatepass") + whole[put[0] :]
        )
        | _trees(_YAML_WORDS, _LEAVES).map(lambda tree: json.dumps(tree).encode())
    )


def _exercise_sheet(data: bytes) -> str:
    try:
        sheet = checked_yaml(data, "exercise.yaml", ExerciseSheet)
    except CourseError as error:
        return _told(error)
    assert Exercise("x", sheet, (), {}).sha256
    sheet.title.encode()
    return TAKEN


def _course_sheet(data: bytes) -> str:
    try:
        sheet = checked_yaml(data, "course.yaml", CourseSheet)
    except CourseError as error:
        return _told(error)
    f"{sheet.seed} {sheet.title} {sheet.networks}".encode()
    return TAKEN


def _told(error: CourseError) -> str:
    assert len(str(error)) < 4000 and "\x1b" not in str(error)
    str(error).encode()
    return REFUSED


TARGETS = [
    Target("intake", st.tuples(_FILES, st.sampled_from(["n.ipynb", "n.py", "n.zip", "", "\x1b[2J\u202e"])), _intake),
    Target("reply parser", st.tuples(_FRAMES, st.sampled_from([1, 7, 1 << 20])), _replies),
    Target("image decoder", _PICTURES, _image),
    Target("exercise.yaml", _sheets(_EXERCISE), _exercise_sheet),
    Target("course.yaml", _sheets(_COURSE), _course_sheet),
]
