"""`style`: another recipe counts, and coming nearer to a solution never costs points."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from netlens_core.networks import load_network

TARGETS = ["efficientnet_lite0", "squeezenet1_1"]
# Where a reader of each network's definition might look: finished maps, not those that our own recipe picks.
LAYERS = {
    "efficientnet_lite0": ["bn1", "blocks.1.0", "blocks.1.1", "blocks.2.0", "blocks.2.1"],
    "squeezenet1_1": ["features.1", "features.3", "features.4", "features.6", "features.7"],
}


def gram(maps):
    flat = maps.flatten(1)
    return flat @ flat.T / flat.numel()


def by_the_tutorial(network, content, style):
    """PyTorch's tutorial: squared errors as they are, from the content itself, by torch's L-BFGS at one size.

    Its weights are those of VGG; the ratio of both losses at the start is kept instead.
    """
    layers = LAYERS[network.name]
    network = network.folded()
    wanted = {name: gram(maps) for name, maps in network.activations(style, layers).items()}
    scene = network.activations(content, layers[-1])
    image = content.clone().requires_grad_(True)
    weights = {
        name: 40 / functional.mse_loss(gram(network.activations(content, name)), wanted[name]) for name in layers
    }
    lbfgs = torch.optim.LBFGS([image], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        maps = network.activations(image, layers)
        style_loss = sum(weights[name] * functional.mse_loss(gram(maps[name]), wanted[name]) for name in layers)
        loss = style_loss + functional.mse_loss(maps[layers[-1]], scene) / scene.var() + 100 * outside(image)
        (gradient,) = torch.autograd.grad(loss, image)
        image.grad = gradient.contiguous()
        return loss.detach()

    lbfgs.step(closure)
    return image.detach().clamp(0, 1)


def outside(image):
    return (image - image.clamp(0, 1)).square().mean()


@pytest.fixture
def target(request, squeezenet):
    return request.param


@pytest.mark.slow
def test_the_reference_earns_everything_on_squeezenet(trying, squeezenet):
    exercise = trying("style", "squeezenet1_1", 11)
    assert exercise.lost(exercise.mark(exercise.reference())) == {}


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_the_recipe_of_the_tutorial_earns_everything(trying, target):
    exercise = trying("style", target, 11)
    assert exercise.lost(exercise.mark({"stylize": by_the_tutorial})) == {}


@pytest.fixture(scope="module")
def painted(trying):
    """What the reference makes of an exercise's two pairs, painted once: content's size -> image."""
    exercise = trying("style")
    stylize, network = exercise.reference()["stylize"], load_network("efficientnet_lite0", "cpu")
    pairs = [("flower", "painting"), ("hidden_flower", "hidden_painting")]
    return {
        exercise.inputs[content].shape: stylize(network, exercise.inputs[content], exercise.inputs[style])
        for content, style in pairs
    }


def grainy(content, style):
    return torch.rand(content.shape, generator=torch.Generator().manual_seed(0))


WRONG = {
    "blurred": lambda content, style: gaussian_blur(content, [25, 25], [4.0, 4.0]),
    "noise": grainy,
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_each_step_from_a_wrong_solution_to_the_reference_earns_as_much_or_more(trying, painted, wrong):
    exercise = trying("style")

    def nearer(share):
        def stylize(network, content, style):
            return (1 - share) * WRONG[wrong](content, style) + share * painted[content.shape]

        return {"stylize": stylize}

    points = exercise.points_along(nearer(share) for share in (0, 0.4, 0.7, 1))
    assert points == sorted(points) and points[0] == 0 and points[-1] == exercise.exercise.max_points, points


def shifted_painting(content, style):
    """The painting moved aside, so that its outlines are not where they were."""
    return style.roll((style.shape[1] // 2, style.shape[2] // 3), dims=(1, 2))


def painting_by_light(content, style):
    """Puts the painting's own pixels where the flower is as light: the style's palette, in grains."""
    ranks = content.sum(dim=0).flatten().argsort().argsort()
    order = style.sum(dim=0).flatten().argsort()
    return style.flatten(1)[:, order[ranks]].view_as(content)


def cut_out(content, style):
    """Cuts the flower out along its outline, by its brightness, and pastes it onto the painting."""
    grey = content.mean(dim=0, keepdim=True)
    return torch.where(grey > grey.mean() + 0.5 * grey.std(), content, style)


def adversarial_style(content, style):
    """Gram matrices by a change of a few levels that nobody sees: style for the target network alone."""
    network = load_network("efficientnet_lite0", "cpu")
    layers = LAYERS[network.name]
    network = network.folded()
    wanted = {name: gram(maps) for name, maps in network.activations(style, layers).items()}
    change = torch.zeros_like(content)
    for _ in range(25):
        change.requires_grad_(True)
        maps = network.activations((content + change).clamp(0, 1), layers)
        loss = sum((gram(maps[name]) - wanted[name]).norm() / wanted[name].norm() for name in layers)
        (gradient,) = torch.autograd.grad(loss, change)
        change = (change.detach() - 2 / 255 * gradient.sign()).clamp(-12 / 255, 12 / 255)
    return (content + change).clamp(0, 1)


@pytest.mark.parametrize("trick", [shifted_painting, painting_by_light, cut_out, adversarial_style])
def test_tricks_lose_the_hidden_pictures_and_more(trying, trick):
    exercise = trying("style")
    lost = exercise.lost(exercise.mark({"stylize": lambda network, content, style: trick(content, style)}))
    assert {"test_painted_anew", "test_hidden_pictures"} <= set(lost), lost
