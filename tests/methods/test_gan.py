"""The generator learns, in the same way every time, and what it draws is measured to be good."""

from __future__ import annotations

import math
import os
import signal
import threading
import time

import pytest
import torch

from netlens_core.measures.feature_network import classifier_features
from netlens_core.measures.generative import measure
from netlens_core.methods.datasets import digits, paint_daisies
from netlens_core.methods.gan import LATENT, Discriminator, Generator, _slope, train
from netlens_core.methods.gan_pictures import grid, loss_curves

IMAGES = digits().images


@pytest.fixture(scope="module")
def short():
    return train(IMAGES, steps=70, seed=3)


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 16), (3, 32), (1, 64), (3, 128)])
def test_both_networks_fit_every_size(channels, size):
    images = Generator(channels, size)(torch.randn(4, LATENT))
    assert images.shape == (4, channels, size, size) and images.min() >= 0 and images.max() <= 1
    assert Discriminator(channels, size)(images).shape == (4, 1)


def test_history_and_snapshots_tell_the_course_of_training(short):
    assert len(short.history) == 70 and set(short.history[0]) == {"generator", "discriminator"}
    assert all(math.isfinite(loss) for losses in short.history for loss in losses.values())
    assert short.history[0]["discriminator"] == pytest.approx(math.log(2), abs=0.1)
    assert list(short.snapshots) == [16, 32, 64, 70]
    assert all(shown.shape == (12, 1, 8, 8) for shown in short.snapshots.values())
    assert not torch.equal(short.snapshots[16], short.snapshots[70])


def test_the_same_seed_and_steps_give_the_same_bits(short):
    again, other = train(IMAGES, steps=70, seed=3), train(IMAGES, steps=70, seed=4)
    assert again.history == short.history
    assert torch.equal(again.sample(20, seed=1), short.sample(20, seed=1))
    assert not torch.equal(other.sample(20, seed=1), short.sample(20, seed=1))
    assert not torch.equal(short.sample(20, seed=2), short.sample(20, seed=1))


def test_training_leaves_the_callers_chance_and_images_alone():
    images, before = IMAGES[:64].clone(), IMAGES[:64].clone()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(images, steps=9)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(images, before) and not images.requires_grad


def test_drawing_does_not_depend_on_the_company(short):
    points = torch.randn(300, LATENT, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(short.draw(points)[:3], short.draw(points[:3]), atol=1e-6)


def test_an_interpolation_goes_from_one_drawing_to_the_other_in_small_steps(short):
    way = short.interpolate(40, seed=2)
    ends = short.draw(torch.randn(2, LATENT, generator=torch.Generator().manual_seed(2)))
    assert torch.allclose(way[[0, -1]], ends, atol=1e-4)
    strides = (way[1:] - way[:-1]).flatten(1).norm(dim=1)
    assert strides.max() < 0.2 * (ends[0] - ends[1]).norm()


def test_the_penalty_is_the_squared_slope():
    weights = torch.randn(3 * 4 * 4, 1)
    images = torch.rand(5, 3, 4, 4, requires_grad=True)
    assert float(_slope(images.flatten(1) @ weights, images)) == pytest.approx(float(weights.square().sum()), rel=1e-5)


def test_a_budget_in_seconds_is_kept():
    started = time.perf_counter()
    gan = train(IMAGES, seconds=1.5)
    assert 1.5 <= gan.seconds <= time.perf_counter() - started < 60
    assert len(gan.history) > 10


def test_ctrl_c_keeps_what_there_is():
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    gan = train(IMAGES, steps=100_000)
    assert 0 < len(gan.history) < 100_000
    assert gan.sample(3).shape == (3, 1, 8, 8) and list(gan.snapshots)[-1] == len(gan.history)


def test_colours_are_learnt():
    flowers = paint_daisies(300, 16)
    gan = train(flowers, steps=150)
    drawn, untrained = gan.sample(200), train(flowers, steps=1).sample(200)
    error, before = ((d.mean((0, 2, 3)) - flowers.mean((0, 2, 3))).abs().max() for d in (drawn, untrained))
    assert error < 0.12 < before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_cuda():
    gan = train(IMAGES, steps=40, device="cuda")
    assert gan.sample(5).shape == (5, 1, 8, 8) and gan.sample(5).device.type == "cpu"


@pytest.mark.slow
def test_digits_are_drawn_truly_variedly_and_anew():
    data = digits()
    network = classifier_features(data.images, data.labels)
    gan = train(data.images, steps=3000, seed=1)
    quality = measure(gan.sample(597, seed=1), data.images, data.held_out, network)
    assert quality.frechet < 0.09, quality  # 0.03 to 0.06; untrained and collapsed generators: over 0.5
    assert quality.coverage > 0.55 and quality.precision > 0.6 and quality.modes > 0.9, quality
    assert quality.novelty > 0.7 and quality.copies < 0.02, quality


# -- pictures --------------------------------------------------------------------------------------------


def test_a_grid_shows_every_image_where_it_belongs():
    images = torch.linspace(0, 1, 7)[:, None, None, None].expand(-1, 1, 8, 8)
    picture = grid(images, columns=3)
    assert picture.shape == (3, 3 * 50 + 2, 3 * 50 + 2)
    for place in range(7):
        assert torch.allclose(picture[:, place // 3 * 50 + 20, place % 3 * 50 + 20], images[place, 0, 0, 0])
    assert (picture[:, -20, -20] == 1).all()


def test_loss_curves_are_drawn(short):
    picture, flat = loss_curves(short.history), loss_curves([])
    assert picture.shape == flat.shape == (3, 400, 800)
    assert (picture != flat).any(0).float().mean() > 0.01


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(9, 1, 8, 9),
        torch.rand(9, 1, 12, 12),
        torch.rand(1, 1, 8, 8),
        torch.rand(9, 8, 8),
        2 * IMAGES,
        -IMAGES,
    ],
)
def test_images_that_cannot_be_learnt_are_refused(images):
    with pytest.raises(ValueError, match="expected images"):
        train(images, steps=1)
