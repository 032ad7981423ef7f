"""`cam`: maps of other packages and by other ways count, and a better map never earns less."""

from __future__ import annotations

import pytest
import torch

from netlens_core.grading.clocks import draw_clock
from netlens_core.grading.sandbox.inside.student import _argument
from netlens_core.images import to_8bit
from netlens_core.methods.cam import feature_layer, occlusion
from netlens_core.networks import load_network

TARGETS = ["efficientnet_lite0", "squeezenet1_1"]


def by_pytorch_grad_cam(method):
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def class_activation_map(network, image, category):
        layer = network.module.get_submodule(feature_layer(network))
        pixels = network.normalize(image[None]).requires_grad_(True)  # or nothing would carry a gradient
        with getattr(pytorch_grad_cam, method)(network.module, [layer]) as cam:
            return torch.from_numpy(cam(pixels, [ClassifierOutputTarget(network.category_index(category))])[0])

    return class_activation_map


def by_occlusion(network, image, category):
    return occlusion(network, image, category, cells=7)


@pytest.fixture
def target(request, squeezenet):
    return request.param


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_the_reference_earns_everything(trying, target, number):
    exercise = trying("cam", target, number)
    assert exercise.lost(exercise.mark(exercise.reference())) == {}


@pytest.mark.parametrize(
    ("target", "make"),
    [
        ("efficientnet_lite0", by_pytorch_grad_cam("GradCAM")),
        ("squeezenet1_1", by_pytorch_grad_cam("GradCAM")),
        ("efficientnet_lite0", by_pytorch_grad_cam("LayerCAM")),
        ("squeezenet1_1", by_pytorch_grad_cam("GradCAMPlusPlus")),
        ("squeezenet1_1", by_occlusion),
    ],
    indirect=["target"],
)
def test_other_maps_earn_everything(trying, target, make):
    exercise = trying("cam", target)
    assert exercise.lost(exercise.mark({"class_activation_map": make})) == {}


def test_a_network_of_ones_own_is_caught(trying):
    """Right maps, but not of the network that was asked about."""
    exercise = trying("cam")
    reference, own = exercise.reference()["class_activation_map"], load_network("efficientnet_lite0", "cpu")
    checks = exercise.mark({"class_activation_map": lambda network, *asked: reference(own, *asked)})
    assert set(exercise.lost(checks)) == {"test_map_comes_from_what_was_learnt"}
    assert checks["test_map_comes_from_what_was_learnt"].points == 0


def test_a_submission_cannot_tell_by_its_name_that_a_networks_answers_have_changed_places():
    name = "exchanged:daisy:analog clock:efficientnet_lite0"
    assert _argument({"$network": name}).name == "efficientnet_lite0"
    assert _argument({"$network": name}).fingerprint == load_network(name, "cpu").fingerprint


@pytest.fixture
def exercise(trying, squeezenet):
    """On the faster of the two networks."""
    return trying("cam", "squeezenet1_1")


@pytest.fixture
def remembered(exercise):
    """The reference's maps, each made once."""
    reference, made = exercise.reference()["class_activation_map"], {}

    def class_activation_map(network, image, category):
        key = network.fingerprint, float(image.double().sum()), tuple(image.shape), float(image[0, 0, 0]), category
        if key not in made:
            made[key] = reference(network, image, category)
        return made[key]

    return class_activation_map


def spot(_network, image, _category):
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in image.shape[1:]), indexing="ij")
    return torch.exp(-(x**2 + y**2) / 0.3)


def edges(_network, image, _category):
    grey = torch.nn.functional.pad(image.mean(dim=0), (0, 1, 0, 1))
    return (grey.diff(dim=0)[:, :-1].abs() + grey.diff(dim=1)[:-1].abs())[: image.shape[1], : image.shape[2]]


@pytest.mark.parametrize("wrong", [spot, edges])
def test_nearer_maps_never_earn_less(exercise, remembered, wrong):
    """Each map on the way is scaled to [0, 1], as every map has to be."""

    def scaled(heat):
        return (heat - heat.min()) / (heat.max() - heat.min()).clamp_min(1e-9)

    def nearer(share):
        def class_activation_map(*asked):
            return scaled((1 - share) * scaled(wrong(*asked)) + share * remembered(*asked))

        return {"class_activation_map": class_activation_map}

    points = exercise.points_along(nearer(share) for share in (0, 0.3, 0.6, 1))
    assert points == sorted(points) and points[0] < points[-1] == exercise.exercise.max_points, points


def test_brighter_maps_never_earn_less(exercise, remembered):
    brighter = [
        {"class_activation_map": lambda *asked, share=share: share * remembered(*asked)} for share in (0.004, 0.7, 1)
    ]
    points = exercise.points_along(brighter)
    assert points == sorted(points) and 0 == points[0] < points[1] < points[2] == exercise.exercise.max_points, points


def test_a_seed_is_a_clock():
    first, again, other = draw_clock(3, 96), draw_clock(3, 96), draw_clock(4, 96)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (3, 96, 96) and torch.equal(first, to_8bit(first))


@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_networks_see_a_clock(target):
    network = load_network(target, "cpu")
    for seed, size in ((0, 224), (1, 192), (2, 160)):
        (category, _), *_ = network.classify(draw_clock(seed, size), k=1)
        assert "clock" in category, (seed, size, category)
