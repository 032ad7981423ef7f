"""Colourfulness follows its paper, and parts grey pictures from colourful ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.measures.color import colorfulness


def by_the_paper(image: torch.Tensor) -> float:
    """The paper's M3, said once more in numpy."""
    red, green, blue = (image.numpy() * 255).round()
    rg, yb = red - green, 0.5 * (red + green) - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_papers_formula(seed):
    random = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(seed))
    for image in (random, draw_daisy(seed, 64).image):
        assert colorfulness(image) == pytest.approx(by_the_paper(image), rel=1e-4)


def test_grey_has_none_and_pure_red_what_one_can_reckon():
    assert colorfulness(torch.rand(1, 20, 20).expand(3, 20, 20)) == 0
    red = torch.tensor([1.0, 0, 0]).view(3, 1, 1).expand(3, 8, 8)
    assert colorfulness(red) == pytest.approx(0.3 * np.hypot(255, 127.5))


def test_less_saturation_is_less_colourful():
    image = draw_daisy(7, 64).image
    grey = image.mean(dim=0, keepdim=True)
    found = [colorfulness(grey + share * (image - grey)) for share in (0.25, 0.5, 1.0)]
    assert found == sorted(found) and found[0] < found[2] / 3


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match=r"expected an image"):
        colorfulness(torch.zeros(1, 8, 8))
