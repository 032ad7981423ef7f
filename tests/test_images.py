"""Pictures are read once and for all; what is no plain picture is refused with its name and a way out."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from netlens_core.daisies import draw_daisy
from netlens_core.images import (
    ImageError,
    center_crop,
    encode_png,
    fit,
    load_image,
    resize,
    save_image,
    to_8bit,
)

FLOWER = draw_daisy(1, 64).image
PIXELS = (FLOWER.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()


def png(width: int, height: int, depth: int = 8, color: int = 2, data: bytes = b"") -> bytes:
    """A PNG by hand, its header announcing whatever we like."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


# -- what is taken ---------------------------------------------------------------------------------------


def test_what_is_saved_is_loaded(tmp_path):
    save_image(FLOWER, tmp_path / "flower.png")
    assert torch.equal(load_image(tmp_path / "flower.png"), FLOWER)
    assert torch.equal(load_image(str(tmp_path / "flower.png")), FLOWER)
    assert torch.equal(load_image(encode_png(FLOWER)), FLOWER)
    assert [path.name for path in tmp_path.iterdir()] == ["flower.png"]


def test_equal_images_are_equal_bytes():
    assert encode_png(FLOWER) == encode_png((FLOWER + 0.2 / 255).clamp(0, 1))


def test_eight_bits_are_what_a_viewer_sees():
    image = torch.tensor([-0.5, 0.0, 0.5, 0.50001, 1.0, 2.0]).expand(3, 1, 6)
    assert (to_8bit(image)[0, 0] * 255).tolist() == [0, 0, 128, 128, 255, 255]
    assert torch.equal(to_8bit(to_8bit(FLOWER)), to_8bit(FLOWER))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP"])
def test_other_formats_are_read(kind):
    loaded = load_image(encoded(Image.fromarray(PIXELS), kind, **({} if kind == "BMP" else {"quality": 95})))
    assert loaded.shape == (3, 64, 64) and (loaded - FLOWER).abs().mean() < 0.03


def test_grey_palette_and_opaque_pictures_become_rgb():
    picture = Image.fromarray(PIXELS)
    for other in (picture.convert("L"), picture.convert("P"), picture.convert("RGBA"), picture.convert("1")):
        assert load_image(encoded(other)).shape == (3, 64, 64)
    assert torch.equal(load_image(encoded(picture.convert("RGBA"))), FLOWER)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    upright = Image.fromarray(np.ascontiguousarray(PIXELS[:40]))  # 64 x 40
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert torch.equal(load_image(encoded(stored, "PNG", exif=exif)), FLOWER[:, :40])


def test_broken_exif_and_profiles_are_passed_over():
    data = encoded(
        Image.fromarray(PIXELS), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff", icc_profile=b"junk" * 99
    )
    assert load_image(data).shape == (3, 64, 64)


# -- what is refused -------------------------------------------------------------------------------------


def animation() -> bytes:
    frames = [Image.fromarray(np.roll(PIXELS, shift, 1)) for shift in (0, 5)]
    return encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])


def half_transparent() -> bytes:
    picture = Image.fromarray(PIXELS).convert("RGBA")
    picture.putalpha(Image.new("L", picture.size, 128))
    return encoded(picture)


