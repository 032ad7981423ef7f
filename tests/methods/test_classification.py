"""Classification by hand gives what the network itself says; temperatures and agreement are what they claim to be."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_calibration_error

from netlens_core.daisies import draw_daisy
from netlens_core.measures.calibration import expected_calibration_error
from netlens_core.methods.classification import agreement, classify, fit_temperature, logits_of
from netlens_core.methods.classification_chart import Panel, chart


@pytest.mark.parametrize("size", [224, 160])
def test_the_likeliest_categories_are_the_networks_own(lite0, size):
    image = draw_daisy(3, size=size).image
    ranking, own = classify(lite0, image, k=7), lite0.classify(image, k=7)
    assert [category for category, _ in ranking] == [category for category, _ in own]
    assert [p for _, p in ranking] == pytest.approx([p for _, p in own], abs=1e-6)
    assert ranking[0][0] == "daisy"


def test_every_category_sums_to_one(lite0):
    ranking = classify(lite0, draw_daisy(3).image, k=1000)
    assert sum(probability for _, probability in ranking) == pytest.approx(1, abs=1e-4)
    assert len({category for category, _ in ranking}) > 990  # ImageNet has a few names twice


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_impossible_k_is_refused(lite0, k):
    with pytest.raises(ValueError, match="k must be"):
        classify(lite0, draw_daisy(3).image, k=k)


def test_a_batch_of_different_sizes_is_what_each_image_gives(squeezenet):
    images = [draw_daisy(seed, size).image for seed, size in enumerate((224, 100, 300))]
    together = logits_of(squeezenet, images)
    alone = torch.cat([squeezenet(image) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=1e-4)
    assert logits_of(squeezenet, []).shape == (0, 1000)


# -- temperatures ----------------------------------------------------------------------------------------


def drawn(temperature: float, count: int = 4000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose true temperature is known: the labels are drawn from the softmax at it."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(count, 12, generator=generator)
    return logits, torch.multinomial((logits / temperature).softmax(dim=1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 5.0])
def test_the_true_temperature_is_found(temperature):
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.08)


def test_no_other_temperature_fits_better():
    logits, labels = drawn(3.0, count=300)
    best = fit_temperature(logits, labels)
    loss = functional.cross_entropy(logits / best, labels)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert functional.cross_entropy(logits / (best * factor), labels) > loss


def test_a_temperature_calibrates_held_out_images_and_keeps_the_ranking():
    logits, labels = drawn(3.0)
    fresh, truth = drawn(3.0, seed=1)
    temperature = fit_temperature(logits, labels)
    before = expected_calibration_error(fresh.softmax(dim=1), truth)
    after = expected_calibration_error((fresh / temperature).softmax(dim=1), truth)
    assert before > 0.3 and after < 0.04
    assert torch.equal(fresh.argsort(dim=1), (fresh / temperature).argsort(dim=1))


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="labels are 0 to 4"):
        fit_temperature(torch.zeros(3, 5), torch.tensor([0, 1, 5]))
    with pytest.raises(ValueError, match="N labels"):
        fit_temperature(torch.zeros(0, 5), torch.zeros(0))


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_calibration_error_is_torchmetrics(bins):
    logits, labels = drawn(2.0, count=500)
    probabilities = logits.softmax(dim=1)
    theirs = multiclass_calibration_error(probabilities, labels, num_classes=12, n_bins=bins)
    assert expected_calibration_error(probabilities, labels, bins) == pytest.approx(float(theirs), abs=1e-5)


def test_the_calibration_error_by_hand():
    sure = torch.tensor([[0.9, 0.1]] * 10)
    assert expected_calibration_error(sure, torch.tensor([0] * 9 + [1])) == pytest.approx(0, abs=1e-6)
    assert expected_calibration_error(sure, torch.tensor([1] * 10)) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="N labels"):
        expected_calibration_error(sure, torch.tensor([0]))


# -- several networks ------------------------------------------------------------------------------------


def test_networks_agree_about_a_daisy(lite0, squeezenet):
    networks = [lite0, squeezenet]
    image = draw_daisy(3).image
    found = agreement(networks, [network.probabilities(image)[0] for network in networks])
    assert found.favourites == ("daisy", "daisy") and found.winner == "daisy" and found.votes == 2
    assert found.divergence < 0.1 and float(found.mean.sum()) == pytest.approx(1, abs=1e-5)


def test_divergence_is_scipys_and_ties_go_to_the_surer(lite0):
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(1000, generator=generator).mul(3).softmax(dim=0) for _ in range(2))
    found = agreement([lite0, lite0], [p, q])
    assert found.divergence == pytest.approx(float(jensenshannon(p.double(), q.double(), base=2)) ** 2, abs=1e-6)
    modest, sure = torch.full((1000,), 0.4 / 999), torch.full((1000,), 0.1 / 999)
    modest[3], sure[985] = 0.6, 0.9
    assert agreement([lite0, lite0], [modest, sure]).winner == "daisy"
    opposite = functional.one_hot(torch.tensor([1, 2]), 1000).double()
    assert agreement([lite0, lite0], list(opposite)).divergence == pytest.approx(1)


def test_bars_are_to_scale():
    panel = Panel("a network", [("daisy", 0.5), ("bee", 0.25)], None, 0.001)
    picture = chart(draw_daisy(1, 64).image, [panel])
    blue = torch.tensor([0x3B, 0x76, 0xB0]).div(255)[:, None, None]
    lengths = ((picture - blue).abs().amax(dim=0) < 0.01).sum(dim=1)
    short, long = sorted(length for length, rows in Counter(lengths.tolist()).items() if length > 10 and rows > 20)
    assert math.isclose(short / long, 0.5, abs_tol=0.02)
