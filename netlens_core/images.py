"""Images: float32 tensors (3, H, W) in [0, 1]; how they are read, written, cropped, resized and made 8-bit.

    image = load_image("flower.png")
    save_image(to_8bit(image), "copy.png")

Reading takes pictures as people have them, from a phone's HEIC to a scanner's TIFF, and notes what it does to them
(`picture_files`). What is broken or far too large it refuses with an `ImageError` that names the file, what is wrong
and what to do.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from netlens_core.picture_files import ImageError, decode

__all__ = ["ImageError", "ImageNote", "ReadPicture", "center_crop", "encode_png", "fit", "load_image", "read_picture",
           "resize", "save_image", "to_8bit"]  # fmt: skip

MAX_PIXELS = 4096 * 4096
MAX_BYTES = 256 << 20  # a 24-megapixel TIFF of 16 bits has 144 MiB


class ImageNote(UserWarning):
    """What was done to a picture to read it, such as shrinking it."""


class ReadPicture(NamedTuple):
    """An image (3, H, W) in [0, 1], and in a line what was done to get it; "" where it was taken as it is.

    done: the same step by step.
    """

    image: Tensor
    note: str
    done: tuple[str, ...]


# -- between sizes and depths ----------------------------------------------------------------------------


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Images (N, 3, H, W) or (3, H, W) at another size in pixels (one number: square); never cropped.

    Bicubic and antialiased, clamped to [0, 1]; differentiable. The one resize of netlens.
    """
    single = images.dim() == 3
    batch = images[None] if single else images
    height, width = (size, size) if isinstance(size, int) else size
    out = functional.interpolate(batch, (height, width), mode="bicubic", antialias=True, align_corners=False).clamp(
        0, 1
    )
    return out[0] if single else out


def center_crop(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """The middle of images (..., H, W), `size` pixels high and wide (one number: square).

    Raises ValueError where the image is smaller than that.
    """
    height, width = (size, size) if isinstance(size, int) else size
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    if min(top, left, height - 1, width - 1) < 0:
        raise ValueError(f"cannot crop {width} x {height} pixels out of {images.shape[-1]} x {images.shape[-2]}")
    return images[..., top : top + height, left : left + width]


def fit(image: Tensor, size: int) -> Tensor:
    """An image (3, H, W) as (3, size, size): the shorter side resized, the longer one cropped in the middle."""
    height, width = image.shape[-2:]
    scale = size / min(height, width)
    return center_crop(resize(image, (max(size, round(height * scale)), max(size, round(width * scale)))), size)


def to_8bit(image: Tensor) -> Tensor:
    """What a viewer would see: the image rounded to 256 levels and back, float32 in [0, 1]; shape kept."""
    return (image.detach().clamp(0, 1) * 255).round().to(torch.float32) / 255


# -- files -----------------------------------------------------------------------------------------------


def load_image(source: str | os.PathLike[str] | bytes, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read a picture as (3, H, W) in [0, 1]; from a path or from a file's bytes.

    PNG, JPEG, WebP, BMP, GIF, TIFF, JPEG 2000, AVIF, and HEIC where pi-heif is installed. What has to be done to it
    (shrunk to `max_pixels`, turned upright, laid on white, brought to 8 bits and to sRGB, one frame taken) is told by
    an `ImageNote` warning. Raises ImageError for files that are broken, cut off, no pictures, above 256 MiB, or of more
    than four times `max_pixels` (a JPEG sixteen times), which their headers tell before anything is decoded.
    """
    read = read_picture(source, max_pixels)
    if read.note:
        warnings.warn(read.note, ImageNote, stacklevel=2)
    return read.image


def read_picture(
    source: str | os.PathLike[str] | bytes, max_pixels: int = MAX_PIXELS, longest_side: int | None = None
) -> ReadPicture:
    """Read a picture as `load_image` does, with a note instead of a warning, and no side longer than `longest_side`."""
    if isinstance(source, bytes):
        return _decoded(source, "the image", max_pixels, longest_side)
    path = Path(source)
    return _decoded(_bytes_of(path), str(path), max_pixels, longest_side)


def _bytes_of(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{path} is no file: give the path of a picture")
        if status.st_size > MAX_BYTES:
            raise ImageError(f"{path} has {status.st_size >> 20} MiB, more than {MAX_BYTES >> 20}: make it smaller")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError:  # a zero byte in the name
        raise ImageError(f"{str(path)!r} is no file name") from None


def _decoded(data: bytes, name: str, max_pixels: int, longest_side: int | None) -> ReadPicture:
    if not data:
        raise ImageError(f"{name} is empty: save the picture again")
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} has {len(data) >> 20} MiB, more than {MAX_BYTES >> 20}: make it smaller")
    decoded = decode(data, name, max_pixels, longest_side)
    image = torch.from_numpy(decoded.pixels.copy()).permute(2, 0, 1).to(torch.float32).contiguous() / 255
    note = f"{name}: {'; '.join(decoded.done)}" if decoded.done else ""
    return ReadPicture(image, note, tuple(decoded.done))


def encode_png(image: Tensor) -> bytes:
    """An image (3, H, W), or grey (H, W), in [0, 1] as the bytes of an 8-bit PNG; equal images give equal bytes.

    Raises ValueError for other shapes, NaN and infinities.
    """
    if image.dim() not in (2, 3) or (image.dim() == 3 and image.size(0) != 3) or not image.numel():
        raise ValueError(f"expected an image (3, H, W) or (H, W), not {tuple(image.shape)}")
    if not bool(torch.isfinite(image).all()):
        raise ValueError("the image holds NaN or infinity")
    levels = (to_8bit(image) * 255).round().to(torch.uint8).cpu()
    pixels = levels.permute(1, 2, 0) if levels.dim() == 3 else levels
    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.numpy())).save(held, "PNG", compress_level=6)
    return held.getvalue()


def save_image(image: Tensor, path: str | os.PathLike[str]) -> None:
    """Write an image (3, H, W) or (H, W) in [0, 1] as an 8-bit PNG: all of it, or nothing.

    Raises ValueError as `encode_png`, ImageError where the name does not end in .png or cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ImageError(f"{target}: pictures are saved as PNG, so the name ends in .png")
    data = encode_png(image)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".png")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ImageError(f"{target} cannot be written: {error.strerror or error}") from None
