"""Pictures are read as people have them, with a note of what was done; what is none is refused with a way out."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from netlens_core import picture_files
from netlens_core.daisies import draw_daisy
from netlens_core.images import (
    ImageError,
    ImageNote,
    center_crop,
    encode_png,
    fit,
    load_image,
    read_picture,
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


# -- as people have them ---------------------------------------------------------------------------------

PICTURE = Image.fromarray(PIXELS)
GREY = np.asarray(PICTURE.convert("L"))
# Half red, half blue, 64 x 48: written by libheif, which the reading plugin cannot do.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERA"
    "AAEAAQAAAAABoQABAAAAAAAAAFgAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAA"
    "AHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq"
    "5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAA"
    "MAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAGBtZGF0AAAAVCgBrxOA9SeBP//aBR//"
    "AJnh96AcxP/5cpo/nB8f/kUGduAy7kp6H7t80OuRqE1g1fQcJhiwJg5NDlso2W5ENgI8HtrqOUSjPrG1mp1rt82c9/5NsA=="
)


def faded(mode: str = "RGBA") -> Image.Image:
    """The flower, from transparent at the top to opaque at the foot."""
    picture = PICTURE.convert(mode)
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def on_white(grey: bool = False) -> np.ndarray:
    alpha = np.asarray(Image.linear_gradient("L").resize(PICTURE.size), dtype=float)[..., None] / 255
    shown = np.repeat(GREY[..., None], 3, axis=2) if grey else PIXELS
    return shown * alpha + 255 * (1 - alpha)


def frames(kind: str) -> bytes:
    return encoded(PICTURE, kind, save_all=True, append_images=[PICTURE.rotate(90), PICTURE.rotate(180)])


def wide_gamut_profile() -> bytes:
    """An ICC profile of Display P3's primaries with a gamma of 2.2, written by hand as Pillow makes none."""

    def numbers(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    title = b"Wide\x00"
    described = b"desc" + bytes(4) + struct.pack(">I", len(title)) + title + bytes(12 + 67)
    gamma = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    tags = {
        b"desc": described + bytes(-len(described) % 4),
        b"wtpt": numbers(0.9642, 1.0, 0.8249),
        b"rXYZ": numbers(0.5151, 0.2412, -0.0011),
        b"gXYZ": numbers(0.2920, 0.6922, 0.0419),
        b"bXYZ": numbers(0.1571, 0.0666, 0.7841),
        **{tag: gamma for tag in (b"rTRC", b"gTRC", b"bTRC")},
    }
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I", start + len(body)) + bytes(4) + b"\x02\x40\x00\x00mntrRGB XYZ " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\x00") + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\x00") + table + body


def as_lab() -> Image.Image:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(PICTURE, srgb, lab, outputMode="LAB")


