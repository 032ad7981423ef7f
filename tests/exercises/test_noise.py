"""`noise`: other tools' probabilities count, and each category put in its place earns as much or more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.special
import torch
from torchvision.transforms import v2

from netlens_core.daisies import draw_daisy
from netlens_core.grading.exercise import read_exercise
from netlens_core.grading.trusted import Judges, judged
from netlens_core.images import encode_png
from tests.exercises.conftest import JURY, ROOT, Trying

ANSWERS = {"resembles": "No: coloured noise, and nothing of a flamingo."}


def by_scipy(network, image, k=5):
    """SciPy's softmax over the logits, NumPy's order."""
    probabilities = scipy.special.softmax(network(image)[0].numpy().astype(np.float64))
    places = np.argsort(-probabilities)[:k]
    return [(network.categories[place], float(probabilities[place])) for place in places]


def by_torchvision(network, image, k=5):
    """The bare module behind torchvision's own transforms."""
    size = network.input_size
    bicubic = v2.Resize((size, size), v2.InterpolationMode.BICUBIC)
    prepare = v2.Compose([bicubic, v2.Normalize(network.mean, network.std)])
    with torch.inference_mode():
        logits = network.module(prepare(image)[None])[0]
    likeliest = torch.sort(torch.exp(torch.log_softmax(logits, 0)), descending=True)
    return [(network.categories[int(likeliest.indices[n])], float(likeliest.values[n])) for n in range(k)]


@pytest.fixture(scope="module", params=["efficientnet_lite0", "squeezenet1_1"])
def mark(request, squeezenet):
    """Marks a `classify`, with daisies in the place of noise, which takes long to forge."""
    pictures = {"what_is_it": draw_daisy(1), "hidden_noise": draw_daisy(2), "hidden_daisy": draw_daisy(3, 320)}
    plain = read_exercise("noise", ROOT / "assignments", ROOT / "graders")
    exercise = dataclasses.replace(plain, materials={name: encode_png(d.image) for name, d in pictures.items()})
    judges = Judges.load(request.param, JURY)

    def marked(classify):
        checks, _ = judged(exercise, {"classify": classify, "answers": ANSWERS}, judges, seed=1)
        assert not [check.fault for check in checks.values() if check.fault]
        return checks

    return marked


@pytest.mark.parametrize("classify", [by_scipy, by_torchvision])
def test_other_tools_earn_everything(mark, classify):
    checks = mark(classify)
    assert Trying.lost(checks) == {}
    assert checks["test_resembles"].status == "needs_manual_grade"


def moved(right):
    """The ranking with all but the first `right` categories in each other's place."""

    def classify(network, image, k=5):
        found = network.classify(image, k)
        return found[:right] + found[right:][::-1]

    return classify


def less_sure(share):
    """Probabilities on the way from 0.5 each, a share of 0, to the network's own."""

    def classify(network, image, k=5):
        return [(name, share * own + (1 - share) * 0.5) for name, own in network.classify(image, k)]

    return classify


@pytest.mark.parametrize(
    "solutions",
    [[moved(right) for right in (0, 1, 2, 3, 5)], [less_sure(share) for share in (0, 0.5, 0.9, 0.98, 0.99, 1)]],
    ids=["places", "probabilities"],
)
def test_each_step_from_a_wrong_solution_to_the_right_one_earns_as_much_or_more(mark, solutions):
    points = [sum(check.points for check in mark(classify).values()) for classify in solutions]
    assert points == sorted(points) and points[0] <= 2 and points[-1] == 8, points
    assert len(set(points)) > 2, points
