"""`dream`: another library's dreams count, coming nearer to a dream never costs points, and tricks do not pay."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.images import resize

TARGETS = ["efficientnet_lite0", "squeezenet1_1"]


def by_lucent(network, category, steps=160):
    """torch-lucent as its readme tells: an image in waves and decorrelated colours, its own transformations."""
    import kornia
    from kornia.geometry import transform as moved

    for name in ("get_rotation_matrix2d", "warp_affine"):  # where kornia had them when torch-lucent was written
        if not hasattr(kornia, name):
            setattr(kornia, name, getattr(moved, name))
    from lucent.optvis import objectives, param, render, transform

    torch.manual_seed(0)
    np.random.seed(0)
    drawn = render.render_vis(
        copy.deepcopy(network.module),  # torch-lucent leaves its hooks behind
        objectives.channel("labels", network.category_index(category)),
        lambda: param.image(224),
        transforms=[*transform.standard_transforms, network.normalize],
        thresholds=(steps,),
        preprocess=False,
        progress=False,
        show_image=False,
    )
    return torch.from_numpy(drawn[0][0]).permute(2, 0, 1).contiguous()


@pytest.fixture
def target(request, squeezenet):
    return request.param


@pytest.fixture(scope="module")
def dreamt(trying):
    """The reference's dreams of an exercise's two categories, dreamt once: target -> category -> image."""
    made = {}

    def dreams(target):
        if target not in made:
            exercise = trying("dream", target)
            dream = exercise.reference()["dream"]
            network = exercise.judges.target
            made[target] = {name: dream(network, name) for name in ("daisy", str(exercise.inputs["hidden_category"]))}
        return made[target]

    return dreams


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_the_reference_earns_everything(trying, dreamt, target):
    exercise, dreams = trying("dream", target), dreamt(target)
    assert exercise.lost(exercise.mark({"dream": lambda network, category: dreams[category]})) == {}


@pytest.mark.slow
def test_a_dream_of_torch_lucent_earns_everything(trying, squeezenet):
    exercise = trying("dream", "squeezenet1_1")  # a third of the time that the other target takes
    assert exercise.lost(exercise.mark({"dream": by_lucent})) == {}


def grain(image):
    return torch.rand(image.shape, generator=torch.Generator().manual_seed(0))


WRONG = {
    "grey": lambda image: torch.full_like(image, 0.5),
    "noise": grain,
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_each_step_from_a_wrong_solution_to_the_reference_earns_as_much_or_more(trying, dreamt, wrong):
    exercise, dreams = trying("dream"), dreamt("efficientnet_lite0")

    def nearer(share):
        return {
            "dream": lambda network, category: (1 - share) * WRONG[wrong](dreams[category]) + share * dreams[category]
        }

    points = exercise.points_along(nearer(share) for share in (0, 0.25, 0.5, 0.75, 1))
    assert points == sorted(points) and points[0] == 0 and points[-1] == exercise.exercise.max_points, points


TRICKS = {
    "the flower in a mirror": lambda inputs: inputs["flower"].flip(2),
    "the flower, enlarged": lambda inputs: resize(inputs["flower"], 448),
    "four flowers": lambda inputs: resize(inputs["flower"], 112).repeat(1, 2, 2),
    "another flower in stronger colours": lambda inputs: (0.5 + 1.5 * (draw_daisy(11).image - 0.5)).clamp(0, 1),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_pictures_that_are_no_dreams_earn_nothing_for_other_categories(trying, trick):
    exercise = trying("dream")
    checks = exercise.mark({"dream": lambda network, category: TRICKS[trick](exercise.inputs)})
    lost = set(exercise.lost(checks))
    assert {"test_network_is_sure", "test_beats_every_photo", "test_hidden_category"} <= lost, lost
    assert checks["test_hidden_category"].points == 0