ALL_GREY = np.repeat(GREY[..., None], 3, axis=2)
# What it is, how it is stored, what comes of it (None: the flower), by how many levels on average, what the note says.
PEOPLES = {
    "gif": (encoded(PICTURE, "GIF"), None, 2, ""),
    "tiff": (encoded(PICTURE, "TIFF"), None, 0, ""),
    "packed tiff": (encoded(PICTURE, "TIFF", compression="tiff_lzw"), None, 0, ""),
    "jpeg 2000": (encoded(PICTURE, "JPEG2000"), None, 0, ""),
    "progressive jpeg": (encoded(PICTURE, "JPEG", progressive=True, quality=95), None, 6, ""),
    "cmyk jpeg": (encoded(PICTURE.convert("CMYK"), "JPEG", quality=95), None, 6, "CMYK converted to RGB"),
    "cmyk tiff": (encoded(PICTURE.convert("CMYK"), "TIFF"), None, 1, "CMYK converted to RGB"),
    "lab tiff": (encoded(as_lab(), "TIFF"), None, 2, "Lab colours"),
    "ycbcr tiff": (encoded(PICTURE.convert("YCbCr"), "TIFF"), None, 3, "YCbCr"),
    "16-bit colour": (png(64, 64, 16, 2, b"".join(b"\0" + r.astype(">u2").tobytes() for r in PIXELS * np.uint16(257))),
                      None, 0, "16 bits"),
    "16-bit grey": (encoded(Image.fromarray(GREY.astype(np.uint16) * 257)), ALL_GREY, 0, "16 bits"),
    "16-bit tiff": (encoded(Image.fromarray(GREY.astype(np.uint16) * 257), "TIFF"), ALL_GREY, 0, "16 bits"),
    "fractions": (encoded(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"), ALL_GREY, 0.1, "fractions"),
    "alpha": (encoded(faded()), on_white(), 1, "laid on white"),
    "alpha webp": (encoded(faded(), "WEBP", lossless=True, exact=True), on_white(), 1, "laid on white"),
    "grey with alpha": (encoded(faded("LA")), on_white(grey=True), 1, "laid on white"),
    "two frames": (frames("GIF"), None, 2, "the first of its 3 frames"),
    "animated png": (frames("PNG"), None, 0, "the first of its 3 frames"),
    "animated webp": (frames("WEBP"), None, 6, "the first of its 3 frames"),
    "pages": (frames("TIFF"), None, 0, "the first of its 3 pages"),
    "a phone's several pictures": (frames("MPO"), None, 6, "the first of its 3 pictures"),
    "srgb profile": (encoded(PICTURE, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
                     None, 0, ""),
    "grey in an RGB profile": (encoded(PICTURE.convert("L"), icc_profile=wide_gamut_profile()), ALL_GREY, 0, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", PEOPLES)
def test_pictures_as_people_have_them_are_converted_with_a_note(name):
    data, wanted, levels, note = PEOPLES[name]
    read = read_picture(data)
    shown = torch.from_numpy(np.asarray(PIXELS if wanted is None else wanted, dtype=np.float32)).permute(2, 0, 1) / 255
    assert read.image.shape == shown.shape and (255 * (read.image - shown)).abs().mean() <= levels + 0.01
    assert (note in read.note) if note else not read.note, read.note


def test_avif_is_read_where_pillow_can():
    if "AVIF" not in Image.registered_extensions().values():
        pytest.skip("this Pillow has no AVIF")
    read = read_picture(encoded(PICTURE, "AVIF", quality=90))
    assert (read.image - FLOWER).abs().mean() < 0.03 and not read.note


def test_heic_is_read_with_its_plugin_and_named_without(tmp_path, monkeypatch):
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(HEIC)
    pytest.importorskip("pi_heif")
    image = load_image(path)
    assert image.shape == (3, 48, 64) and image[0, 24, 10] > 0.7 > 0.2 > image[0, 24, 50]
    with pytest.raises(ImageError, match=r"IMG_0001.HEIC is broken"):
        path.write_bytes(HEIC[:-30])
        load_image(path)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    monkeypatch.setattr(picture_files, "_register_heif", lambda: False)
    with pytest.raises(ImageError, match=r"IMG_0001.HEIC is a HEIC picture.*pip install pi-heif"):
        load_image(path)


def test_wide_colours_become_srgb():
    flat = Image.new("RGB", (4, 4), (200, 60, 60))
    read = read_picture(encoded(flat, "PNG", icc_profile=wide_gamut_profile()))
    red, green, blue = (255 * read.image[:, 0, 0]).round().tolist()
    assert red > 210 and green < 55 and abs(blue - 56) < 8  # more saturated than the same numbers in sRGB
    assert "from Wide to sRGB" in read.note
    see_through = flat.convert("RGBA")
    see_through.putalpha(255)
    again = read_picture(encoded(see_through, "PNG", icc_profile=wide_gamut_profile()))
    assert torch.equal(again.image, read.image)


def test_a_palette_with_a_transparent_colour_is_laid_on_white():
    palette = PICTURE.convert("P")
    place = palette.getpixel((0, 0))
    read = read_picture(encoded(palette, "PNG", transparency=place))
    hidden = torch.from_numpy(np.asarray(palette) == place)
    assert hidden.any() and (read.image[:, hidden] == 1).all() and "laid on white" in read.note


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_phones_large_photo_is_shrunk_and_turned_upright(tmp_path, kind):
    tall = PICTURE.crop((0, 0, 64, 40)).resize((1600, 1000)).transpose(Image.Transpose.ROTATE_90)  # lies on its side
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(tall, kind, exif=exif))
    read = read_picture(path, longest_side=320)
    assert read.image.shape == (3, 200, 320)
    assert "shrunk to 320 x 200 pixels" in read.note and "turned upright" in read.note
    assert ("it is a PNG in truth" in read.note) == (kind == "PNG")
    assert (resize(read.image, (40, 64)) - FLOWER[:, :40]).abs().mean() < 0.04
    assert 400_000 < read_picture(path, max_pixels=500_000).image[0].numel() <= 500_000


def test_a_note_is_a_warning_where_no_one_asks_for_it(tmp_path):
    save_image(FLOWER, tmp_path / "flower.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_image(tmp_path / "flower.png")
    with pytest.warns(ImageNote, match="laid on white"):
        load_image(encoded(faded()))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "BMP", "JPEG2000", "JPEG", "PNG"])
def test_files_that_are_cut_off_are_refused(kind):
    data = encoded(PICTURE, kind)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(ImageError, match="broken or cut off"):
            load_image(data[: int(share * len(data))])


def test_a_broken_tiff_says_nothing_but_the_error(capfd):
    data = encoded(PICTURE, "TIFF", compression="tiff_lzw")
    with pytest.raises(ImageError, match="broken or cut off"):
        load_image(data[:200] + bytes(400) + data[600:])
    assert capfd.readouterr().err == ""
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7".ljust(40), "a PDF: export the page"),
        (b"8BPS\x00\x01".ljust(40), "Photoshop"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00".ljust(40), "camera's raw file"),
        (b"\x00\x00\x00\x20ftypisom".ljust(40), "a film"),
        (b"PK\x03\x04".ljust(40), "a zip"),
        (encoded(PICTURE, "TIFF", tiffinfo={254: 1}), "camera's raw file"),
    ],
)
def test_what_is_taken_for_a_picture_is_named(data, said):
    with pytest.raises(ImageError, match=said):
        load_image(data)


# -- what is refused -------------------------------------------------------------------------------------


WHOLE = encode_png(FLOWER)
HOSTILE = {
    "empty": (b"", "is empty"),
    "text": (b"<svg onload=alert(1)>", "no PNG"),
    "truncated": (WHOLE[: len(WHOLE) // 2], "broken or cut off"),
    "header only": (WHOLE[:40], "broken or cut off"),
    "flipped bits": (WHOLE[:200] + bytes(b ^ 0xFF for b in WHOLE[200:400]) + WHOLE[400:], "broken"),
    "transparent colour": (encoded(Image.fromarray(PIXELS), transparency=(1, 2, 3)), None),
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
