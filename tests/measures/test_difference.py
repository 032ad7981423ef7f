"""Differences made visible, and traced back to what was added."""

from __future__ import annotations

import pytest
import torch

from netlens_core.measures.difference import added_correlation, amplified_difference


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 32, 32, generator=generator)


def test_no_difference_is_grey_and_a_small_one_is_amplified():
    image = torch.full((3, 4, 4), 0.5)
    assert torch.equal(amplified_difference(image, image), image)
    changed = image.clone()
    changed[0, 0, 0] += 0.01
    changed[0, 0, 1] -= 0.5
    shown = amplified_difference(changed, image, gain=20)
    assert float(shown[0, 0, 0]) == pytest.approx(0.7)
    assert float(shown[0, 0, 1]) == 0


@pytest.mark.parametrize(("kept", "amount"), [(1.0, 0.05), (0.8, 0.2), (0.2, 0.8)])
def test_every_weighted_sum_holds_the_added_image(pictures, kept, amount):
    original, added = pictures
    assert added_correlation(kept * original + amount * added, original, added) == pytest.approx(1, abs=1e-4)


def test_taking_away_is_negative_and_something_else_is_nothing(pictures):
    original, added = pictures
    assert added_correlation(original - 0.1 * added, original, added) == pytest.approx(-1, abs=1e-4)
    other = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert abs(added_correlation(original + 0.1 * other, original, added)) < 0.1


@pytest.mark.parametrize("copy", [lambda o: o.clone(), lambda o: 0.5 * o + 0.1])
def test_nothing_added_is_zero(pictures, copy):
    original, added = pictures
    assert added_correlation(copy(original), original, added) == 0


def test_a_flat_original_is_no_division_by_zero(pictures):
    _, added = pictures
    flat = torch.full_like(added, 0.5)
    assert added_correlation(flat + 0.1 * added, flat, added) == pytest.approx(1, abs=1e-4)


def test_different_shapes_are_refused(pictures):
    with pytest.raises(ValueError, match="shapes"):
        amplified_difference(pictures[0], pictures[0][:, :4])
