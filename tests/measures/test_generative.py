"""The measures of generators agree with other libraries' and with counting by hand, and see what they should."""

from __future__ import annotations

import numpy as np
import piq
import pytest
import torch
from cleanfid.fid import frechet_distance as cleanfid_frechet_distance
from torchmetrics.image.fid import _compute_fid

from netlens_core.measures.feature_network import classifier_features, lite_features
from netlens_core.measures.generative import (
    fine_structure,
    frechet_distance,
    measure,
    modes_evenness,
    nearest_blend_distances,
    nearest_distances,
    neighbourhoods,
    novelty,
    relative_frechet_distance,
    relative_nearest_distance,
)
from netlens_core.methods.datasets import digits, paint_daisies


def cloud(count: int, seed: int, dimensions: int = 12, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dimensions, dimensions, generator=generator)
    return torch.randn(count, dimensions, generator=generator) @ mixing + shift


NEAR = [(cloud(300, 0), cloud(250, 1)), (cloud(200, 2), cloud(200, 2) + 0.3), (cloud(80, 3, 40), cloud(90, 4, 40))]


# -- Fréchet distance ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), NEAR)
def test_the_frechet_distance_is_that_of_clean_fid_torchmetrics_and_piq(a, b):
    ours = frechet_distance(a, b)
    first, second = a.double(), b.double()
    moments = [(x.mean(0), torch.cov(x.T)) for x in (first, second)]
    flat = [m.numpy() for pair in moments for m in pair]
    assert ours == pytest.approx(cleanfid_frechet_distance(*flat), rel=1e-6)
    assert ours == pytest.approx(float(_compute_fid(*moments[0], *moments[1])), rel=1e-6)
    # piq takes the root by Newton and Schulz's iteration, which leaves an error of its own.
    spread = float(moments[0][1].trace())
    assert ours == pytest.approx(float(piq.FID()(first, second)), abs=5e-3 * spread)


def test_the_frechet_distance_of_known_gaussians():
    a = cloud(500, 0)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(a, a + 2) == pytest.approx(4 * a.shape[1], rel=1e-6)
    centred = a - a.mean(0)
    assert frechet_distance(3 * centred, centred) == pytest.approx(4 * float(centred.double().var(0).sum()), rel=1e-6)
    repeated = centred[:1] * 0 + torch.zeros(500, a.shape[1])
    assert relative_frechet_distance(repeated, centred) == pytest.approx(1, rel=1e-6)


def test_fewer_images_than_features_are_still_measured():
    a, b = cloud(20, 0, 64), cloud(20, 1, 64)
    assert np.isfinite(frechet_distance(a, b)) and frechet_distance(a, b) > 0
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6 * float(a.var(0).sum()))


# -- neighbourhoods --------------------------------------------------------------------------------------


