"""`activations`: other tools count, and coming nearer to the network's own never costs points."""

from __future__ import annotations

import copy
import math

import matplotlib
import pytest
import torch
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.utils import make_grid

from netlens_core.networks import load_network

TARGETS = ["efficientnet_lite0", "squeezenet1_1"]
THIRD = ("test_third_convolution", "test_other_sizes", "test_other_networks")


def third(network, image):
    return network.activations(image, network.layers(torch.nn.Conv2d)[2])


def stretched(activations):
    low, high = activations.amin((1, 2), keepdim=True), activations.amax((1, 2), keepdim=True)
    return (activations - low) / (high - low).clamp_min(1e-12)


def by_make_grid(activations):
    columns = math.ceil(math.sqrt(len(activations)))
    return make_grid(stretched(activations)[:, None], nrow=columns, padding=5, pad_value=0.7)


def in_colors(name):
    def picture(activations):
        grey = by_make_grid(activations)[0].numpy()
        return torch.from_numpy(matplotlib.colormaps[name](grey)[..., :3]).permute(2, 0, 1).float()

    return picture


def without_gaps_down_columns(activations):
    """Tiles of the other order, touching, dark where they answer."""
    tiles = 1 - stretched(activations)
    rows = math.ceil(math.sqrt(len(tiles)))
    tiles = torch.cat([tiles, tiles.new_zeros(-len(tiles) % rows, *tiles.shape[1:])])
    return tiles.unflatten(0, (-1, rows)).permute(1, 2, 0, 3).flatten(2).flatten(0, 1)


def by_feature_extractor(network, image):
    name = network.layers(torch.nn.Conv2d)[2]
    # Of a copy: where it cannot trace a network, it leaves it in training mode.
    extractor = create_feature_extractor(copy.deepcopy(network.module), [name]).eval()
    with torch.no_grad():
        return extractor(network.normalize(image[None]))[name][0]


def by_a_hook_that_stops(network, image):
    class Stop(Exception):
        pass

    found = []

    def hook(layer, inputs, output):
        found.append(output)
        if len(found) == 3:
            raise Stop

    convolutions = [layer for layer in network.module.modules() if isinstance(layer, torch.nn.Conv2d)]
    hooks = [layer.register_forward_hook(hook) for layer in convolutions]
    try:
        network.module(network.normalize(image[None]))
    except Stop:
        return found[2][0].half().float()  # half precision is near enough
    finally:
        for handle in hooks:
            handle.remove()


@pytest.fixture
def target(request, squeezenet):
    return request.param


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_the_reference_earns_everything(trying, target, number):
    exercise = trying("activations", target, number)
    assert exercise.lost(exercise.mark(exercise.reference())) == {}


@pytest.mark.parametrize(
    ("target", "activations", "montage"),
    [
        ("squeezenet1_1", by_feature_extractor, by_make_grid),
        ("efficientnet_lite0", by_a_hook_that_stops, without_gaps_down_columns),
        ("efficientnet_lite0", third, in_colors("viridis")),
        ("squeezenet1_1", third, in_colors("jet")),
    ],
    indirect=["target"],
)
def test_other_tools_earn_everything(trying, target, activations, montage):
    exercise = trying("activations", target)
    assert exercise.lost(exercise.mark({"third_layer_activations": activations, "montage": montage})) == {}


def test_a_hook_without_a_clone_is_caught_where_a_relu_works_in_place(trying):
    def careless(network, image):
        found = []
        layer = network.module.get_submodule(network.layers(torch.nn.Conv2d)[2])
        hook = layer.register_forward_hook(lambda layer, inputs, output: found.append(output))
        network.module(network.normalize(image[None]))
        hook.remove()
        return found[0][0]

    exercise = trying("activations")
    checks = exercise.mark({"third_layer_activations": careless, "montage": by_make_grid})
    assert set(exercise.lost(checks)) == {"test_other_networks"}
    assert checks["test_other_networks"].points == 0


def test_training_mode_is_caught(trying):
    def training(network, image):
        state = {name: value.clone() for name, value in network.module.state_dict().items()}
        network.module.train()
        try:
            return third(network, image)
        finally:
            network.module.eval()
            network.module.load_state_dict(state)

    exercise = trying("activations")
    checks = exercise.mark({"third_layer_activations": training, "montage": by_make_grid})
    assert set(exercise.lost(checks)) == set(THIRD)
    assert sum(checks[name].points for name in THIRD) == 0


def test_two_faint_channels_in_each_others_place_are_seen(trying):
    def swapped(network, image):
        own = third(network, image)
        order = own.flatten(1).norm(dim=1).argsort()
        changed = own.clone()
        changed[order[0]], changed[order[1]] = own[order[1]], own[order[0]]
        return changed

    exercise = trying("activations")
    lost = exercise.lost(exercise.mark({"third_layer_activations": swapped, "montage": by_make_grid}))
    assert set(lost) == set(THIRD)


@pytest.mark.parametrize("wrong", [torch.Tensor.relu, lambda own: own.flip(0)])
def test_nearer_activations_never_earn_less(trying, wrong):
    def nearer(share):
        def activations(network, image):
            own = third(network, image)
            return (1 - share) * wrong(own) + share * own

        return {"third_layer_activations": activations, "montage": by_make_grid}

    exercise = trying("activations")
    points = exercise.points_along(nearer(share) for share in (0, 0.7, 0.9, 0.97, 1))
    assert points == sorted(points) and points[0] < points[-1] == exercise.exercise.max_points, points


def test_better_montages_never_earn_less(trying):
    def of_some(share):
        """A montage in which only a share of the channels is shown."""

        def picture(activations):
            tiles = stretched(activations)
            tiles[math.ceil(share * len(tiles)) :] = 0
            return make_grid(tiles[:, None], nrow=math.ceil(math.sqrt(len(tiles))))

        return {"third_layer_activations": third, "montage": picture}

    def of_contrast(share):
        def picture(activations):
            return share * by_make_grid(activations)

        return {"third_layer_activations": third, "montage": picture}

    exercise = trying("activations")
    for make in (of_some, of_contrast):
        points = exercise.points_along(make(share) for share in (0, 0.5, 0.9, 1))
        assert points == sorted(points) and points[0] < points[-1] == exercise.exercise.max_points, points


def test_montages_that_hide_something_lose(trying):
    def repeated(activations):
        return by_make_grid(activations[torch.arange(len(activations)) % (len(activations) // 2)])

    def huge(activations):
        return torch.nn.functional.pad(by_make_grid(activations)[0], (0, 2000, 0, 2000))

    def noise(activations):
        return torch.rand(by_make_grid(activations).shape[1:])

    def upside_down(activations):
        return by_make_grid(activations.flip(1))

    exercise = trying("activations")
    for picture in (repeated, huge, noise, upside_down):
        checks = exercise.mark({"third_layer_activations": third, "montage": picture})
        assert set(exercise.lost(checks)) == {"test_montage_shows_every_channel", "test_montage_shows_faint_channels"}
        assert checks["test_montage_shows_every_channel"].points == 0, picture.__name__


def test_hidden_networks_are_other_architectures(trying):
    exercise = trying("activations")
    names = {load_network(name, "cpu").layers(torch.nn.Conv2d)[2] for name in exercise.exercise.sheet.networks.values()}
    assert len(names) == len(exercise.exercise.sheet.networks), "one name learnt by heart would serve several of them"
