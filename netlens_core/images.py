"""Images: float32 tensors (3, H, W) in [0, 1]; how they are read, written, cropped, resized and made 8-bit.

    image = load_image("flower.png")
    save_image(to_8bit(image), "copy.png")

Reading refuses what is no plain picture (too large, truncated, transparent, animated, 16-bit) with an `ImageError`
that names the file, what is wrong and what to do.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from netlens_core import NetlensError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MAX_PIXELS = 4096 * 4096
MAX_BYTES = 32 << 20
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAVE_PLAIN = "save it as a plain 8-bit RGB PNG"
# What Pillow's decoders raise for broken files, as found by feeding them some.
_BROKEN = (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError, OverflowError, IndexError, KeyError)


class ImageError(NetlensError, ValueError):
    """A file that is no picture that netlens takes; the message names it, what is wrong and what to do."""


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
    """Read a picture (PNG, JPEG, WebP, BMP) as (3, H, W) in [0, 1]; from a path or from a file's bytes.

    Grey and palette pictures become RGB, EXIF rotation is applied, colour profiles are ignored, an alpha channel is
    taken only where it is opaque everywhere. Raises ImageError for anything else: more than `max_pixels` pixels (told
    from the header, before decoding) or 32 MiB, broken or truncated files, transparency, animation, CMYK, 16 bits.
    """
    if isinstance(source, bytes):
        return _decoded(source, "the image", max_pixels)
    path = Path(source)
    return _decoded(_bytes_of(path), str(path), max_pixels)


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


def _decoded(data: bytes, name: str, max_pixels: int) -> Tensor:
    if not data:
        raise ImageError(f"{name} is empty: save the picture again")
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} has {len(data) >> 20} MiB, more than {MAX_BYTES >> 20}: make it smaller")
    _refuse_16_bits(data, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                _refuse_unsuitable(picture, name, max_pixels)
                picture.load()
                upright = _upright(picture)
                pixels = np.asarray(_as_rgb(upright, name))
    except ImageError:
        raise
    except UnidentifiedImageError:
        if data.startswith((_PNG_SIGNATURE, b"\xff\xd8\xff")):
            raise ImageError(f"{name} is broken or cut off: save the picture again") from None
        raise ImageError(f"{name} is no PNG, JPEG, WebP or BMP picture: {_SAVE_PLAIN}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name} has too many pixels: resize it") from None
    except _BROKEN as error:
        raise ImageError(f"{name} is broken or cut off ({type(error).__name__}): save the picture again") from None
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).to(torch.float32).contiguous() / 255


def _refuse_16_bits(data: bytes, name: str) -> None:
    # Pillow reads 16-bit RGB as 8-bit without a word, so the header is asked.
    if data.startswith(_PNG_SIGNATURE) and len(data) > 24 and data[12:16] == b"IHDR" and data[24] == 16:
        raise ImageError(f"{name} has 16 bits a channel: {_SAVE_PLAIN}")


def _refuse_unsuitable(picture: Image.Image, name: str, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageError(f"{name} has {width} x {height} pixels, more than {max_pixels:,}: resize it")
    if width < 1 or height < 1:
        raise ImageError(f"{name} has no pixels: save the picture again")
    if getattr(picture, "n_frames", 1) > 1 or getattr(picture, "is_animated", False):
        raise ImageError(f"{name} is animated: save one frame of it as a PNG")
    if picture.mode not in ("RGB", "L", "P", "1", "RGBA", "LA", "PA"):
        raise ImageError(f"{name} has the colour mode {picture.mode}: {_SAVE_PLAIN}")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except (*_BROKEN, TypeError, AttributeError, ZeroDivisionError):  # broken EXIF says nothing about rotation
        return picture


def _as_rgb(picture: Image.Image, name: str) -> Image.Image:
    transparent = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    if transparent and picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise ImageError(f"{name} is transparent in places: save it without an alpha channel")
    return picture.convert("RGB")


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
