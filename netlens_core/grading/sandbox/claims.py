"""What a submission's process says, turned into our words. Every field is a claim, and may be of any kind."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import CellRun, Outcome
from netlens_core.languages import translate

_MOST_OUTPUTS = 40  # a cell
_MOST_TEXT = 65_000  # characters of one output
_MOST_PICTURE = 1 << 20  # bytes
_LARGEST_SIDE = 4096  # pixels
_MOST_MEGAPIXELS = 100  # of a notebook's pictures together; a browser needs 4 MB of memory for each
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_DRAWING = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def outcome_of(reply: Any, what: str, number: int, limits: Limits) -> Outcome:
    """A reply to request `number` as an Outcome."""
    if not isinstance(reply, dict) or reply.get("id") != number or not isinstance(reply.get("ok"), bool):
        return Outcome("bad_reply", message=translate("{what} sent something that is no reply.", what=what))
    if reply["ok"]:
        return Outcome("ok", reply.get("value"))
    if reply.get("missing") is True and "kind" in reply:
        kind = plain(_text(reply["kind"]), 80)
        told = translate("{what} is not a function any more, but of the type `{kind}`.", what=what, kind=kind)
        return Outcome("missing", value=kind, message=told)
    if reply.get("missing") is True:
        told = translate("{what} is missing: define it at the top level of the notebook.", what=what)
        return Outcome("missing", message=told)
    if "problem" in reply:
        problem = plain(_text(reply["problem"]), 500)
        return Outcome("bad_reply", message=translate("{what} returned {problem}.", what=what, problem=problem))
    trace = plain(_text(reply.get("trace")), 4000)
    if reply.get("memory") is True:
        words = translate("{what} ran out of memory: {size} MiB are allowed.", what=what, size=limits.memory_mb)
        return Outcome("out_of_memory", message=words + (f"\n{trace}" if trace else ""))
    error = plain(_text(reply.get("error")), 600)
    raised = translate("{what} raised {error}", what=what, error=error)
    return Outcome("error", message=raised + (f"\n{trace}" if trace else ""))


@dataclass
class Room:
    """How much of what a notebook shows may still be kept."""

    size: int  # bytes
    pixels: int = _MOST_MEGAPIXELS * 1_000_000  # a picture of few bytes can have many


def cell_of(frame: dict[str, Any], number: int, room: Room) -> CellRun:
    """What a notebook cell showed; `room` is lowered by what is kept of it. What is left out is told."""
    error, outputs = frame.get("error"), frame.get("outputs")
    shown = outputs if isinstance(outputs, list) else []
    kept = []
    for entry in shown[:_MOST_OUTPUTS]:
        output, size = _output(entry if isinstance(entry, dict) else {}, number, room)
        if size > room.size:
            break
        room.size -= size
        kept.append(output)
    if len(kept) < len(shown):
        told = translate("the rest is left out: the notebook shows more than is kept")
        kept.append({"output_type": "stream", "name": "stderr", "text": f"({told})\n"})
    return CellRun(
        error=None if error is None else plain(_text(error), 600),
        traceback=plain(_text(frame.get("trace")), 4000),
        outputs=kept,
    )


def _output(entry: dict[str, Any], number: int, room: Room) -> tuple[dict[str, Any], int]:
    """One output in the notebook format's own form, and its size in bytes."""
    text, kind = plain(_overwritten(_text(entry.get("text"))), _MOST_TEXT), entry.get("kind")
    if kind not in ("result", "display"):
        name = "stderr" if kind == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": text}, len(text)
    data = {"text/plain": text}
    if "png" in entry:
        picture = _decent_png(entry["png"]) if isinstance(entry["png"], bytes) else None
        if left_out := _too_much(picture, room):
            data["text/plain"] = f"{text} ({left_out})".lstrip()
        elif picture:
            data["image/png"] = base64.b64encode(picture).decode()
    output: dict[str, Any] = {"output_type": "display_data", "data": data, "metadata": {}}
    if kind == "result":
        output |= {"output_type": "execute_result", "execution_count": number}
    return output, sum(len(part) for part in data.values())


def _too_much(picture: bytes | None, room: Room) -> str:
    """Why a picture is left out, in words for the student; "" where it is kept, and `room` lowered."""
    if picture is None:
        return translate(
            "picture left out: it is damaged, larger than {size} MiB or has a side above {side} pixels",
            size=_MOST_PICTURE >> 20,
            side=_LARGEST_SIDE,
        )
    width, height = struct.unpack(">II", picture[len(_PNG) : len(_PNG) + 8])
    if width * height > room.pixels:
        return translate(
            "picture left out: all pictures of a notebook together may have {most} million pixels",
            most=_MOST_MEGAPIXELS,
        )
    room.pixels -= width * height
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _overwritten(text: str) -> str:
    """Text as a terminal would leave it: what a carriage return overwrites, such as progress bars, is dropped."""
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))


def _decent_png(picture: bytes) -> bytes | None:
    """A PNG of a size that a browser can show, reduced to what draws its pixels; None for anything else.

    Never decoded here. Colour profiles, EXIF, texts, and whatever follows the end (a page, an archive) are left out.
    """
    if not picture.startswith(_PNG) or len(picture) > _MOST_PICTURE:
        return None
    kept, at = [picture[:8]], 8
    while at + 12 <= len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        end = at + 12 + length
        if end > len(picture) or zlib.crc32(picture[at + 4 : end - 4]) != int.from_bytes(picture[end - 4 : end]):
            return None
        if kind == b"IHDR" and (len(kept) > 1 or not _can_be_shown(picture[at + 8 : end - 4])):
            return None
        if kind in _DRAWING:
            kept.append(picture[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end
    return None


def _can_be_shown(head: bytes) -> bool:
    width, height = struct.unpack(">II", head[:8])
    return len(head) == 13 and 1 <= width <= _LARGEST_SIDE and 1 <= height <= _LARGEST_SIDE
