"""Decode a picture file of whatever kind people have to 8-bit RGB, and say what was done to it on the way.

PNG, JPEG (with the several pictures of phones), WebP, BMP, GIF, TIFF, JPEG 2000, AVIF and HEIC, told by their content.
Turned upright, shrunk, composited on white, brought to 8 bits and to sRGB: each leaves a note. Refused are files that
are broken, cut off or far too large, told from the header before anything is decoded.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from netlens_core import NetlensError

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "GIF", "TIFF", "JPEG2000", "AVIF", "HEIF")
SUFFIXES = {
    **dict.fromkeys((".png", ".apng"), "PNG"),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx"), "JPEG 2000"),
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    ".webp": "WebP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".avif": "AVIF",
}
KINDS = "PNG, JPEG, WebP, BMP, GIF, TIFF, JPEG 2000, AVIF or HEIC"
_TITLES = {"MPO": "JPEG", "WEBP": "WebP", "JPEG2000": "JPEG 2000", "HEIF": "HEIC"}
_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_REDUCED = 4  # decoders may give this many times the pixels that are wanted; what is shrunk while decoding, 16 times
_LARGEST_PROFILE = 4 << 20  # bytes
_SPACES = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "LA": "GRAY", "CMYK": "CMYK"}
_TRANSPARENT = ("RGBA", "LA", "La", "RGBa")
# What Pillow's decoders raise for broken files, as found by feeding them some.
_BROKEN = (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError, OverflowError, IndexError, KeyError,
           TypeError, AttributeError, ZeroDivisionError, MemoryError, RuntimeError, AssertionError)  # fmt: skip


logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its errors go to standard error beside ours


class ImageError(NetlensError, ValueError):
    """A file that is no picture that netlens takes; the message names it, what is wrong and what to do."""


@dataclass
class Decoded:
    """8-bit RGB pixels (height, width, 3), and in words what was done to get them."""

    pixels: np.ndarray
    done: list[str] = field(default_factory=list)


def decode(data: bytes, name: str, max_pixels: int, longest_side: int | None = None) -> Decoded:
    """Decode a picture's bytes to at most so many pixels, and so many on the longer side.

    name: what messages call it; a path's ending that contradicts the content is noted. Raises ImageError.
    """
    done: list[str] = []
    _load_plugin(data, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_formats()) as picture:
                _refuse_unsuitable(picture, name, max_pixels)
                target = _draft(picture, max_pixels, longest_side)
                if picture.width * picture.height > _REDUCED * max_pixels:
                    raise _too_large(picture, name, _REDUCED * max_pixels)
                done += _notes_before(picture, data, name)
                with _quiet(picture):
                    picture.load()
                pixels = np.asarray(_plain(picture, target, done, name))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise _unidentified(data, name) from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name} has too many pixels: resize it") from None
    except _BROKEN as error:
        raise ImageError(f"{name} is broken or cut off ({type(error).__name__}): save the picture again") from None
    return Decoded(pixels, done)


# -- what it is ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _quiet(picture: Image.Image) -> Iterator[None]:
    """Without libtiff's own lines on standard error, which it writes past Python; what is wrong is raised anyway."""
    if picture.format != "TIFF":
        yield
        return
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            saved = os.dup(2)
            stack.callback(os.close, saved)
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            stack.callback(os.dup2, saved, 2)
        yield


def _formats() -> list[str]:
    Image.init()
    return [kind for kind in FORMATS if kind in Image.OPEN]


def _load_plugin(data: bytes, name: str) -> None:
    """Have Pillow know HEIC and AVIF, which it reads by plugins or not at all."""
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if brand in _AVIF:
        Image.init()
        if "AVIF" not in Image.OPEN:
            with contextlib.suppress(ImportError):
                importlib.import_module("pillow_avif")
        if "AVIF" not in Image.OPEN:
            remedy = "pip install -U pillow, or save it as JPEG"
            raise ImageError(f"{name} is an AVIF picture, which needs Pillow 11.3: {remedy}")
    elif brand in _HEIC:
        Image.init()
        if "HEIF" not in Image.OPEN and not _register_heif():
            raise ImageError(f"{name} is a HEIC picture, which needs a plugin: pip install pi-heif, or save it as JPEG")


def _register_heif() -> bool:
    for plugin in ("pi_heif", "pillow_heif"):
        with contextlib.suppress(ImportError, AttributeError):
            importlib.import_module(plugin).register_heif_opener(thumbnails=False)
            return True
    return False


