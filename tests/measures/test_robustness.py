"""A flower stays a flower under every view; what was tuned pixel by pixel does not."""

from __future__ import annotations

import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.measures.robustness import fixed_views, robust_logit
from netlens_core.methods.dream import Pixels, dream, logit, still


def test_the_views_are_six_different_ones_in_range():
    flower = draw_daisy(7, 64).image
    views = fixed_views(flower, 48)
    assert views.shape == (6, 3, 48, 48)
    assert float(views.min()) >= 0 and float(views.max()) <= 1
    assert min(float((a - b).abs().mean()) for i, a in enumerate(views) for b in views[:i]) > 0.01
    assert torch.equal(fixed_views(flower, 48), views)


def test_a_flower_keeps_its_logit_and_pixel_ascent_loses_it(lite0):
    flower = draw_daisy(7).image
    tuned = dream(
        lite0, logit("daisy"), size=lite0.input_size, parametrisation=Pixels(), transformation=still(), steps=25
    )
    index = lite0.category_index("daisy")

    def plain(image):
        logits = lite0(image)[0]
        return float(logits[index] - logits.mean())

    assert plain(tuned) > plain(flower)
    assert robust_logit(lite0, flower, "daisy") > 0.7 * plain(flower)
    assert robust_logit(lite0, tuned, "daisy") < 0.7 * robust_logit(lite0, flower, "daisy")


def test_other_shapes_and_categories_are_refused(lite0):
    with pytest.raises(ValueError, match="expected an image"):
        robust_logit(lite0, torch.zeros(1, 8, 8), "daisy")
    with pytest.raises(ValueError, match="no category"):
        robust_logit(lite0, torch.zeros(3, 32, 32), "no such thing")
