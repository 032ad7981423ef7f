"""Marks for `cam`: a map that shows what in the picture speaks for a category, to this network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from netlens_core.grading.marking import check
from netlens_core.measures.saliency import (
    correlation,
    deletion_curve,
    early_evidence,
    energy_inside,
    insertion_curve,
)

# One flower's mask is no criterion: an edge map has as much of itself on the flower as Grad-CAM. So there are always
# two things in the picture, and each category's map belongs on its own half.
# Maps reach 0 and 1; a map that is 255 times too small stays below 0.004, a constant one has no lowest place.
HIGHEST = {"at_least": 0.98, "partial_from": 0.5}
LOWEST = {"at_most": 0.2, "partial_from": 0.9}
# The worst of Grad-CAM's shares are 0.83 (EfficientNet-Lite0) and 0.74 (SqueezeNet), occlusion's 0.74, of LayerCAM and
# Grad-CAM++ 0.62; a map that does not ask for the category has 0.5 or less on one of the two sides.
OWN_SIDE = {"at_least": 0.58, "partial_from": 0.5}
# Grad-CAM's two maps correlate by at most -0.2, those of LayerCAM and Grad-CAM++ by at most 0.4; equal maps by 1.
APART = {"at_most": 0.6, "partial_from": 0.95}
# Mean over a picture's two maps. Grad-CAM at most 0.1, LayerCAM and Grad-CAM++ 0.52; maps that ask no network 1.
FORGOTTEN = {"at_most": 0.7, "partial_from": 0.95}
# Whoever asks the network gets the other category's map, 1; colours by a category's name give -0.5 and less.
FOLLOWED = {"at_least": 0.5, "partial_from": 0.0}


@dataclass(frozen=True)
class Scene:
    """A picture of two things, and which half belongs to which category."""

    image: Tensor
    halves: Mapping[str, Tensor]

    @classmethod
    def of(cls, first: Tensor, second: Tensor, categories: tuple[str, str], across: bool = True) -> Scene:
        """Two pictures of one size, side by side or one above the other."""
        image = torch.cat([first, second], dim=2 if across else 1)
        half = torch.zeros(image.shape[1:], dtype=torch.bool)
        half[: first.shape[1], : first.shape[2]] = True
        return cls(image, dict(zip(categories, (half, ~half), strict=True)))


def maps_of(submission, network, scene):
    """The student's maps of a scene: category -> (H, W)."""
    return {name: submission.class_activation_map(network, scene.image, name) for name in scene.halves}


@pytest.fixture(scope="session")
def own(inputs):
    """The student's own flower, and the clock beside it."""
    return Scene.of(inputs["flower"], inputs["clock"], ("daisy", "analog clock"))


@pytest.fixture(scope="session")
def own_maps(submission, network, own):
    return maps_of(submission, network, own)


@pytest.fixture(scope="session")
def swapped(inputs):
    """The flower on the right, and a clock that is asked for by another name."""
    return Scene.of(inputs["hidden_clock"], inputs["hidden_white"], ("wall clock", "daisy"))


@pytest.fixture(scope="session")
def swapped_maps(submission, network, swapped):
    return maps_of(submission, network, swapped)


@pytest.fixture
def of_its_size(expect):
    """`of_its_size(heat, scene, of)`: measures it, and tells whether map and picture can be compared."""

    def measured(heat, scene, of):
        expect("height x width", _size(heat), of=of, equal_to=_size(scene.image))
        return heat.shape == scene.image.shape[1:]

    return measured


@pytest.fixture
def on_their_sides(of_its_size, expect):
    """`on_their_sides(scene, maps, of)`: each map on its own half, `of` naming the two of them, and the two unlike."""

    def measure(scene, maps, of):
        sized = [of_its_size(heat, scene, name) for heat, name in zip(maps.values(), of, strict=True)]
        if all(sized):
            for (category, heat), name in zip(maps.items(), of, strict=True):
                expect(
                    "share of the map on its own half", energy_inside(heat, scene.halves[category]), of=name, **OWN_SIDE
                )
            expect("correlation of the two maps", correlation(*maps.values()), of=of[0], **APART)

    return measure


@check(points=2)
def test_map_fits_the_picture(own, own_maps, of_its_size, expect, figure):
    """Your maps have the picture's size and reach from 0 to 1."""
    figure("flower and clock", own.image)
    for heat, of in zip(own_maps.values(), ("map of daisy", "map of analog clock"), strict=True):
        of_its_size(heat, own, of)
        expect("highest value", float(heat.max()), of=of, **HIGHEST)
        expect("lowest value", float(heat.min()), of=of, **LOWEST)