_OTHERS = (  # what people take for pictures: where it stands, what it begins with, what it is, what to do
    (0, b"%PDF", "a PDF", "export the page as PNG"),
    (0, b"8BPS", "a Photoshop file", "export it as PNG"),
    (8, b"CR\x02", "a camera's raw file", "export it as JPEG"),
    (4, b"ftypcrx", "a camera's raw file", "export it as JPEG"),
    (0, b"FUJIFILM", "a camera's raw file", "export it as JPEG"),
    (0, b"IIU\x00", "a camera's raw file", "export it as JPEG"),
    (0, b"IIRO", "a camera's raw file", "export it as JPEG"),
    (0, b"\xff\x0a", "a JPEG XL picture", "save it as PNG"),
    (4, b"JXL ", "a JPEG XL picture", "save it as PNG"),
    (0, b"PK\x03\x04", "a zip", "unpack it"),
)


def _unidentified(data: bytes, name: str) -> ImageError:
    for place, start, what, remedy in _OTHERS:
        if data[place:].startswith(start):
            return ImageError(f"{name} is {what}: {remedy}")
    known = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")
    if data.startswith(known) or data[8:12] in (b"WEBP", *_HEIC, *_AVIF):
        return ImageError(f"{name} is broken or cut off: save the picture again")
    if data[4:8] == b"ftyp":
        return ImageError(f"{name} is a film: save one frame of it as PNG")
    return ImageError(f"{name} is no {KINDS} picture: save it as one of these")


