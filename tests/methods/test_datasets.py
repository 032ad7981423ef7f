"""Images to learn from: complete, in range, the same every time; where they are not, an error that says what to do."""

from __future__ import annotations

import os
import shutil
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from netlens_core.images import save_image
from netlens_core.methods.datasets import Dataset, DatasetError, copies, load_dataset, paint_daisies


def check(data: Dataset, channels: int, size: int) -> None:
    for images in (data.images, data.held_out):
        assert images.shape[1:] == (channels, size, size) and images.dtype == torch.float32
        assert images.min() >= 0 and images.max() <= 1 and images.std() > 0.05
    assert not (data.held_out[:20, None] == data.images[None]).flatten(2).all(2).any(), "a held-out image is trained on"


def test_digits():
    data = load_dataset("digits")
    check(data, 1, 8)
    assert len(data.images) == 1200 and len(data.held_out) == 597
    assert torch.bincount(data.labels).min() > 100 and data.held_out_labels.max() == 9
    assert torch.equal(load_dataset("digits").images, data.images)
    check(load_dataset("digits", 16), 1, 16)


@pytest.mark.parametrize("size", [16, 32])
def test_daisies_are_white_and_yellow_flowers_on_a_meadow(size):
    flowers = paint_daisies(60, size, seed=1)
    assert torch.equal(flowers, paint_daisies(60, size, seed=1))
    assert not torch.equal(flowers, paint_daisies(60, size, seed=2))
    corner, middle = flowers[..., 0, 0], flowers[..., size // 2, size // 2]
    assert (corner[:, 1] > corner[:, 0]).all() and (corner[:, 1] > corner[:, 2]).all()  # green
    assert (middle[:, 0] > middle[:, 1]).all() and (middle[:, 1] > middle[:, 2]).all()  # golden
    blue = flowers[:, 2].flatten(1).quantile(0.9, dim=1)  # petals are white or yellow, nothing between
    assert 15 < (blue > 0.7).sum() < 45 and ((blue > 0.7) | (blue < 0.4)).all()


def test_networks_take_the_painted_flowers_for_daisies(lite0):
    probabilities = lite0.probabilities(paint_daisies(8, 128, seed=3))[:, lite0.category_index("daisy")]
    assert probabilities.median() > 0.5, probabilities


def test_daisies_as_a_dataset():
    data = load_dataset("daisies", count=50)
    check(data, 3, 32)
    assert len(data.images) == 50 and len(data.held_out) == 13 and data.labels is None


def test_a_folder_of_pictures_of_any_size(tmp_path):
    (tmp_path / "more").mkdir()
    for number, flower in enumerate(paint_daisies(60, 32)):
        wide = torch.cat([flower, flower], dim=2) if number % 2 else flower
        save_image(wide, tmp_path / ("more" if number % 3 else "") / f"{number:02}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    data = load_dataset(str(tmp_path), 16)
    check(data, 3, 16)
    assert len(data.images) == 48 and len(data.held_out) == 12
    assert len(load_dataset(str(tmp_path), 16, count=50).images) == 48


def write_mnist(folder, count: int) -> None:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    chance = torch.Generator().manual_seed(0)
    for part, seen in (("train", count), ("t10k", 20)):
        pixels = torch.randint(0, 256, (seen, 28, 28), generator=chance, dtype=torch.uint8)
        head = struct.pack(">IIII", 0x803, seen, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.numpy().tobytes())
        labels = torch.arange(seen, dtype=torch.uint8) % 10
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, seen) + labels.numpy().tobytes())


def test_mnist_where_torchvision_has_put_it(tmp_path, monkeypatch):
    write_mnist(tmp_path, 80)
    monkeypatch.setenv("NETLENS_DATA", str(tmp_path))
    data = load_dataset("mnist", count=60)
    check(data, 1, 32)
    assert len(data.images) == 60 and len(data.held_out) == 16 and data.labels[:12].tolist() == [*range(10), 0, 1]
    assert (data.images[..., :2, :] == 0).all() and (data.images[..., -2:] == 0).all()
    check(load_dataset("mnist", 16, 60, tmp_path), 1, 16)