@check(points=2, after=test_map_fits_the_picture)
def test_each_thing_on_its_own_side(own, own_maps, on_their_sides, figure):
    """What speaks for the daisy is on the flower's half, what speaks for the clock on the other."""
    on_their_sides(own, own_maps, of=("map of daisy", "map of analog clock"))
    for heat in own_maps.values():
        if heat.shape == own.image.shape[1:]:
            figure("the picture, as bright as your map", own.image * (0.15 + 0.85 * heat))


@check(points=2, after=test_map_fits_the_picture)
def test_hidden_pictures(submission, network, inputs, swapped, swapped_maps, on_their_sides):
    """The same in pictures that you have not seen: other flowers and clocks, in other places, of other sizes."""
    on_their_sides(swapped, swapped_maps, of=("clock on the left", "daisy on the right"))
    pair, categories = (inputs["hidden_yellow"], inputs["hidden_small_clock"]), ("daisy", "analog clock")
    tall = Scene.of(*pair, categories, across=False)
    on_their_sides(tall, maps_of(submission, network, tall), of=("daisy above", "clock below"))
    turned = Scene.of(*pair[::-1], categories[::-1], across=False)
    on_their_sides(turned, maps_of(submission, network, turned), of=("clock above", "daisy below"))


@check(points=2, after=test_map_fits_the_picture)
def test_network_needs_what_the_map_shows(network, own, own_maps, of_its_size, thresholds, expect):
    """What your map of a category shows first convinces the network of it, more than what the other map shows."""
    names = ("map of daisy", "map of analog clock")
    sized = [of_its_size(heat, own, name) for heat, name in zip(own_maps.values(), names, strict=True)]
    if not all(sized):
        return
    for (category, heat), of in zip(own_maps.items(), names, strict=True):
        (other,) = (o for c, o in own_maps.items() if c != category)
        shown, elsewhere = (early_evidence(network, own.image, h, category) for h in (heat, other))
        expect("logit gained over the other map's pixels", shown - elsewhere, of=of, **thresholds["evidence"])
        # For information: a spot in the middle, which knows nothing, is hard to beat in these.
        for curve, name in ((insertion_curve, "area under insertion"), (deletion_curve, "area under deletion")):
            expect.note(name, curve(network, own.image, heat, category, 9).area, of=of)
        expect.note("area under insertion, random order", _chance(network, own, category), of=of)
        spot = insertion_curve(network, own.image, _spot(heat.shape), category, 9).area
        expect.note("area under insertion, a spot in the middle", spot, of=of)


@check(points=2, after=test_map_fits_the_picture)
def test_map_comes_from_what_was_learnt(submission, networks, own, own_maps, swapped, swapped_maps, expect, figure):
    """Your maps follow what was learnt: random weights give others, and where two answers change places, so do they."""
    trained = ((own, own_maps, "your flower"), (swapped, swapped_maps, "hidden flower"))
    for scene, maps, of in trained:
        forgotten = maps_of(submission, networks["untrained"], scene)
        alike = [_alike(heat, maps[category]) for category, heat in forgotten.items()]
        expect("correlation with the untrained network's maps", sum(alike) / len(alike), of=of, **FORGOTTEN)
        for heat in forgotten.values():
            figure("map of a network that has learnt nothing", heat)
    exchanged = list(maps_of(submission, networks["exchanged"], own).values())
    for heat, other, of in zip(
        exchanged, list(own_maps.values())[::-1], ("map of daisy", "map of analog clock"), strict=True
    ):
        alike = correlation(heat, other) if heat.shape == other.shape else 0.0
        expect("correlation with the other map, once the answers have changed places", alike, of=of, **FOLLOWED)


def _alike(heat, trained):
    """Correlation; maps of different sizes were not made with care and count as equal."""
    return correlation(heat, trained) if heat.shape == trained.shape else 1.0


def _size(pixels):
    return f"{pixels.shape[-2]} x {pixels.shape[-1]}"


def _spot(size):
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in size), indexing="ij")
    return torch.exp(-(x**2 + y**2) / 0.3)


def _chance(network, scene, category):
    order = torch.rand(scene.image.shape[1:], generator=torch.Generator().manual_seed(0))
    return insertion_curve(network, scene.image, order, category, 9).area
