"""Measures of style do not care where things are; those of content care about nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from scipy.stats import wasserstein_distance
from torch import nn
from torch.nn import functional

from netlens_core.daisies import draw_daisy
from netlens_core.images import to_8bit
from netlens_core.measures.style import (
    content_distance,
    content_layer,
    edge_correlation,
    explained_by_pixels,
    gram,
    gram_distance,
    luminance_correlation,
    maps_by_scale,
    sliced_wasserstein,
    style_layers,
)
from netlens_core.networks import Network
from netlens_core.paintings import paint

FLOWER = draw_daisy(1, 96).image
SWIRLS = paint("swirls", 1, 96)


def untrained(name: str) -> Network:
    torch.manual_seed(0)
    return Network(name, torchvision.models.get_model(name, weights=None), ("daisy",), 224, (0.5,) * 3, (0.5,) * 3)


def test_gram_by_hand():
    features = torch.tensor([[[1.0, 2.0]], [[3.0, -1.0]]])
    assert gram(features).tolist() == [[2.5, 0.5], [0.5, 5.0]]
    assert gram(torch.stack([features, 2 * features]))[1].tolist() == [[10, 2], [2, 20]]


def test_gram_forgets_where():
    features = torch.rand(5, 8, 6, generator=torch.Generator().manual_seed(0))
    shuffled = features.flatten(1)[:, torch.randperm(48, generator=torch.Generator().manual_seed(1))].view(5, 8, 6)
    torch.testing.assert_close(gram(shuffled), gram(features))


def test_layers_are_finished_maps_of_every_scale_down_to_an_eighth(lite0):
    assert style_layers(lite0) == ["bn1", "blocks.0.0", "blocks.1.0", "blocks.1.1", "blocks.2.0", "blocks.2.1"]
    assert content_layer(lite0) == "blocks.2.1"


@pytest.mark.parametrize(
    ("name", "style", "content"),
    [
        ("squeezenet1_1", ["features.1", "features.3", "features.4", "features.6", "features.7"], "features.7"),
        ("alexnet", ["features.1", "features.4"], "features.4"),
        ("vgg19", [f"features.{n}" for n in (1, 3, 6, 8, 11, 17, 20, 26)], "features.26"),
    ],
)
def test_layers_of_other_architectures_are_those_after_the_relu(name, style, content):
    network = untrained(name)
    assert style_layers(network) == style and content_layer(network) == content
    modules = dict(network.module.named_modules())
    assert not any(isinstance(modules[layer], nn.Conv2d | nn.MaxPool2d) for layer in style)


def test_layers_halve_from_scale_to_scale(lite1):
    for scale, names in maps_by_scale(lite1).items():
        for name in names:
            assert lite1.activations(torch.zeros(3, 240, 240), name).shape[-1] == 240 // scale


def test_a_network_without_maps_is_refused():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    network = Network("flat", flat, ("a", "b"), 32, (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(ValueError, match="flat has no maps"):
        style_layers(network)


def test_nothing_is_far_from_itself(lite0):
    assert gram_distance(lite0, SWIRLS, SWIRLS) == content_distance(lite0, SWIRLS, SWIRLS) == 0
    assert sliced_wasserstein(SWIRLS, SWIRLS) == sliced_wasserstein(SWIRLS, SWIRLS, strokes_only=True) == 0
    assert luminance_correlation(SWIRLS, SWIRLS) == pytest.approx(1)
    assert edge_correlation(SWIRLS, SWIRLS) == pytest.approx(1)


def test_a_mirror_keeps_the_style_and_loses_the_content(lite0):
    mirrored = SWIRLS.flip(2)
    other = paint("grid", 1, 96)
    assert gram_distance(lite0, mirrored, SWIRLS) < 0.5 * gram_distance(lite0, other, SWIRLS)
    assert sliced_wasserstein(mirrored, SWIRLS) < 0.2 * sliced_wasserstein(other, SWIRLS)
    assert content_distance(lite0, mirrored, SWIRLS) > 0.8
    assert luminance_correlation(mirrored, SWIRLS) < 0.5 and edge_correlation(mirrored, SWIRLS) < 0.5


def test_another_seed_of_a_manner_is_nearer_than_another_manner(lite1):
    for manner in ("swirls", "glass"):
        mine, sibling, stranger = paint(manner, 1, 64), paint(manner, 2, 64), paint("points", 1, 64)
        assert gram_distance(lite1, sibling, mine) < gram_distance(lite1, stranger, mine)
        assert sliced_wasserstein(sibling, mine) < sliced_wasserstein(stranger, mine)
        assert sliced_wasserstein(sibling, mine, True) < sliced_wasserstein(stranger, mine, True)


def test_gram_distance_by_its_formula(lite0):
    a, b = (gram(lite0.activations(picture, "blocks.1.1")) for picture in (FLOWER, SWIRLS))
    expected = float((a - b).norm() / b.norm())
    assert gram_distance(lite0, FLOWER, SWIRLS, ["blocks.1.1"]) == pytest.approx(expected, rel=1e-4)


def test_sliced_wasserstein_costs_what_a_shift_costs():
    dark = SWIRLS * 0.5
    light = dark + 51 / 255
    assert sliced_wasserstein(light, dark, directions=256) == pytest.approx(0.2, abs=0.03)
    assert sliced_wasserstein(light, dark, strokes_only=True) < 0.002


def test_sliced_wasserstein_ranks_as_scipy_does():
    """Along each direction of patches of one pixel, in scipy's own Wasserstein distance (of the first power)."""
    axes = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).T
    axes = axes / axes.norm(dim=0)
    squares = []
    for scale in (1, 2, 4):
        a, b = (functional.avg_pool2d(p[None], scale)[0].flatten(1).T @ axes for p in (FLOWER, SWIRLS))
        squares.append([wasserstein_distance(a[:, k].numpy(), b[:, k].numpy()) ** 2 for k in range(64)])
    first_power = float(np.mean([np.sqrt(np.mean(values)) for values in squares]))
    ours = sliced_wasserstein(FLOWER, SWIRLS, patch=1)
    assert first_power <= ours + 1e-3 and ours < 1.5 * first_power  # the second power is never below the first