WHOLE = encode_png(FLOWER)
HOSTILE = {
    "empty": (b"", "is empty"),
    "text": (b"<svg onload=alert(1)>", "no PNG"),
    "gif": (encoded(Image.fromarray(PIXELS), "GIF"), "no PNG"),
    "tiff": (encoded(Image.fromarray(PIXELS), "TIFF"), "no PNG"),
    "truncated": (WHOLE[: len(WHOLE) // 2], "broken or cut off"),
    "header only": (WHOLE[:40], "broken or cut off"),
    "flipped bits": (WHOLE[:200] + bytes(b ^ 0xFF for b in WHOLE[200:400]) + WHOLE[400:], "broken"),
    "16 bits": (png(4, 4, depth=16, data=bytes(4 * 25)), "16 bits"),
    "16-bit grey": (encoded(Image.fromarray(np.zeros((4, 4), np.uint16))), "16 bits"),
    "alpha": (half_transparent(), "transparent"),
    "transparent colour": (encoded(Image.fromarray(PIXELS), transparency=(1, 2, 3)), None),
    "animated": (animation(), "animated"),
    "cmyk": (encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"), "CMYK"),
    "bomb": (png(100_000, 100_000), "pixels"),
    "bomb of one row": (png(200_000_000, 1), "pixels"),
    "largest sizes": (png(2**31 - 1, 2**31 - 1), ""),
    "zero size": (png(0, 0), ""),
    "pickle": (b"\x80\x04\x95\x00", "no PNG"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_images_are_refused_with_the_reason(tmp_path, name):
    data, said = HOSTILE[name]
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    if said is None:  # a transparent colour that no pixel has hides nothing
        assert load_image(path).shape == (3, 64, 64)
        return
    with pytest.raises(ImageError) as error:
        load_image(path)
    assert said in str(error.value) and "picture.png" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = png(20_000, 20_000, data=bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(ImageError, match="pixels"):
        load_image(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_texts_that_unpack_to_gigabytes_are_no_way_in():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    text = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(200 << 20)))
    data = WHOLE[:33] + text + WHOLE[33:]
    tracemalloc.start()
    with contextlib.suppress(ImageError):
        load_image(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


def test_pipes_folders_and_missing_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.png", ".", "missing.png", "a\x00b.png"):
        with pytest.raises(ImageError):
            load_image(tmp_path / name)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(data):
    for prefix in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"RIFF\x24\x00\x00\x00WEBPVP8 "):
        try:
            load_image(prefix + data)
        except ImageError:
            continue


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8), st.booleans())
def test_no_mutation_of_a_picture_crashes_the_reader(at, bytes_in, cut):
    data = WHOLE[:at] + bytes_in + (b"" if cut else WHOLE[at + len(bytes_in) :])
    try:
        assert load_image(data).shape[0] == 3
    except ImageError:
        return


# -- sizes -----------------------------------------------------------------------------------------------


def test_resize_never_leaves_the_range_and_keeps_gradients():
    steps = torch.zeros(3, 8, 8)
    steps[:, :, 4:] = 1
    steps.requires_grad_(True)
    larger = resize(steps, (20, 30))
    assert larger.shape == (3, 20, 30) and float(larger.detach().min()) >= 0 and float(larger.detach().max()) <= 1
    larger.sum().backward()
    assert steps.grad is not None
    assert resize(FLOWER[None].repeat(2, 1, 1, 1), 10).shape == (2, 3, 10, 10)


def test_crop_and_fit():
    assert torch.equal(center_crop(FLOWER, (10, 20)), FLOWER[:, 27:37, 22:42])
    with pytest.raises(ValueError, match="cannot crop"):
        center_crop(FLOWER, 65)
    assert fit(FLOWER[:, :40], 20).shape == fit(FLOWER[:, :, :33], 20).shape == (3, 20, 20)


@pytest.mark.parametrize("image", [torch.zeros(4, 2, 2), torch.zeros(3, 0, 2), torch.full((3, 2, 2), torch.nan)])
def test_only_images_are_encoded(image):
    with pytest.raises(ValueError, match="image"):
        encode_png(image)


def test_saving_tells_what_is_wrong_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(ImageError, match=r"\.png"):
        save_image(FLOWER, tmp_path / "flower.jpg")
    with pytest.raises(ImageError, match="cannot be written"):
        save_image(FLOWER, tmp_path / "missing" / "flower.png")
    (tmp_path / "flower.png").mkdir()
    with pytest.raises(ImageError, match="cannot be written"):
        save_image(FLOWER, tmp_path / "flower.png")
    assert [path.name for path in Path(tmp_path).iterdir()] == ["flower.png"]
