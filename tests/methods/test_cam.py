"""Maps of where networks look: equal to pytorch-grad-cam's, exact where they claim to be, refused where they cannot."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gallery.cam import composite
from netlens_core.daisies import draw_daisy
from netlens_core.images import resize
from netlens_core.measures.saliency import correlation, energy_inside
from netlens_core.methods.cam import (
    NoClassActivationMap,
    class_activation_map,
    feature_layer,
    grad_cam,
    occlusion,
    overlay,
)
from netlens_core.networks import Network

DAISY = draw_daisy(7)


@pytest.fixture(scope="module")
def alexnet() -> Network:
    """AlexNet's architecture with random weights, the same every time."""
    import torchvision

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torchvision.models.alexnet(num_classes=10)
    return Network("alexnet", module, ("daisy", *"bcdefghij"), 224, (0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize(
    ("name", "layer", "earlier"),
    [
        ("lite0", "bn2", "blocks.3.0"),
        ("squeezenet", "features.12", "features.7"),
        ("alexnet", "features.11", "features.7"),
    ],
)
def test_grad_cam_equals_pytorch_grad_cam(name, layer, earlier, request):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network = request.getfixturevalue(name)
    assert feature_layer(network) == layer

    for chosen in (layer, earlier):
        for category in ("daisy", 7):
            index = network.category_index(category)
            image = DAISY.image.clone().requires_grad_(True)
            with GradCAM(network.module, [network.module.get_submodule(chosen)]) as peer:
                theirs = peer(network.normalize(image[None]), [ClassifierOutputTarget(index)])[0]
            ours = grad_cam(network, DAISY.image, category, chosen)
            assert correlation(ours, torch.from_numpy(theirs)) > 0.99


@pytest.mark.parametrize("name", ["lite0", "lite1", "squeezenet"])
def test_the_class_activation_map_is_grad_cam_where_both_apply(name, request):
    network = request.getfixturevalue(name)
    for category in ("daisy", "flamingo"):
        first, second = (make(network, DAISY.image, category) for make in (class_activation_map, grad_cam))
        assert correlation(first, second) > 0.999


def test_the_class_activation_map_is_refused_where_the_head_is_more_than_linear(alexnet):
    with pytest.raises(NoClassActivationMap, match="alexnet does not end in a mean"):
        class_activation_map(alexnet, DAISY.image, "daisy")


@pytest.mark.parametrize("make", [class_activation_map, grad_cam, lambda *a: occlusion(*a, cells=4)])
def test_a_map_has_the_size_of_the_image_and_reaches_from_0_to_1(squeezenet, make):
    heat = make(squeezenet, draw_daisy(7, 160).image[:, :, :120], "daisy")
    assert heat.shape == (160, 120) and not heat.requires_grad
    assert float(heat.min()) == 0 and float(heat.max()) == 1


@pytest.mark.parametrize("name", ["lite0", "squeezenet"])
def test_maps_lie_on_the_flower(name, request):
    network = request.getfixturevalue(name)
    area = float(DAISY.flower.float().mean())
    assert energy_inside(grad_cam(network, DAISY.image, "daisy"), DAISY.flower) > area + 0.15


@pytest.mark.parametrize("name", ["lite0", "squeezenet"])
def test_a_map_tells_one_category_from_another(name, request):
    """A daisy on the left, a traffic light on the right: each map is for the greater part on its own side."""
    network, scene = request.getfixturevalue(name), composite()
    left = torch.zeros(scene.shape[1:], dtype=torch.bool)
    left[:, :224] = True
    daisy, light = (grad_cam(network, scene, category) for category in ("daisy", "traffic light"))
    assert energy_inside(daisy, left) > 0.8
    assert energy_inside(light, ~left) > 0.45  # a third of the picture
    assert correlation(daisy, light) < 0.6


def test_occlusion_finds_the_only_place_that_counts():
    class Corner(nn.Module):
        """Category 1 is how bright and red the lower left is."""

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images):
            score = images[:, 0, 48:, :16].mean(dim=(1, 2)) * self.scale
            return torch.stack([torch.zeros_like(score), score], dim=1)

    network = Network("corner", Corner(), ("nothing", "corner"), 64, (0.0,) * 3, (1.0,) * 3)
    heat = occlusion(network, torch.ones(3, 64, 64), "corner", cells=8)
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[48:, :16] = True
    assert inside.flatten()[heat.argmax()]
    assert energy_inside(heat, inside) > 0.6
    assert float(heat[:32].max()) == 0


def test_an_image_is_seen_at_the_networks_own_size(squeezenet):
    large = draw_daisy(7, 448).image
    small = resize(large, 224)
    assert correlation(resize(grad_cam(squeezenet, large, "daisy").expand(3, -1, -1), 224)[0],
                       grad_cam(squeezenet, small, "daisy")) > 0.99  # fmt: skip


def test_the_network_is_left_as_it_was(lite0):
    before = lite0(DAISY.image)
    for make in (class_activation_map, grad_cam):
        make(lite0, DAISY.image, "daisy")
    assert not any(module._forward_hooks for module in lite0.module.modules())
    assert torch.equal(before, lite0(DAISY.image)) and not lite0.module.training


@pytest.mark.parametrize("layer", ["features.99", "", "features"])
def test_layers_by_name(squeezenet, layer):
    if layer == "features.99":
        with pytest.raises(ValueError, match="no layer"):
            grad_cam(squeezenet, DAISY.image, "daisy", layer)
    else:  # nothing: the last feature maps, which `features` hands on
        heat = grad_cam(squeezenet, DAISY.image, "daisy", layer)
        assert correlation(heat, grad_cam(squeezenet, DAISY.image, "daisy", "features.12")) > 0.999


def test_a_layer_without_maps_and_an_unknown_category_are_refused(lite0):
    with pytest.raises(ValueError, match="gives no maps"):
        grad_cam(lite0, DAISY.image, "daisy", "classifier")
    with pytest.raises(ValueError, match="no category"):
        grad_cam(lite0, DAISY.image, "daisies")


def test_an_overlay_is_the_picture_where_there_is_no_strength_and_hot_where_the_map_is():
    grey = torch.full((3, 4, 4), 0.5)
    heat = torch.zeros(4, 4)
    heat[0, 0] = 1
    torch.testing.assert_close(overlay(grey, heat, strength=0), grey)
    shown = overlay(grey, heat)
    assert shown[0, 0, 0] > shown[2, 0, 0] and shown[2, 1, 1] > shown[0, 1, 1]  # red, and blue
