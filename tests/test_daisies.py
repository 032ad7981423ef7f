"""Daisies: the same flower from the same seed at every size, exact masks, and networks that see a daisy."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from netlens_core.daisies import Daisy, draw_daisy
from netlens_core.images import resize, to_8bit
from netlens_core.networks import Network

COLORS = ("white", "yellow")
_PRINT_HASH = """
import hashlib, torch
from netlens_core.daisies import draw_daisy
torch.set_num_threads(THREADS)
daisy = draw_daisy(5, 96)
print(hashlib.sha256(daisy.image.numpy().tobytes() + daisy.petals.numpy().tobytes()).hexdigest())
"""


def _overlap(first: Tensor, second: Tensor) -> float:
    """Intersection over union of two masks."""
    return ((first & second).sum() / (first | second).sum()).item()


def _outline(mask: Tensor) -> Tensor:
    """Pixels within two of a mask's edge."""
    grown = torch.nn.functional.max_pool2d(mask[None, None].float(), 5, 1, 2)[0, 0] > 0
    shrunk = torch.nn.functional.max_pool2d(~mask[None, None] * 1.0, 5, 1, 2)[0, 0] == 0
    return grown & ~shrunk


def _daisy_probabilities(network: Network, images: Tensor) -> Tensor:
    category = network.categories.index("daisy")
    with torch.no_grad():
        return torch.cat([network.probabilities(batch)[:, category] for batch in images.split(20)])


@pytest.fixture(scope="module")
def bed() -> dict[str, list[Daisy]]:
    """Eight daisies of each colour at 224 pixels."""
    return {color: [draw_daisy(seed, color=color) for seed in range(8)] for color in COLORS}


@pytest.mark.parametrize("size", [16, 17, 224, 513])
def test_shapes_types_and_range(size: int) -> None:
    daisy = draw_daisy(3, size)
    assert daisy.image.shape == (3, size, size) and daisy.image.dtype == torch.float32
    assert daisy.petals.shape == daisy.disc.shape == (size, size)
    assert daisy.petals.dtype == daisy.disc.dtype == torch.bool
    assert 0 <= daisy.image.min() < 0.2 and 0.8 < daisy.image.max() <= 1
    assert torch.equal(daisy.image, to_8bit(daisy.image))


