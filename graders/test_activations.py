"""Marks for `activations`: what the third convolution answers to an image, and a picture of it."""

from __future__ import annotations

import pytest

from netlens_core.grading.marking import check
from netlens_core.measures.activations import convolution, relative_error, share_of_right_channels
from netlens_core.measures.montage import evened, faded, find_tiles, share_of_channels_seen

# Equal computations differ by 1e-6, half precision by 0.0002. The nearest wrong ones, over nine flowers: those of a
# network in training mode are off by 0.26 and more, those of an image moved by a pixel by 0.23, after the ReLU by 0.63.
ERROR = {"at_most": 0.01, "partial_from": 0.3}
# A channel counts as right where it is off by at most a hundredth of its own size: by half precision all of them do.
# Two channels in each other's place cost 2 of 16.
CHANNELS = {"at_least": 1, "partial_from": 0.5}
# True tiles are all found: they explain 0.999 of their picture in grey, 0.991 in the worst of usual colour maps, and
# 0.97 counts. One channel again and again finds 1 of 16, a grid scrambled by its order of axes none.
SEEN = {"at_least": 1, "partial_from": 0.5}
# As many columns as rows of square tiles gives at most 1.34; two rows of eight 4.
SQUARE = {"at_most": 2, "partial_from": 4}
# One pixel of gap: 1.04; a gap as wide as the tiles: 3.6. More would be a picture of the gaps.
SPREAD = 4
# Stretched by itself, every tile reaches 1.0 in grey and 0.9 in viridis; with one scale for all, the faintest is at 0.
CONTRAST = {"at_least": 0.6, "partial_from": 0.1}


@pytest.fixture(scope="session")
def flower(inputs):
    """The student's own."""
    return inputs["flower"]


@pytest.fixture
def same_activations(submission, expect):
    """`same_activations(network, image, of)`: measures how far the student's are the network's own."""

    def measure(network, image, of):
        own = network.activations(image, convolution(network, 3))
        claimed = submission.third_layer_activations(network, image)
        expect("channels x height x width", _shape(claimed), of=of, equal_to=_shape(own))
        if claimed.shape == own.shape:
            expect("error, as a share of the activations", relative_error(claimed, own), of=of, **ERROR)
            expect("share of the channels that are right", share_of_right_channels(claimed, own), of=of, **CHANNELS)

    return measure


@check(points=2)
def test_third_convolution(same_activations, network, flower):
    """The activations of the third convolution, for your flower."""
    same_activations(network, flower, of="your flower")


@check(points=2)
def test_other_sizes(same_activations, network, inputs):
    """The same for images of any size: as they are, not resized."""
    same_activations(network, inputs["hidden_small"], of="smaller flower")
    same_activations(network, inputs["hidden_large"], of="larger flower")
    same_activations(network, inputs["hidden_large"][:, :, 100:260], of="image that is higher than wide")


@check(points=2)
def test_other_networks(same_activations, networks, inputs):
    """The same for networks that you have not seen."""
    image = inputs["hidden_large"][:, 50:274, 50:274]
    same_activations(networks["in_place"], image, of="network in which ReLUs work in place")
    same_activations(networks[inputs["hidden_network"]], image, of="another network")


@pytest.fixture
def montage_of(submission, flower, expect, figure):
    """`montage_of(network, of)`: measures what the student's montage shows of a network's activations."""

    def measure(network, of):
        activations = evened(network.activations(flower, convolution(network, 3)))
        picture = submission.montage(activations)
        figure("your montage", picture)
        spread = picture[0].numel() / activations.numel()
        expect("pixels of the picture for each activation", spread, of=of, at_most=SPREAD)
        expect("longer side by shorter side", max(picture.shape[1:]) / min(picture.shape[1:]), of=of, **SQUARE)
        if spread <= SPREAD:
            seen = share_of_channels_seen(find_tiles(picture, activations), activations)
            expect("share of the channels that are seen", seen, of=of, **SEEN)

    return measure


@check(points=2)
def test_montage_shows_every_channel(montage_of, network, networks, flower, figure):
    """Your montage shows every channel once, as a tile of its own, in a picture that is about square."""
    figure("flower.png", flower)
    montage_of(network, of="activations of the network")
    montage_of(networks["in_place"], of="other activations")


@check(points=2, after=test_montage_shows_every_channel)
def test_montage_shows_faint_channels(submission, networks, inputs, expect, figure):
    """Faint channels show as well as strong ones in your montage, and one that is the same everywhere does no harm."""
    known = networks[inputs["hidden_network"]]
    # A number of channels that fills no square.
    activations = faded(known.activations(inputs["hidden_small"], convolution(known, 3))[:13])
    picture = submission.montage(activations)
    figure("your montage of ever fainter channels", picture)
    spread = picture[0].numel() / activations.numel()
    expect("pixels of the picture for each activation", spread, at_most=SPREAD)
    if spread <= SPREAD:
        tiles = find_tiles(picture, activations)
        expect("least contrast of a channel", min((tile.contrast for tile in tiles), default=0), **CONTRAST)
        expect("share of the channels that are seen", share_of_channels_seen(tiles, activations), **SEEN)


def _shape(activations):
    return " x ".join(map(str, activations.shape))
