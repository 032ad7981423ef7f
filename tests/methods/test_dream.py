"""A daisy dream means a daisy to other networks too and is colourful; the parts of a dream compose."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import torch
import torchvision

from netlens_core.daisies import draw_daisy
from netlens_core.images import to_8bit
from netlens_core.measures.color import colorfulness
from netlens_core.measures.robustness import robust_logit
from netlens_core.measures.spectrum import energy_above
from netlens_core.methods.dream import (
    ANYWHERE,
    NEAR,
    Fourier,
    Pixels,
    channel,
    contrast,
    dream,
    jitter,
    layer,
    logit,
    neuron,
    rotate,
    still,
    zoom,
)
from netlens_core.methods.dream.parametrisations import Parametrisation
from netlens_core.networks import Network

EXPAND = "blocks.2.1.conv_pw"


@pytest.fixture(scope="module")
def alexnet() -> Network:
    torch.manual_seed(0)
    module = torchvision.models.alexnet(weights=None)
    names = tuple(f"thing {i}" for i in range(1000))
    return Network("alexnet", module, names, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- dreams ----------------------------------------------------------------------------------------------


def test_a_dream_is_colourful_and_robust_where_pixel_ascent_is_grey_noise(lite0, lite1):
    """At 112 px and 60 steps what holds of the gallery's pictures holds already."""
    dreamt = dream(lite0, logit("daisy") - 10 * contrast(), 112, steps=60, rate=0.08, seed=1)
    plain = dream(lite0, logit("daisy"), 224, parametrisation=Pixels(), transformation=still(), steps=40, rate=0.02)
    assert lite0.probability(dreamt, "daisy") > 0.95 and lite0.probability(plain, "daisy") > 0.95
    assert colorfulness(dreamt) >= 35 > 20 > colorfulness(plain)
    assert robust_logit(lite0, dreamt, "daisy") > 1.5 * robust_logit(lite0, plain, "daisy")
    assert energy_above(dreamt) < 0.12 < energy_above(plain)
    assert lite1.probability(plain, "daisy") < 0.02 < lite1.probability(dreamt, "daisy")


@pytest.mark.slow
def test_the_whole_recipe_transfers_to_a_juror(lite0, lite1):
    dreamt = dream(lite0, logit("daisy") - 10 * contrast(), seed=1)
    assert lite0.probability(dreamt, "daisy") > 0.99
    assert lite1.probability(dreamt, "daisy") > 0.3
    flower = draw_daisy(7).image
    assert colorfulness(dreamt) >= 35
    assert robust_logit(lite0, dreamt, "daisy") > 1.3 * robust_logit(lite0, flower, "daisy")


def test_the_same_seed_gives_the_same_dream_and_another_another(squeezenet):
    first, again, other = (dream(squeezenet, logit("daisy"), 64, steps=4, seed=s) for s in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(first, to_8bit(first))


@pytest.mark.parametrize("size", [(33, 50), (97, 200), 225])
def test_any_size(squeezenet, size):
    dreamt = dream(squeezenet, logit("daisy"), size, steps=3)
    assert dreamt.shape == (3, *(size if isinstance(size, tuple) else (size, size)))
    assert 0 <= float(dreamt.min()) < float(dreamt.max()) <= 1


def test_an_architecture_with_a_head_of_its_own(alexnet):
    for objective in (logit("thing 7"), channel("features.3", 5), neuron("features.3", 5), layer("features.6")):
        assert dream(alexnet, objective, 64, steps=2).shape == (3, 64, 64)


def test_weights_are_left_alone(squeezenet):
    before = {name: value.clone() for name, value in squeezenet.module.state_dict().items()}
    dream(squeezenet, logit("daisy"), 64, steps=2)
    assert all(torch.equal(before[name], value) for name, value in squeezenet.module.state_dict().items())
    assert all(parameter.grad is None for parameter in squeezenet.module.parameters())


def test_a_dream_upon_an_image_stays_near_it_and_excites_the_layer(lite0):
    flower = draw_daisy(7, 128).image
    dreamt = dream(lite0, layer(EXPAND), start=flower, steps=16, rate=0.1)
    assert dreamt.shape == flower.shape
    assert 0.01 < float((dreamt - flower).abs().mean()) < 0.2

    def excited(image):
        return sum(float(layer(EXPAND)(lite0, ANYWHERE(image, 224, generator(seed)))) for seed in range(4))

    assert excited(dreamt) > 1.3 * excited(flower)


def test_ctrl_c_keeps_the_image_so_far(squeezenet):
    class Interrupting(Fourier):
        def image(self, planes: torch.Tensor) -> torch.Tensor:
            taken.append(1)
            if len(taken) == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return super().image(planes)

    assert threading.current_thread() is threading.main_thread()
    taken: list[int] = []
    stopped = dream(squeezenet, logit("daisy"), 192, parametrisation=Interrupting(), steps=50)
    assert len(taken) < 8 and stopped.shape == (3, 192, 192)
    assert float(stopped.std()) > 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda n: dream(n, logit("unicorn"), 32, steps=1), "no category"),
        (lambda n: dream(n, channel("features.99", 1), 32, steps=1), "no layer"),
        (lambda n: dream(n, channel("features.3.squeeze", 16), 32, steps=1), "no channel 16"),
        (lambda n: dream(n, logit("daisy"), 15), "at least 16 px"),
        (lambda n: dream(n, logit("daisy"), 32, steps=0), "at least one step"),
    ],
)
def test_mistakes_are_told(squeezenet, call, said):
    with pytest.raises(ValueError, match=said):
        call(squeezenet)