def test_same_seed_same_bits_whatever_the_global_state() -> None:
    first = draw_daisy(11, 120)
    torch.manual_seed(99)
    second = draw_daisy(11, 120)
    for name in ("image", "petals", "disc"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_same_bits_in_another_process_with_another_thread_count() -> None:
    daisy = draw_daisy(5, 96)
    here = hashlib.sha256(daisy.image.numpy().tobytes() + daisy.petals.numpy().tobytes()).hexdigest()
    for threads in ("1", "4"):
        run = subprocess.run(
            [sys.executable, "-c", _PRINT_HASH.replace("THREADS", threads)],
            env={**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == here


def test_drawing_leaves_global_random_state_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    draw_daisy(4, 32)
    assert torch.equal(state, torch.get_rng_state())


def test_neighbours_differ() -> None:
    daisies = [draw_daisy(seed, 96, "white") for seed in range(12)]
    for index, one in enumerate(daisies):
        for other in daisies[:index]:
            assert (one.image - other.image).abs().mean() > 0.05
            assert _overlap(one.petals, other.petals) < 0.93


def test_color_changes_the_petals_and_nothing_of_the_shape() -> None:
    white, yellow = draw_daisy(6, 128, "white"), draw_daisy(6, 128, "yellow")
    assert (white.color, yellow.color) == COLORS
    assert torch.equal(white.petals, yellow.petals) and torch.equal(white.disc, yellow.disc)
    meadow = ~(white.flower | _outline(white.flower))
    assert torch.equal(white.image[:, meadow], yellow.image[:, meadow])


def test_without_a_color_the_seed_chooses() -> None:
    colors = [draw_daisy(seed, 16).color for seed in range(60)]
    assert 15 <= colors.count("white") <= 45
    drawn = draw_daisy(0, 48)
    assert torch.equal(drawn.image, draw_daisy(0, 48, drawn.color).image)


def test_masks_are_disjoint_and_of_sane_size(bed: dict[str, list[Daisy]]) -> None:
    for daisy in bed["white"] + bed["yellow"]:
        assert not (daisy.petals & daisy.disc).any()
        assert torch.equal(daisy.flower, daisy.petals | daisy.disc)
        assert 0.15 < daisy.petals.float().mean() < 0.60
        assert 0.02 < daisy.disc.float().mean() < 0.10
        rows, columns = torch.nonzero(daisy.disc, as_tuple=True)
        filled = len(rows) / (len(rows.unique()) * len(columns.unique()))
        assert 0.70 < filled < 0.90  # an ellipse fills pi/4 of its box, less when it leans


def test_masks_follow_the_colours(bed: dict[str, list[Daisy]]) -> None:
    for color, daisies in bed.items():
        for daisy in daisies:
            red, green, blue = daisy.image
            pale = (blue > 0.45) & (red > 0.45) if color == "white" else (red > 0.55) & (blue < 0.45)
            meadow = ~daisy.flower & ~_outline(daisy.flower)
            inside = daisy.petals & ~_outline(daisy.petals)
            assert pale[inside].float().mean() > 0.90
            assert pale[meadow].float().mean() < 0.01
            assert (green > red)[meadow].float().mean() > 0.90
            assert (red > blue + 0.2)[daisy.disc & ~_outline(daisy.disc)].float().mean() > 0.95


def test_a_larger_picture_shrinks_to_the_smaller() -> None:
    for seed in (0, 7, 21):
        small, large, huge = (draw_daisy(seed, size) for size in (224, 448, 896))
        assert (resize(large.image, 224) - small.image).abs().mean() < 0.012
        assert (resize(huge.image, 224) - small.image).abs().mean() < 0.015
        for name in ("petals", "disc", "flower"):
            every_other = resize(getattr(large, name).float().expand(3, -1, -1), 224)[0] >= 0.5
            assert _overlap(every_other, getattr(small, name)) > 0.97


def test_limits_of_size() -> None:
    assert draw_daisy(1, 16).flower.any()
    largest = draw_daisy(1, 2048)
    assert largest.image.shape == (3, 2048, 2048)
    assert (resize(largest.image, 224) - draw_daisy(1).image).abs().mean() < 0.02


@pytest.mark.parametrize("size", [15, 0, -224, 2049, 224.0, "224", None, True])
def test_a_bad_size_is_refused(size: object) -> None:
    with pytest.raises(ValueError, match="size of a daisy is 16 to 2048 pixels"):
        draw_daisy(0, size)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 0.5, "7", None, True])
def test_a_bad_seed_is_refused(seed: object) -> None:
    with pytest.raises(ValueError, match="seed of a daisy is a whole number from 0 on"):
        draw_daisy(seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("color", ["red", "", 1, ["white"]])
def test_a_bad_color_is_refused(color: object) -> None:
    with pytest.raises(ValueError, match='"white", "yellow" or None'):
        draw_daisy(0, color=color)  # type: ignore[arg-type]


@pytest.mark.parametrize("color", COLORS)
def test_the_target_network_sees_a_daisy(bed: dict[str, list[Daisy]], lite0: Network, color: str) -> None:
    seen = _daisy_probabilities(lite0, torch.stack([daisy.image for daisy in bed[color]]))
    assert seen.min() > 0.8, seen


@pytest.mark.slow
@pytest.mark.parametrize("color", COLORS)
def test_all_networks_see_a_daisy_in_each(
    lite0: Network, lite1: Network, lite2: Network, squeezenet: Network, color: str
) -> None:
    # The benchmark of daisies tells the same of a hundred seeds.
    images = torch.stack([draw_daisy(seed, color=color).image for seed in range(100, 130)])
    for network, least in ((lite0, 0.8), (lite1, 0.5), (lite2, 0.5), (squeezenet, 0.9)):
        seen = _daisy_probabilities(network, images)
        assert seen.min() > least, (network.name, int(seen.argmin()), seen.min().item())