def test_pictures_of_different_sizes_compare_in_style_only(lite0):
    small = paint("swirls", 1, 64)
    assert sliced_wasserstein(small, SWIRLS) > 0 and gram_distance(lite0, small, SWIRLS) > 0
    for measure in (luminance_correlation, edge_correlation, lambda a, b: content_distance(lite0, a, b)):
        with pytest.raises(ValueError, match="one size"):
            measure(small, SWIRLS)


def test_a_blend_moves_each_measure_step_by_step(lite0):
    blends = [(1 - share) * FLOWER + share * SWIRLS for share in (0, 0.3, 0.6, 0.9)]
    for falling in (
        [gram_distance(lite0, blend, SWIRLS) for blend in blends],
        [sliced_wasserstein(blend, SWIRLS) for blend in blends],
        [luminance_correlation(blend, FLOWER) for blend in blends],
        [-content_distance(lite0, blend, FLOWER) for blend in blends],
    ):
        assert falling == sorted(falling, reverse=True), falling


RECOLOURED = {
    "dimmed": 0.5 * FLOWER + 0.2,
    "negative": 1 - FLOWER,
    "a curve for each channel": FLOWER**2.2,
    "channels swapped": FLOWER[[2, 0, 1]],
    "mixed": 0.6 * FLOWER + 0.4 * SWIRLS,
    "the style itself": SWIRLS,
    "grey": FLOWER.mean(dim=0, keepdim=True).expand(3, -1, -1),
}


@pytest.mark.parametrize("change", RECOLOURED)
def test_changes_of_colour_and_mixes_are_explained_by_pixels(change):
    assert explained_by_pixels(RECOLOURED[change], FLOWER, SWIRLS) > 0.99


def test_what_other_pixels_show_is_not_explained_by_pixels():
    noise = torch.rand(FLOWER.shape, generator=torch.Generator().manual_seed(0))
    for image in (noise, SWIRLS.flip(2), SWIRLS.roll(40, dims=1)):
        assert explained_by_pixels(image, FLOWER, SWIRLS) < 0.2
    half = explained_by_pixels(0.5 * FLOWER + 0.5 * SWIRLS.roll(40, dims=1), FLOWER, SWIRLS)
    assert 0.3 < half < 0.95


def test_explained_by_pixels_as_numpy_fits_it():
    """The share of variance of a least-squares fit, by numpy's own solver."""
    image = 0.5 * FLOWER + 0.5 * SWIRLS.flip(2)
    wanted, colours, others = (to_8bit(p).flatten(1).double().numpy() for p in (image, FLOWER, SWIRLS))
    r, g, b = colours
    terms = [np.ones_like(r), r, g, b, r * r, g * g, b * b, r * g, r * b, g * b, r**3, g**3, b**3, *others]
    _, missed, _, _ = np.linalg.lstsq(np.stack(terms, axis=1), wanted.T, rcond=None)
    variance = wanted.var(axis=1).sum() * wanted.shape[1]
    assert explained_by_pixels(image, FLOWER, SWIRLS) == pytest.approx(1 - missed.sum() / variance, abs=1e-6)


def test_explained_by_pixels_of_flat_and_grey_pictures():
    flat, grey = torch.full_like(FLOWER, 0.5), FLOWER.mean(dim=0, keepdim=True).expand(3, -1, -1)
    assert explained_by_pixels(flat, FLOWER, SWIRLS) == 1
    assert explained_by_pixels(grey, grey, grey) == pytest.approx(1)  # every term depends on the others
    assert explained_by_pixels(SWIRLS, flat, flat) == pytest.approx(0, abs=1e-4)
    with pytest.raises(ValueError, match="one size"):
        explained_by_pixels(FLOWER, FLOWER, paint("swirls", 1, 64))


def test_a_flat_picture_correlates_with_nothing():
    assert luminance_correlation(torch.full_like(FLOWER, 0.5), FLOWER) == 0


def test_what_a_viewer_cannot_see_does_not_count(lite0):
    almost = (SWIRLS + 0.3 / 255).clamp(0, 1)
    assert gram_distance(lite0, almost, SWIRLS) == sliced_wasserstein(almost, SWIRLS) == 0


@pytest.mark.parametrize("image", [torch.zeros(3, 31, 40), torch.zeros(1, 64, 64), torch.zeros(1, 3, 64, 64)])
def test_other_shapes_are_refused(image, lite0):
    for measure in (sliced_wasserstein, luminance_correlation, lambda a, b: gram_distance(lite0, a, b)):
        with pytest.raises(ValueError, match="at least 32 px"):
            measure(image, image)