# -- objectives ------------------------------------------------------------------------------------------


def test_objectives_add_and_weigh(squeezenet):
    views = draw_daisy(3, 224).image[None]
    logits = squeezenet(views)[0]
    index, other = squeezenet.category_index("daisy"), squeezenet.category_index("ant")
    answers = squeezenet.activations(views, "features.3.squeeze")
    both = 2 * logit("daisy") - logit("ant") + 0.5 * channel("features.3.squeeze", 4) - contrast()
    wanted = 2 * logits[index] - logits[other] + 0.5 * answers[0, 4].mean() - (2 * views - 1).square().mean()
    torch.testing.assert_close(both(squeezenet, views), wanted)


def test_a_neuron_is_the_unit_in_the_middle(squeezenet):
    views = draw_daisy(3, 96).image[None]
    answer = squeezenet.activations(views, "features.3.squeeze")[0, 2]
    middle = answer[answer.shape[0] // 2, answer.shape[1] // 2]
    torch.testing.assert_close(neuron("features.3.squeeze", 2)(squeezenet, views), middle)


def test_a_neurons_dream_changes_the_middle_alone(squeezenet):
    dreamt = dream(squeezenet, neuron("features.0", 3), 96, parametrisation=Pixels(), transformation=still(), steps=3)
    changed = (dreamt - 0.5).abs().amax(dim=0) > 0.02
    ground = dream(squeezenet, 0 * neuron("features.0", 3), 96, parametrisation=Pixels(), steps=1)
    assert float((ground - 0.5).abs().max()) < 0.02
    rows, columns = torch.nonzero(changed, as_tuple=True)
    assert len(rows)
    for where in (rows, columns):
        assert 40 <= int(where.min()) <= int(where.max()) <= 56


# -- parametrisations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 32), (33, 48), (40, 31)])
@pytest.mark.parametrize("kind", [Pixels(), Fourier(), Fourier(decay=1, chroma=1)])
def test_numbers_and_planes_are_two_ways_to_say_an_image(kind: Parametrisation, size):
    image = 0.1 + 0.8 * torch.rand(3, *size, generator=generator())
    planes = kind.planes_of(image)
    back = kind.planes(kind.numbers(planes), size)
    torch.testing.assert_close(kind.image(back), image, atol=1e-4, rtol=1e-3)


def test_in_waves_a_step_in_any_number_moves_more_where_photos_vary_more():
    """One step in all numbers: long waves gain more than short ones, brightness more than hue."""
    fourier = Fourier(chroma=1)
    numbers = 0.01 * torch.randn(fourier.numbers(torch.zeros(3, 64, 64)).shape, generator=generator())
    image = fourier.image(fourier.planes(numbers, (64, 64)))
    assert energy_above(image) < 0.1
    grey = image.mean(dim=0)
    assert float(grey.std()) > 2 * float((image - grey).std())


# -- transformations -------------------------------------------------------------------------------------


def test_still_shows_the_canvas_itself():
    canvas = draw_daisy(1, 64).image
    torch.testing.assert_close(still()(canvas, 64, generator())[0], canvas, atol=1e-5, rtol=0)


def test_a_zoom_is_a_window_of_the_canvas():
    canvas = torch.arange(64.0).view(1, 1, 64).expand(3, 64, 64) / 63  # brightness tells the column
    for seed in range(5):
        view = zoom(0.5, 0.5)(canvas, 32, generator(seed))[0, 0]
        assert float(view[0, -1] - view[0, 0]) == pytest.approx(31 / 63, abs=1e-3)


def test_a_chain_is_the_same_as_its_parts_one_after_the_other():
    fixed = zoom(0.5, 0.5) + rotate(0) + jitter(0)
    canvas = draw_daisy(1, 64).image
    torch.testing.assert_close(fixed(canvas, 32, generator(2)), zoom(0.5, 0.5)(canvas, 32, generator(2)))


def test_a_view_of_a_wide_canvas_is_not_squeezed():
    """A disc stays a disc: as wide as it is high."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(160.0), indexing="ij")
    disc = ((y - 31.5).square() + (x - 79.5).square() < 20**2).float().expand(3, 64, 160)
    view = still()(disc, 64, generator())[0, 0] > 0.5
    assert int(view.any(dim=0).sum()) == int(view.any(dim=1).sum()) == 40


def test_views_that_keep_the_middle_keep_it():
    canvas = torch.zeros(3, 64, 64)
    canvas[:, 24:40, 24:40] = 1
    assert all(float(NEAR(canvas, 64, generator(s))[0, :, 32, 32].min()) > 0.999 for s in range(10))
