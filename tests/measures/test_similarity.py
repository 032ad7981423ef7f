"""The measures say of known changes what theory says."""

from __future__ import annotations

import math

import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.measures import similarity
from netlens_core.measures.difference import added_correlation, amplified_difference
from netlens_core.measures.distance import l2_distance, linf_distance
from netlens_core.measures.similarity import (
    multiscale_structural_similarity,
    peak_signal_to_noise_ratio,
    perceptual_distance,
    structural_similarity,
)

FLOWER = draw_daisy(1).image
MEASURES = [
    structural_similarity,
    multiscale_structural_similarity,
    peak_signal_to_noise_ratio,
    linf_distance,
    l2_distance,
]


def noisy(levels: float, seed: int = 0) -> torch.Tensor:
    signs = torch.randint(0, 2, FLOWER.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return (FLOWER + levels / 255 * signs).clamp(0, 1)


def test_equal_images():
    assert structural_similarity(FLOWER, FLOWER) == pytest.approx(1, abs=1e-6)
    assert multiscale_structural_similarity(FLOWER, FLOWER) == pytest.approx(1, abs=1e-6)
    assert peak_signal_to_noise_ratio(FLOWER, FLOWER) == math.inf
    assert linf_distance(FLOWER, FLOWER) == l2_distance(FLOWER, FLOWER) == 0


def test_more_noise_is_less_alike():
    for measure, sign in zip(MEASURES, (-1, -1, -1, 1, 1), strict=True):
        values = [sign * measure(noisy(levels), FLOWER) for levels in (2, 4, 8, 32)]
        assert values == sorted(values) and values[0] < values[-1], measure


def test_a_shift_or_a_mirror_is_seen_by_structural_similarity():
    assert structural_similarity(FLOWER.roll(3, dims=2), FLOWER) < 0.8
    assert structural_similarity(FLOWER.flip(2), FLOWER) < 0.7


def test_distances_by_hand():
    grey = torch.full((3, 20, 30), 100 / 255)
    changed = grey.clone()
    changed[1, 2, 3] = 107 / 255
    changed[0, 0, 0] = 96 / 255
    assert linf_distance(changed, grey) == 7
    assert l2_distance(changed, grey) == pytest.approx(math.sqrt(7**2 + 4**2) / 255)
    mean_square = (7**2 + 4**2) / 255**2 / grey.numel()
    assert peak_signal_to_noise_ratio(changed, grey) == pytest.approx(-10 * math.log10(mean_square), abs=1e-3)


def test_structural_similarity_by_its_formula_where_nothing_varies():
    dark, light = torch.full((3, 32, 32), 50 / 255), torch.full((3, 32, 32), 200 / 255)
    x, y, c1 = 50 / 255, 200 / 255, 0.01**2
    assert structural_similarity(dark, light) == pytest.approx((2 * x * y + c1) / (x * x + y * y + c1), abs=1e-4)


def test_what_a_viewer_cannot_see_does_not_count():
    almost = (FLOWER + 0.3 / 255).clamp(0, 1)
    assert linf_distance(almost, FLOWER) == 0
    assert structural_similarity(almost, FLOWER) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_images_of_different_sizes_are_refused(measure):
    with pytest.raises(ValueError, match="one size"):
        measure(FLOWER, FLOWER[:, :100])


def test_images_too_small_are_refused_with_the_size_that_is_needed():
    with pytest.raises(ValueError, match="161"):
        multiscale_structural_similarity(FLOWER[:, :160, :160], FLOWER[:, :160, :160])


def test_perceptual_distance_orders_changes_and_is_left_out_without_weights(squeezenet, monkeypatch):
    near, far = perceptual_distance(noisy(4), FLOWER), perceptual_distance(noisy(40), FLOWER)
    assert 0 < near < far
    assert perceptual_distance(FLOWER, FLOWER) == pytest.approx(0, abs=1e-6)
    monkeypatch.setattr(similarity, "perceptual_distance_available", lambda: False)
    assert perceptual_distance(FLOWER, FLOWER) is None


def test_an_amplified_difference_is_grey_where_nothing_changed():
    changed = FLOWER.clone()
    changed[:, :10, :10] = (changed[:, :10, :10] + 3 / 255).clamp(0, 1)
    shown = amplified_difference(changed, FLOWER, gain=20)
    assert (shown[:, 20:] == 0.5).all()
    assert shown[:, :10, :10].mean() > 0.6 and shown.max() <= 1


def test_added_correlation_knows_a_mix_from_a_flower_and_from_other_noise():
    generator = torch.Generator().manual_seed(0)
    noise, other = torch.rand(FLOWER.shape, generator=generator), torch.rand(FLOWER.shape, generator=generator)
    mixed = (0.9 * FLOWER + 0.1 * noise).clamp(0, 1)
    assert added_correlation(mixed, FLOWER, noise) > 0.95
    assert abs(added_correlation(mixed, FLOWER, other)) < 0.05
    assert added_correlation(FLOWER, FLOWER, noise) == 0
