"""Measures of maps say of made-up maps and networks what can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from netlens_core.daisies import draw_daisy
from netlens_core.measures.saliency import (
    Curve,
    correlation,
    deletion_curve,
    early_evidence,
    energy_inside,
    insertion_curve,
    points_inside,
    randomization_check,
    rank_correlation,
)
from netlens_core.methods.cam import grad_cam
from netlens_core.networks import Network


class Left(nn.Module):
    """The log-odds of category 1 grow with the brightness of the left half."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(20.0))

    def forward(self, images):
        score = self.gain * (images[:, :, :, :16].mean(dim=(1, 2, 3)) - 0.75)
        return torch.stack([torch.zeros_like(score), score], dim=1)


@pytest.fixture
def left() -> Network:
    return Network("left", Left(), ("dark", "bright"), 32, (0.0,) * 3, (1.0,) * 3)


@pytest.fixture
def half() -> torch.Tensor:
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[:, :16] = True
    return mask


def test_energy_and_pointing_by_hand(half):
    heat = torch.ones(32, 32)
    heat[:, :16] = 3
    assert energy_inside(heat, half) == pytest.approx(0.75)
    assert energy_inside(heat, ~half) == pytest.approx(0.25)
    assert points_inside(heat, half) and not points_inside(heat, ~half)
    assert energy_inside(torch.zeros(32, 32), half) == 0.5


def test_deletion_by_hand(left, half):
    white = torch.ones(3, 32, 32)
    good = deletion_curve(left, white, half.float(), "bright", points=5)
    bad = deletion_curve(left, white, (~half).float(), "bright", points=5)
    assert good.shares == bad.shares == (0, 0.25, 0.5, 0.75, 1)
    # Half of the left half grey: mean 0.75, log-odds 0; all of it: mean 0.5, log-odds -5.
    wanted = [torch.tensor(odds).sigmoid().item() for odds in (5.0, 0.0, -5.0, -5.0, -5.0)]
    assert good.probabilities == pytest.approx(wanted, abs=1e-5)
    assert bad.probabilities == pytest.approx([wanted[0]] * 3 + wanted[1:3], abs=1e-5)
    assert good.area < bad.area


def test_insertion_starts_blurred_and_ends_at_the_image(left, half):
    image = torch.zeros(3, 32, 32)
    image[:, :, :16] = 1
    good, bad = (insertion_curve(left, image, heat.float(), "bright", points=9) for heat in (half, ~half))
    for curve in (good, bad):
        assert curve.probabilities[-1] == pytest.approx(left.probability(image, "bright"), abs=1e-6)
        assert curve.probabilities[0] < 0.9  # blurred: darker on the left
    assert good.area > bad.area
    assert good.probabilities[4] == pytest.approx(good.probabilities[-1], abs=1e-6)


def test_curves_equal_a_loop_over_pixels(squeezenet):
    image = draw_daisy(3).image
    heat = torch.rand(224, 224, generator=torch.Generator().manual_seed(0))
    curve = deletion_curve(squeezenet, image, heat, "daisy", points=4)
    order = heat.flatten().argsort(descending=True)
    for share, probability in zip(curve.shares, curve.probabilities, strict=True):
        pixels = image.clone().flatten(1)
        for pixel in order[: round(share * len(order))].tolist():
            pixels[:, pixel] = 0.5
        assert probability == pytest.approx(squeezenet.probability(pixels.view_as(image), "daisy"), abs=1e-4)


def test_early_evidence_equals_a_loop_and_prefers_what_matters(left, half):
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.2
    image[:, half] += 0.8
    logits = []
    for point in insertion_curve(left, image, half.float(), "bright", 11).probabilities[1:6]:
        logits.append(math.log(point / (1 - point)) / 2)  # above the mean of the two: half the difference
    assert early_evidence(left, image, half.float(), "bright") == pytest.approx(sum(logits) / 5, abs=1e-3)
    assert early_evidence(left, image, half.float(), "bright") > early_evidence(left, image, (~half).float(), "bright")
    assert early_evidence(left, image, half.float(), "dark") == pytest.approx(-sum(logits) / 5, abs=1e-3)


def test_area_under_a_line_and_a_step():
    assert Curve((0, 0.5, 1), (1, 0.5, 0)).area == pytest.approx(0.5)
    assert Curve((0, 0.25, 1), (1, 1, 1)).area == pytest.approx(1)


def test_correlations_equal_scipys():
    from scipy import stats

    generator = torch.Generator().manual_seed(0)
    a = torch.rand(12, 9, generator=generator)
    b = (a**3 + 0.2 * torch.rand(12, 9, generator=generator)).mul(10).round()  # with ties
    flat = a.flatten().double().numpy(), b.flatten().double().numpy()
    assert correlation(a, b) == pytest.approx(stats.pearsonr(*flat).statistic)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(*flat).statistic)
    assert correlation(a, a) == pytest.approx(1) and correlation(a, -a) == pytest.approx(-1)
    assert correlation(a, torch.ones_like(a)) == 0 and rank_correlation(torch.ones_like(a), a) == 0


def test_a_network_that_forgets_changes_its_map_but_not_an_edge_map(squeezenet):
    image = draw_daisy(7).image
    weights = [value.clone() for value in squeezenet.module.parameters()]
    found = randomization_check(lambda network: grad_cam(network, image, "daisy"), squeezenet, stages=3)
    assert len(found) == 3
    assert found[0].layer == "classifier.1" and found[-1].layer == "features.0"
    assert found[-1].correlation < 0.7
    edges = image.mean(dim=0).diff(dim=0, append=image.mean(dim=0)[-1:]).abs()
    blind = randomization_check(lambda _network: edges, squeezenet, stages=2)
    assert [stage.correlation for stage in blind] == pytest.approx([1, 1])
    assert all(torch.equal(a, b) for a, b in zip(weights, squeezenet.module.parameters(), strict=True))


def test_the_same_seed_forgets_in_the_same_way(squeezenet):
    image = draw_daisy(7).image
    runs = [
        randomization_check(lambda network: grad_cam(network, image, "daisy"), squeezenet, 1, seed)
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_what_is_no_map_is_refused(left, half):
    for heat in (-torch.ones(32, 32), torch.ones(3, 32, 32), torch.full((32, 32), torch.nan)):
        with pytest.raises(ValueError, match="map"):
            energy_inside(heat, half)
    with pytest.raises(ValueError, match="mask"):
        energy_inside(torch.ones(32, 32), half.float())
    with pytest.raises(ValueError, match="of its size"):
        deletion_curve(left, torch.ones(3, 32, 32), torch.ones(16, 16), "bright")
    with pytest.raises(ValueError, match="differ in size"):
        early_evidence(left, torch.ones(3, 32, 32), torch.ones(16, 16), "bright")
    with pytest.raises(ValueError, match="shape"):
        correlation(torch.ones(2, 3), torch.ones(3, 2))
