"""Pictures inside pages: as `data:` addresses, in full or as thumbnails; nothing but PNG is let in."""

from __future__ import annotations

import base64
import io
import struct
from dataclasses import dataclass

from markupsafe import Markup
from PIL import Image

from netlens_core.grading.report.work import GradedWork

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 4 * 2**20
MOST_PIXELS_A_SIDE = 8192
THUMBNAIL = 96  # pixels
_FEW_PIXELS = 112  # below this a picture is enlarged so much that its pixels should stay sharp


@dataclass(frozen=True)
class Picture:
    """A picture for an `img`: its `data:` address, its size in pixels, and whether its pixels are to stay sharp."""

    address: Markup
    width: int
    height: int

    @property
    def pixelated(self) -> bool:
        """Whether it is shown much larger than it is."""
        return max(self.width, self.height) <= _FEW_PIXELS


def read_png(work: GradedWork, name: str) -> bytes | None:
    """The bytes of a figure; None where they are lost, too large or no PNG."""
    try:
        data = work.picture(name)
    except (OSError, KeyError, ValueError):
        return None
    return data if len(data) <= MOST_BYTES and _size(data) else None


def picture(data: bytes) -> Picture:
    """Bytes that `read_png` let through, as a picture."""
    size = _size(data)
    assert size is not None
    return Picture(_address("image/png", data), *size)


def thumbnail(data: bytes) -> Picture | None:
    """A small JPEG of a PNG, at most 96 x 96 pixels; None where it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
            opened.load()
            image = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    scale = THUMBNAIL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    kept = io.BytesIO()
    paper.convert("RGB").resize(size, way).save(kept, "JPEG", quality=80)
    return Picture(_address("image/jpeg", kept.getvalue()), *size)


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height as the PNG's first chunk tells them; None where it is none, or absurd."""
    if len(data) < 33 or not data.startswith(SIGNATURE) or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return (width, height) if 0 < width <= MOST_PIXELS_A_SIDE and 0 < height <= MOST_PIXELS_A_SIDE else None


def _address(kind: str, data: bytes) -> Markup:
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")