def test_celeba_where_torchvision_has_put_it(tmp_path):
    faces = tmp_path / "celeba" / "img_align_celeba"
    faces.mkdir(parents=True)
    for number, flower in enumerate(paint_daisies(60, 32)):
        save_image(flower[:, :, 3:-3], faces / f"{number:06}.png")
    data = load_dataset("celeba", 16, folder=tmp_path)
    check(data, 3, 16)
    assert data.name == "celeba"


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("mnist", {}, r"MNIST is not in .*MNIST/raw.*--data"),
        ("celeba", {}, r"CelebA is not in .*img_align_celeba.zip.*--data"),
        ("nowhere", {}, "nowhere is no folder of pictures; known by name are digits, daisies, mnist and celeba"),
        (".", {}, "holds 0 pictures"),
        ("digits", {"size": 20}, "20 px does not go: take one of 8, 16"),
        ("daisies", {"count": 3}, "3 images are too few"),
    ],
)
def test_what_is_not_there_is_told_with_a_way_out(source, settings, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETLENS_DATA", raising=False)
    with pytest.raises(DatasetError, match=message):
        load_dataset(source, **settings)


@pytest.fixture
def flowers(tmp_path):
    """A folder of 60 different pictures."""
    for number, flower in enumerate(paint_daisies(60, 16)):
        save_image(flower, tmp_path / f"{number:02}.png")
    return tmp_path


def test_bad_files_of_a_folder_are_listed_all_at_once_and_left_out(flowers):
    for name in ("07.png", "23.png"):
        (flowers / name).write_bytes((flowers / name).read_bytes()[:200])
    os.mkfifo(flowers / "pipe.png")  # opening it would wait for ever
    (flowers / "gone.jpg").symlink_to(flowers / "nowhere")
    for name in (".DS_Store", "Thumbs.db", "._01.png", "notes.txt"):
        (flowers / name).write_text("no picture")
    (flowers / "__MACOSX").mkdir()
    save_image(paint_daisies(1, 16, seed=9)[0], flowers / "__MACOSX" / "01.png")
    data = load_dataset(str(flowers), 16)
    assert len(data.images) + len(data.held_out) == 58
    bad, others = data.notes
    assert bad.startswith("4 pictures could not be read and left out: ")
    assert all(
        text in bad for text in ("07.png is broken", "23.png is broken", "pipe.png is no file", "gone.jpg is a link")
    )
    assert others == "4 files that are no pictures passed over"


def test_too_few_pictures_that_can_be_read_is_an_error_with_all_names(flowers):
    for number in range(0, 60, 5):
        (flowers / f"{number:02}.png").write_bytes(b"junk")
    with pytest.raises(
        DatasetError, match=r"holds 48 pictures that can be read .*00\.png is no PNG.*55\.png is no PNG"
    ):
        load_dataset(str(flowers))


def test_equal_pictures_are_refused_and_copies_left_out(flowers, tmp_path_factory):
    equal = tmp_path_factory.mktemp("equal")
    for number in range(64):
        shutil.copy(flowers / "00.png", equal / f"{number:02}.png")
    with pytest.raises(
        DatasetError, match=r"64 pictures, of which only 1 is different: put at least 50 .*01\.png of 00\.png"
    ):
        load_dataset(str(equal))
    for number in range(64):  # all but equal: saved again as JPEG, each a little worse
        Image.open(flowers / "00.png").resize((64, 64)).save(
            equal / f"{number:02}.png", "JPEG", quality=95 - number // 4
        )
    with pytest.raises(DatasetError, match=r"64 pictures, of which only \d are? different|only 1 is"):
        load_dataset(str(equal))
    shutil.copy(flowers / "03.png", flowers / "copy.png")
    data = load_dataset(str(flowers), 16)
    assert len(data.images) + len(data.held_out) == 60
    assert data.notes == ("1 picture is a copy of another and left out: copy.png of 03.png",)


def test_pictures_that_differ_a_little_are_no_copies():
    strokes = torch.zeros(20, 1, 32, 32)
    for number in range(20):
        strokes[number, 0, 4 + number, 5:12] = 1  # seven of a thousand pixels
    assert copies(strokes) == {}
    strokes[7] = strokes[3]
    assert copies(strokes) == {7: 3}


def test_every_kind_of_picture_and_subfolders_are_taken(flowers):
    (flowers / "more").mkdir()
    for kind, suffix in (("GIF", "gif"), ("TIFF", "tif"), ("WEBP", "webp")):
        Image.fromarray(np.random.default_rng(len(suffix)).integers(0, 255, (40, 30, 3), dtype=np.uint8)).convert(
            "CMYK" if kind == "TIFF" else "RGB"
        ).save(flowers / "more" / f"one.{suffix}", kind)
    data = load_dataset(str(flowers), 16)
    assert len(data.images) + len(data.held_out) == 63
    assert (
        len(data.notes) == 1 and data.notes[0].startswith("1 picture converted: ") and "one.tif: CMYK" in data.notes[0]
    )
