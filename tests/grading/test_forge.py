"""Forged noise: looks like noise, convinces its network and no other, hides any flower, and is the same every time."""

from __future__ import annotations

import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.grading import forge
from netlens_core.grading.forge import ForgeError, forge_noise, mix_noise
from netlens_core.images import encode_png, load_image, to_8bit
from netlens_core.measures.jury import Jury
from netlens_core.measures.noise import looks_like_noise


def test_a_veil_of_grey_changes_nothing_and_of_white_brightens():
    flower = draw_daisy(0).image
    assert torch.allclose(mix_noise(flower, torch.full_like(flower, 0.5)), flower)
    assert torch.allclose(mix_noise(flower * 0.5, torch.ones_like(flower), 0.1), flower * 0.5 + 0.1)


def test_what_cannot_be_forged_is_told(lite0, monkeypatch):
    with pytest.raises(ForgeError, match="daisy"):
        forge_noise(lite0, "daisy", 0)
    with pytest.raises(ValueError, match="flamingo"):
        forge_noise(lite0, "flamingoes", 0)
    monkeypatch.setattr(forge, "STEPS", 0)
    with pytest.raises(ForgeError, match="goldfish"):
        forge_noise(lite0, "goldfish", 0)


@pytest.mark.slow
def test_forged_noise_holds_what_it_promises(lite0, lite1, lite2):
    # A teapot's noise blinds the jury as well, unless they have their say. Other seeds take longer.
    noise = forge_noise(lite0, "teapot", 7, jury=[lite1, lite2])
    assert torch.equal(load_image(encode_png(noise)), noise)
    assert looks_like_noise(noise)
    assert lite0.probability(noise, "teapot") > 0.9
    jury = Jury([lite1, lite2])
    assert jury.votes(noise, "teapot") == 0
    mixes = [to_8bit(mix_noise(draw_daisy(seed).image, noise)) for seed in range(10)]
    assert [lite0.classify(image, 1)[0][0] for image in mixes].count("daisy") == 0
    assert sum(jury.votes(image, "daisy") for image in mixes) >= 18  # of 20


def test_other_seeds_and_sizes_give_other_noise(lite0, monkeypatch):
    monkeypatch.setattr(forge, "CHECK_EVERY", 1)
    monkeypatch.setattr(forge, "_convinces", lambda *_: True)
    first, second, again = (forge_noise(lite0, "flamingo", seed) for seed in (1, 2, 1))
    assert torch.equal(first, again) and not torch.equal(first, second)
    assert forge_noise(lite0, "flamingo", 1, size=64).shape == (3, 64, 64)


@pytest.mark.slow
def test_another_network_has_its_own_noise(squeezenet):
    noise = forge_noise(squeezenet, "teapot", 1)
    assert squeezenet.probability(noise, "teapot") > 0.9 and looks_like_noise(noise)
    mixes = [to_8bit(mix_noise(draw_daisy(seed).image, noise)) for seed in range(10)]
    assert sum(squeezenet.classify(image, 1)[0][0] == "daisy" for image in mixes) <= 1
