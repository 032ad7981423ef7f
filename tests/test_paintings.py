"""Paintings: one a seed, the same at every size, different from seed to seed and from manner to manner."""

from __future__ import annotations

import time

import pytest
import torch

from netlens_core.images import resize, to_8bit
from netlens_core.measures.style import luminance_correlation, sliced_wasserstein
from netlens_core.paintings import PAINTINGS, paint


@pytest.mark.parametrize("name", PAINTINGS)
def test_a_seed_is_a_painting(name):
    first, again, other = paint(name, 4, 64), paint(name, 4, 64), paint(name, 5, 64)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (3, 64, 64) and first.dtype == torch.float32
    assert torch.equal(first, to_8bit(first)) and first.std() > 0.05


@pytest.mark.parametrize("name", PAINTINGS)
def test_every_size_shows_the_same_painting(name):
    # Strokes are drawn in whole pixels, so fine ones differ a little from size to size.
    large, small = paint(name, 2, 160), paint(name, 2, 80)
    assert luminance_correlation(resize(large, 80), small) > 0.95


def test_other_seeds_are_other_compositions_of_one_manner():
    first, second = ({name: paint(name, seed, 64) for name in PAINTINGS} for seed in (1, 2))
    for name, mine in first.items():
        assert luminance_correlation(mine, second[name]) < 0.8
        distances = sorted((sliced_wasserstein(other, mine, True), kind) for kind, other in second.items())
        assert name in [kind for _, kind in distances[:2]], (name, distances)


@pytest.mark.slow
def test_a_painting_is_quick():
    for name in PAINTINGS:
        start = time.process_time()
        paint(name, 0, 256)
        assert time.process_time() - start < 2, name  # 0.1 to 0.6 s on a quiet core


@pytest.mark.parametrize(
    ("name", "seed", "size"), [("oil", 0, 64), ("grid", -1, 64), ("grid", 0, 31), ("grid", 0, 1025)]
)
def test_what_cannot_be_painted_is_told(name, seed, size):
    with pytest.raises(ValueError, match="swirls" if name == "oil" else "32 to 1024"):
        paint(name, seed, size)


def test_exercises_may_ask_for_every_manner():
    from netlens_core.grading import sheets

    assert set(sheets.PAINTINGS) == set(PAINTINGS)
