"""Activations are the network's own, montages show every channel, receptive fields hold where gradients say."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torchvision.models import alexnet

from netlens_core.daisies import draw_daisy
from netlens_core.methods.activations import (
    find_layer,
    marked,
    montage,
    receptive_field,
    stretched,
    strongest_channel,
)
from netlens_core.networks import Network


@pytest.fixture(scope="module")
def alex() -> Network:
    torch.manual_seed(0)
    categories = tuple(map(str, range(1000)))
    return Network("alexnet", alexnet(weights=None), categories, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


# -- layers in words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["the third convolution", "third convolution", "convolution 3", "conv 3", "conv3", "3rd convolutional layer"],
)
def test_the_third_convolution(lite0, words):
    assert find_layer(lite0, words) == "blocks.0.0.conv_pw"


def test_other_layers_in_words(squeezenet, lite0, alex):
    assert find_layer(squeezenet, "the third convolution") == "features.3.expand1x1"
    assert find_layer(squeezenet, "last convolution") == "classifier.1"
    assert find_layer(squeezenet, "2nd ReLU") == "features.3.squeeze_activation"
    assert find_layer(squeezenet, "pooling 2") == "features.5"
    assert find_layer(squeezenet, "features.4.squeeze") == "features.4.squeeze"
    assert find_layer(lite0, "first normalization") == "bn1"
    assert find_layer(alex, "last fully connected layer") == "classifier.6"
    assert find_layer(alex, "fifth convolution") == "features.10"


@pytest.mark.parametrize("wrong", ["", "konvolution 3", "the 99th convolution", "convolution 0", "blocks.0.0.conv_pwx"])
def test_a_layer_that_is_not_there_is_told(lite0, wrong):
    with pytest.raises(ValueError, match="efficientnet_lite0 has"):
        find_layer(lite0, wrong)


# -- the lecture's example -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lite0", "squeezenet"])
@pytest.mark.parametrize("seed", [3, 7])
def test_a_channel_of_the_first_layer_shows_a_yellow_flower_white(name, seed, request):
    network = request.getfixturevalue(name)
    daisy = draw_daisy(seed, 224, "yellow")
    tiles = stretched(network.activations(daisy.image, find_layer(network, "first convolution")))
    mask = nn.functional.interpolate(daisy.flower[None, None].float(), tiles.shape[1:], mode="area")[0, 0]
    inside, outside = mask > 0.99, mask < 0.01
    contrast = torch.stack([tile[inside].median() - tile[outside].median() for tile in tiles])
    best = tiles[contrast.argmax()]
    assert best[inside].median() > 0.7 and best[outside].median() < 0.35
    # The same measure of a flower that is not there, mirrored away from its place, finds next to nothing.
    away = mask.roll(tiles.shape[1] // 2, 0).roll(tiles.shape[2] // 2, 1) > 0.99
    assert best[away & ~inside].median() < 0.5


# -- any size --------------------------------------------------------------------------------------------


def test_larger_images_are_taken_as_they_are(lite0):
    image = draw_daisy(5, 512).image
    layer = find_layer(lite0, "third convolution")
    large = lite0.activations(image, layer)
    assert large.shape == (16, 256, 256)
    # Far from the edges a unit knows nothing of the rest: a crop gives the same answers.
    crop = lite0.activations(image[:, 128:384, 128:384], layer)
    torch.testing.assert_close(large[:, 68:180, 68:180], crop[:, 4:116, 4:116], atol=1e-4, rtol=1e-4)


# -- montages --------------------------------------------------------------------------------------------


def test_a_montage_holds_every_channel_stretched_with_gaps():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(7, 5, 4, generator=generator) * torch.arange(1, 8)[:, None, None]
    picture = montage(values, gap=2)
    assert picture.shape == (2 + 3 * 7, 2 + 3 * 6)  # three rows of three, each tile with a gap, and one around
    for channel in range(7):
        top, left = 2 + channel // 3 * 7, 2 + channel % 3 * 6
        tile = picture[top : top + 5, left : left + 4]
        low, high = values[channel].min(), values[channel].max()
        torch.testing.assert_close(tile, (values[channel] - low) / (high - low))
    assert picture[:2].eq(0).all() and picture[7:9].eq(0).all() and picture[:, :2].eq(0).all()
    assert picture[16:21, 8:].eq(0).all()  # places without a channel


@pytest.mark.parametrize("shape", [(64, 113, 113), (16, 112, 112), (32, 20, 80), (1, 3, 3), (1280, 7, 7)])
def test_a_montage_is_nearly_square(shape):
    height, width = montage(torch.rand(shape)).shape
    assert shape[0] == 1 or 0.55 < height / width < 1.8


def test_constant_channels_are_black_and_wrong_shapes_refused():
    assert not montage(torch.full((4, 3, 3), 7.0)).any()
    with pytest.raises(ValueError, match=r"\(C, H, W\)"):
        montage(torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match="column"):
        montage(torch.rand(3, 4, 4), columns=-1)


def test_the_strongest_channel_has_the_largest_value():
    values = torch.zeros(6, 4, 4)
    values[4, 2, 1], values[1] = 3, 1
    assert strongest_channel(values) == 4


def test_a_box_is_outlined_as_far_as_it_lies_within():
    image = torch.zeros(3, 20, 30)
    changed = (marked(image, (-5, 4, 10, 40), 2) != 0).any(dim=0)
    assert changed[8:10, 4:].all() and changed[:10, 4:6].all()
    assert not changed[10:].any() and not changed[:8, 6:].any() and not changed[:, :4].any()


# -- receptive fields, against gradients -----------------------------------------------------------------


class _Mean(nn.Module):
    """A pooling that lets gradients through to its whole window, with the geometry of a max pooling."""

    def __init__(self, pooling: nn.MaxPool2d) -> None:
        super().__init__()
        self.pooling = pooling

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.pooling.kernel_size, self.pooling.stride
        return nn.functional.avg_pool2d(x, kernel, stride, self.pooling.padding, self.pooling.ceil_mode)


def linear(network: Network) -> Network:
    """The network with positive weights and no cuts: a gradient is nonzero wherever there is a path."""
    module = copy.deepcopy(network.module).double()
    for parameter in module.parameters():
        parameter.data = parameter.data.abs() + 0.01
    for name, layer in list(module.named_modules()):
        parent, _, leaf = name.rpartition(".")
        if isinstance(layer, nn.MaxPool2d):
            setattr(module.get_submodule(parent), leaf, _Mean(layer))
        elif isinstance(layer, (nn.ReLU, nn.ReLU6)):
            setattr(module.get_submodule(parent), leaf, nn.Identity())
    return Network(network.name, module, network.categories, network.input_size, network.mean, network.std)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("lite0", ["conv_stem", "blocks.0.0.conv_pw", "blocks.2.1.conv_pwl", "blocks.3.1"]),
        ("lite1", ["blocks.1.2", "blocks.2.2.conv_dw"]),
        ("lite2", ["blocks.1.1.conv_pw", "blocks.2.1"]),
        ("squeezenet", ["features.2", "features.3.expand1x1", "features.6", "features.10"]),
        ("alex", ["features.0", "features.6", "features.12"]),
    ],
)
def test_receptive_fields_are_where_the_gradient_is(name, layers, request):
    network = request.getfixturevalue(name)
    free = linear(network)
    for layer in layers:
        field = receptive_field(network, layer, 320)
        image = torch.zeros(3, 320, 320, dtype=torch.float64, requires_grad=True)
        held = free.activations(image, layer)
        row, column = held.shape[1] // 2, held.shape[2] // 2 - 1
        (gradient,) = torch.autograd.grad(held[:, row, column].sum(), image)
        rows, columns = (gradient.abs().sum(dim=(0, axis)).nonzero().flatten() for axis in (2, 1))
        seen = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        assert tuple(map(int, seen)) == field.box(row, column), (layer, field)


def test_the_whole_image_and_layers_without_a_field(squeezenet):
    assert receptive_field(squeezenet, "classifier.3").whole
    assert receptive_field(squeezenet, "features.1", 8).size == (3, 3)  # too small for the layers after it
    with pytest.raises(ValueError, match="no receptive field"):
        receptive_field(squeezenet, "features.99")