def _refuse_unsuitable(picture: Image.Image, name: str, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > 4 * _REDUCED * max_pixels:
        raise _too_large(picture, name, 4 * _REDUCED * max_pixels)
    if width < 1 or height < 1:
        raise ImageError(f"{name} has no pixels: save the picture again")
    # The first picture in a camera's raw file is a preview: a DNG names its version, others mark it as reduced.
    if picture.format == "TIFF" and (50706 in picture.tag_v2 or picture.tag_v2.get(254) == 1):  # type: ignore[attr-defined]
        raise ImageError(f"{name} is a camera's raw file: export it as JPEG")


def _too_large(picture: Image.Image, name: str, most: int) -> ImageError:
    return ImageError(f"{name} has {picture.width} x {picture.height} pixels, more than {most:,}: resize it")


def _notes_before(picture: Image.Image, data: bytes, name: str) -> Iterator[str]:
    """What the file's header gives cause to note."""
    kind = _TITLES.get(picture.format or "", picture.format or "")
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES and SUFFIXES[suffix] != kind:
        yield f"it is a {kind} in truth"
    frames = int(getattr(picture, "n_frames", 1))
    if frames > 1:
        what = {"TIFF": "pages", "MPO": "pictures", "HEIF": "pictures"}.get(picture.format or "", "frames")
        yield f"the first of its {frames} {what} taken"
    if _has_16_bits(picture, data):
        yield "16 bits a channel brought to 8"


def _has_16_bits(picture: Image.Image, data: bytes) -> bool:
    """Pillow reads 16 bits of colour as 8 without a word, so the header is asked."""
    if picture.mode.startswith("I;16"):
        return True
    if picture.format == "PNG":
        return len(data) > 24 and data[24] == 16
    return picture.format == "TIFF" and picture.mode != "F" and 16 in tuple(picture.tag_v2.get(258, ()))  # type: ignore[attr-defined]


# -- to plain RGB ----------------------------------------------------------------------------------------


def _draft(picture: Image.Image, max_pixels: int, longest_side: int | None) -> tuple[int, int] | None:
    """The size that a picture is to be shrunk to, None where it may stay; a JPEG is then decoded smaller at once."""
    width, height = picture.size
    scale = min(1.0, sqrt(max_pixels / (width * height)), (longest_side or max(width, height)) / max(width, height))
    if scale >= 1:
        return None
    target = max(1, int(width * scale)), max(1, int(height * scale))
    if picture.format in ("JPEG", "MPO") and picture.mode in ("RGB", "L"):
        picture.draft(None, target)
    return target


def _plain(picture: Image.Image, target: tuple[int, int] | None, done: list[str], name: str) -> Image.Image:
    """Upright, shrunk, in sRGB and without alpha."""
    profile = picture.info.get("icc_profile")
    exif = _orientation(picture)
    made = _eight_bits(picture, done, name)
    if target is not None:
        done.append(f"shrunk to {' x '.join(map(str, target if exif < 5 else target[::-1]))} pixels")
        made = made.resize(target, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if exif > 1:
        made = _turned(made, exif)
        done.append("turned upright")
    return _without_alpha(_in_srgb(made, profile, done), done)


def _orientation(picture: Image.Image) -> int:
    try:
        found = picture.getexif().get(0x0112, 1)
    except (*_BROKEN,):  # broken EXIF says nothing about rotation
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _turned(picture: Image.Image, orientation: int) -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = picture.copy()
    turned.info = {"exif": exif.tobytes()}
    turned._exif = None
    return ImageOps.exif_transpose(turned)


def _eight_bits(picture: Image.Image, done: list[str], name: str) -> Image.Image:
    """A picture in a mode of 8 bits a channel that Pillow can resize."""
    mode = picture.mode
    if mode in ("P", "PA") or (mode in ("RGB", "L") and "transparency" in picture.info):
        return picture.convert("RGBA" if mode == "PA" or "transparency" in picture.info else "RGB")
    if mode.startswith("I") or mode == "F":
        return Image.fromarray(_scaled(np.asarray(picture), done, name))
    if mode == "1":
        return picture.convert("L")
    if mode in ("RGB", "L", "RGBA", "LA", "CMYK", "LAB"):
        return picture
    if mode in ("La", "RGBa"):
        return picture.convert(mode.upper())
    if mode in ("YCbCr", "HSV"):
        done.append(f"{mode} converted to RGB")
        return picture.convert("RGB")
    if mode in ("RGBX", "CMYX"):
        return picture.convert("RGB")
    raise ImageError(f"{name} has the colour mode {mode}: save it as a plain 8-bit RGB PNG")


def _scaled(values: np.ndarray, done: list[str], name: str) -> np.ndarray:
    """Grey of 16 or 32 bits, or of fractions, as 8 bits."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ImageError(f"{name} holds NaN or infinity: save it as a plain 8-bit PNG")
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind != "f" and low >= 0 and high <= 65535:
        return np.round(values.astype(np.float32) / 257).astype(np.uint8)
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        done.append("fractions from 0 to 1 brought to 8 bits")
        low, high = 0.0, 1.0
    else:
        done.append(f"values from {low:g} to {high:g} stretched to 8 bits")
    return np.round((values.astype(np.float64) - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def _without_alpha(picture: Image.Image, done: list[str]) -> Image.Image:
    if picture.mode not in _TRANSPARENT:
        return picture.convert("RGB")
    full = picture.convert("RGBA")
    if full.getchannel("A").getextrema() == (255, 255):
        return picture.convert("RGB")
    done.append("laid on white where it is transparent")
    paper = Image.new("RGBA", full.size, "white")
    paper.alpha_composite(full)
    return paper.convert("RGB")


# -- colours ---------------------------------------------------------------------------------------------


def _in_srgb(picture: Image.Image, profile: bytes | None, done: list[str]) -> Image.Image:
    """A picture's colours as a screen shows them: RGB, grey, or either with alpha."""
    if picture.mode == "LAB":
        done.append("Lab colours converted to sRGB")
        return _from_lab(picture)
    if profile:
        converted = _by_profile(picture, profile, done)
        if converted is not None:
            return converted
    if picture.mode == "CMYK":
        done.append("CMYK converted to RGB without a profile, so colours are not exact")
        return picture.convert("RGB")
    return picture


def _from_lab(picture: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def _by_profile(picture: Image.Image, profile: bytes, done: list[str]) -> Image.Image | None:
    """Converted by its colour profile; None where that is broken, of another kind, or sRGB itself."""
    try:
        from PIL import ImageCms
    except ImportError:  # a Pillow without Little CMS
        done.append("its colour profile left out, since this Pillow cannot apply it")
        return None
    try:
        if len(profile) > _LARGEST_PROFILE:
            raise ValueError("larger than any honest profile")
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES.get(picture.mode):
            if picture.mode not in ("L", "LA"):  # grey in an RGB profile is grey
                done.append("its colour profile left out, since it is for another kind of colours")
            return None
        bare = picture.convert({"RGBA": "RGB", "LA": "L"}.get(picture.mode, picture.mode))
        transform = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), bare.mode, "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
        if bare.mode != "CMYK" and _changes_little(bare.mode, transform):
            return None
        converted = ImageCms.applyTransform(bare, transform)
        assert converted is not None
        title = " ".join(ImageCms.getProfileDescription(source).split())[:60]
    except (*_BROKEN, ImageCms.PyCMSError):
        done.append("its broken colour profile left out")
        return None
    done.append(f"colours converted from {title or 'its profile'} to sRGB")
    if picture.mode in _TRANSPARENT:
        converted.putalpha(picture.getchannel("A"))
    return converted


def _changes_little(mode: str, transform: object) -> bool:
    """Whether a profile is sRGB but for rounding: every colour of a coarse grid stays within three levels."""
    from PIL import ImageCms

    steps = np.arange(0, 256, 15, dtype=np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, len(steps), 3)
    grid = colors if mode == "RGB" else steps[None]
    before = Image.fromarray(np.ascontiguousarray(grid))
    after = ImageCms.applyTransform(before, transform)  # type: ignore[arg-type]
    difference = np.asarray(after, dtype=int) - np.asarray(before.convert("RGB"), dtype=int)
    return bool(np.abs(difference).max() <= 3)