def by_hand(fake: np.ndarray, real: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage, counted point by point."""

    def radius(points: np.ndarray, i: int) -> float:
        return sorted(float(np.linalg.norm(points[i] - other)) for j, other in enumerate(points) if j != i)[k - 1]

    real_radii, fake_radii = ([radius(p, i) for i in range(len(p))] for p in (real, fake))
    precise = [any(np.linalg.norm(f - r) <= s for r, s in zip(real, real_radii, strict=True)) for f in fake]
    recalled = [any(np.linalg.norm(f - r) <= s for f, s in zip(fake, fake_radii, strict=True)) for r in real]
    balls = [sum(np.linalg.norm(f - r) <= s for f in fake) for r, s in zip(real, real_radii, strict=True)]
    return np.mean(precise), np.mean(recalled), sum(balls) / (k * len(fake)), np.mean([b > 0 for b in balls])


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_neighbourhoods_are_those_counted_by_hand(seed, k):
    fake, real = cloud(40, seed, 3), cloud(50, seed, 3, shift=0.7)
    found = neighbourhoods(fake, real, k)
    wanted = by_hand(fake.double().numpy(), real.double().numpy(), k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(wanted, abs=1e-6)
    assert 0 < found.coverage < 1


def test_precision_and_recall_are_those_of_piq():
    fake, real = cloud(150, 0, 8), cloud(170, 0, 8, shift=0.8)
    found = neighbourhoods(fake, real, k=3)
    theirs = [float(value) for value in piq.PR(nearest_k=3)(real.double(), fake.double())]
    assert [found.precision, found.recall] == pytest.approx(theirs, abs=1e-6)


def test_identical_sets_overlap_fully_and_far_ones_not_at_all():
    a = cloud(60, 0)
    same, far = neighbourhoods(a, a.clone()), neighbourhoods(a, a + 1e4)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert same.density == pytest.approx(1, abs=0.25)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)


def test_a_lost_mode_is_seen_by_coverage_and_recall_but_not_by_precision():
    left, right = cloud(100, 0), cloud(100, 1, shift=100)
    found = neighbourhoods(cloud(100, 0)[torch.arange(100)], torch.cat([left, right]))
    assert found.precision == 1
    assert found.coverage == 0.5 and found.recall == 0.5


def test_modes_evenness():
    even = torch.eye(4).repeat(25, 1)
    assert modes_evenness(even) == pytest.approx(1)
    assert modes_evenness(even[:1].repeat(9, 1)) == pytest.approx(1 / 4)
    assert modes_evenness(torch.eye(4)[[0, 1] * 10]) == pytest.approx(2 / 4)


# -- new or copied ---------------------------------------------------------------------------------------


def test_copies_are_seen_even_when_shifted_by_a_pixel_but_further_off_they_are_not():
    data = digits()
    copies = data.images[:100]
    assert novelty(copies, data.images, data.held_out) == 0
    shifted = torch.nn.functional.pad(copies, (1, 0, 0, 0), mode="replicate")[..., :8]
    assert novelty(shifted, data.images, data.held_out) < 0.3
    assert nearest_distances(shifted, data.images, shift=0).median() > 3 * nearest_distances(
        shifted, data.images
    ).median().clamp(min=0.1)
    assert novelty(data.held_out[:100], data.images, data.held_out) == pytest.approx(1, abs=0.15)


def test_nearest_distances_by_hand():
    references = torch.zeros(2, 1, 8, 8)
    references[1] = 1
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 3, 3] = 0.5
    assert float(nearest_distances(image, references)) == pytest.approx(0.5)
    assert float(nearest_distances(1 - image, references)) == pytest.approx(0.5)


def test_relative_nearest_distance_by_hand():
    references = torch.zeros(11, 1, 8, 8)
    references[:, 0, 0, 0] = torch.arange(11.0)
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 0, 0] = -1.0
    found = relative_nearest_distance(image, references, others=9, shift=0)
    assert found == pytest.approx(1 / np.mean(np.arange(2, 11)))


def test_noise_hides_a_copy_from_novelty_but_not_from_its_next_neighbours():
    data = digits()
    copies = data.images[:200]
    noise = 0.15 * torch.randn(copies.shape, generator=torch.Generator().manual_seed(0))
    hidden = (copies + noise).clamp(0, 1)
    usual = relative_nearest_distance(data.held_out, data.images)
    assert relative_nearest_distance(copies, data.images) < 0.05
    assert novelty(hidden, data.images, data.held_out) > 0.85
    assert relative_nearest_distance(hidden, data.images) < 0.9 * usual


def test_nearest_blend_distances_by_hand_and_for_what_lies_between():
    references = torch.zeros(3, 1, 1, 2)
    references[1, 0, 0, 0] = references[2, 0, 0, 1] = 1
    images = torch.tensor([[0.5, 0.0], [1.0, 1.0], [-3.0, 0.0], [0.3, 0.4]]).view(4, 1, 1, 2)
    found = nearest_blend_distances(images, references, among=3)
    # Beside one side of the triangle, outside the longest, before a corner, and inside: the nearest side counts.
    assert found.tolist() == pytest.approx([0, 0.5**0.5, 3, 0.3 * 0.5**0.5], abs=1e-6)

    data = digits()
    pixels = data.images.flatten(1)
    similar = torch.cdist(pixels[:100], pixels).topk(6, largest=False).indices[:, 5]
    blends = 0.6 * data.images[:100] + 0.4 * data.images[similar]
    usual = nearest_blend_distances(data.held_out, data.images).median()
    assert nearest_blend_distances(blends, data.images).max() < 1e-3 * usual
    assert nearest_distances(blends, data.images).median() > 0.4 * usual


def test_fine_structure_tells_noise_from_new_and_smooth_images():
    data = digits()
    half = data.held_out[:300], data.held_out[300:]
    generator = torch.Generator().manual_seed(0)
    noisy = (half[0] + 0.15 * torch.randn(half[0].shape, generator=generator)).clamp(0, 1)
    assert fine_structure(half[0], half[1], data.images) == pytest.approx(1, abs=0.2)
    assert fine_structure(noisy, half[1], data.images) > 2.5
    assert fine_structure(data.images.mean(0, keepdim=True), half[1], data.images) == pytest.approx(0, abs=1e-9)


# -- all together ----------------------------------------------------------------------------------------


def test_a_classifier_of_digits_ranks_sets_of_images_as_a_person_would():
    data = digits()
    network = classifier_features(data.images, data.labels, (data.held_out, data.held_out_labels))
    assert network.accuracy > 0.95
    generator = torch.Generator().manual_seed(0)
    half = data.held_out[:300], data.held_out[300:]
    real = measure(half[0], data.images, half[1], network)
    noisy = measure(
        (half[0] + 0.3 * torch.randn(half[0].shape, generator=generator)).clamp(0, 1), data.images, half[1], network
    )
    one = measure(half[0][data.held_out_labels[:300] == 3].repeat(10, 1, 1, 1), data.images, half[1], network)
    copied = measure(data.images[:300], data.images, half[1], network)
    assert real.frechet < 0.05 and real.coverage > 0.85 and real.precision > 0.9 and real.modes > 0.95
    assert real.novelty == pytest.approx(1, abs=0.1) and real.copies < 0.05
    assert noisy.frechet > 2 * real.frechet and noisy.confidence < real.confidence and noisy.novelty > 1.3
    assert one.frechet > 0.5 and one.coverage < 0.2 and one.modes < 0.2
    assert copied.novelty == 0 and copied.copies == 1 and copied.frechet < 0.05


def test_a_classifier_is_the_same_for_the_same_seed():
    data = digits()
    first, again, other = (classifier_features(data.images, data.labels, steps=5, seed=s) for s in (1, 1, 2))
    features = [network.features(data.held_out[:9]) for network in (first, again, other)]
    assert torch.equal(features[0], features[1]) and not torch.equal(features[0], features[2])


def test_training_a_classifier_leaves_the_callers_chance_alone():
    data = digits()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    classifier_features(data.images, data.labels, steps=2)
    assert torch.equal(torch.rand(2), expected)


def test_lite_features_see_a_lost_colour_a_blur_and_noise():
    daisies, others = paint_daisies(300, seed=3), paint_daisies(300, seed=4)
    network, training = lite_features(paint_daisies(300, seed=6)), paint_daisies(100, seed=5)
    real = measure(daisies, training, others, network)
    lost = measure(daisies[daisies[:, 2].mean(dim=(1, 2)) > 0.3], training, others, network)
    blurred = measure(torch.nn.functional.avg_pool2d(daisies, 3, 1, 1), training, others, network)
    noise = 0.03 * torch.randn(daisies.shape, generator=torch.Generator().manual_seed(0))
    noisy = measure((daisies + noise).clamp(0, 1), training, others, network)
    assert real.modes is None and real.confidence is None
    assert real.frechet < 0.05 and real.coverage > 0.9 and real.precision > 0.85
    assert lost.frechet > 0.4 and lost.coverage < 0.7 and lost.precision > 0.8  # true, but not varied
    assert blurred.frechet > 0.8 and blurred.precision < 0.5
    assert real.frechet < noisy.frechet < min(lost.frechet, blurred.frechet)
    assert network.features(digits().images[:3]).shape == (3, 8)


# -- misuse ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frechet_distance(cloud(9, 0), cloud(9, 0, 5)), "features"),
        (lambda: frechet_distance(cloud(1, 0), cloud(9, 0)), "too few"),
        (lambda: neighbourhoods(cloud(5, 0), cloud(50, 0)), "at least 6"),
        (lambda: relative_frechet_distance(cloud(9, 0), torch.ones(9, 12)), "do not vary"),
        (lambda: nearest_distances(torch.rand(2, 1, 8, 8), torch.rand(2, 3, 8, 8)), "differ in shape"),
        (lambda: relative_nearest_distance(torch.rand(2, 1, 8, 8), torch.rand(9, 1, 8, 8)), "too few"),
        (lambda: nearest_blend_distances(torch.rand(2, 1, 8, 8), torch.rand(20, 3, 8, 8)), "differ in shape"),
        (lambda: nearest_blend_distances(torch.rand(2, 1, 8, 8), torch.rand(11, 1, 8, 8)), "too few"),
        (lambda: fine_structure(*torch.rand(3, 9, 1, 5, 6)), "no direction"),
        (lambda: modes_evenness(torch.rand(4)), "probabilities"),
        (lambda: lite_features(torch.rand(8, 3, 16, 16)), "too few"),
        (lambda: classifier_features(torch.rand(9, 1, 8, 8), torch.zeros(8)), "labels"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
