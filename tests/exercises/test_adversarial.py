"""`adversarial`: other people's attacks count, and coming nearer to a solution never costs points."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from netlens_core.networks import load_network

TARGETS = ["efficientnet_lite0", "squeezenet1_1"]


def mix(flower, noise):
    return (flower + 0.12 * (2 * noise - 1)).clamp(0, 1)


class Bare(nn.Module):
    """A network as attack libraries want it: a module that takes images in [0, 1]."""

    def __init__(self, network):
        super().__init__()
        self.network, self.module = network, network.module

    def forward(self, images):
        return self.network(images)


def by_torchattacks(network, flower):
    import torchattacks

    # Bare in evaluation mode: torchattacks puts a model back into the mode in which it found it, and all that is in it.
    attack = torchattacks.PGD(Bare(network).eval(), eps=3 / 255, alpha=0.75 / 255, steps=20, random_start=False)
    return attack(flower[None], torch.tensor([network.category_index("daisy")]))[0]


def by_foolbox(network, flower):
    import foolbox

    model = foolbox.PyTorchModel(Bare(network).eval(), bounds=(0, 1))
    attack = foolbox.attacks.LinfProjectedGradientDescentAttack(steps=20, random_start=False)
    daisy = torch.tensor([network.category_index("daisy")])
    _, images, _ = attack(model, flower[None], daisy, epsilons=[3 / 255])
    return images[0][0]


@pytest.fixture
def target(request, squeezenet):
    return request.param


@pytest.mark.parametrize("craft", [by_torchattacks, by_foolbox])
@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_other_attacks_earn_everything(trying, target, craft):
    exercise = trying("adversarial", target)
    assert exercise.lost(exercise.mark({"mix": mix, "craft": craft})) == {}


def test_each_step_from_a_wrong_solution_to_the_reference_earns_as_much_or_more(trying):
    exercise = trying("adversarial")
    craft, flower = exercise.reference()["craft"], exercise.inputs["flower"]
    network = load_network("efficientnet_lite0", "cpu")
    done = {}

    def crafted(network, image):
        key = image.sum().item()
        if key not in done:
            done[key] = craft(network, image)
        return done[key]

    noisy = torch.rand(flower.shape, generator=torch.Generator().manual_seed(0))

    def nearer(share, wrong):
        return {
            "mix": mix,
            "craft": lambda network, image: (1 - share) * wrong(image) + share * crafted(network, image),
        }

    for wrong in (lambda image: image, lambda image: 0.5 * image + 0.5 * noisy, torch.zeros_like):
        points = exercise.points_along(nearer(share, wrong) for share in (0, 1 / 3, 2 / 3, 1))
        assert points == sorted(points) and points[-1] == exercise.exercise.max_points, points
    assert crafted(network, flower) is not None


@pytest.mark.parametrize("amplitudes", [(0, 0.03, 0.05, 0.12), (0.6, 0.3, 0.16, 0.12)], ids=["too little", "too much"])
def test_each_step_from_a_wrong_mix_to_a_right_one_earns_as_much_or_more(trying, amplitudes):
    def mixing(amplitude):
        veil = {"mix": lambda flower, noise: (flower + amplitude * (2 * noise - 1)).clamp(0, 1)}
        return veil | {"craft": lambda network, flower: flower}  # which earns nothing

    points = trying("adversarial").points_along(mixing(amplitude) for amplitude in amplitudes)
    assert points == sorted(points) and points[0] < points[-1] == 4, points
