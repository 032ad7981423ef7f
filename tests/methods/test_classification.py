"""Classification by hand gives what the network itself says."""

from __future__ import annotations

import pytest

from netlens_core.daisies import draw_daisy
from netlens_core.methods.classification import classify


@pytest.mark.parametrize("size", [224, 160])
def test_the_likeliest_categories_are_the_networks_own(lite0, size):
    image = draw_daisy(3, size=size).image
    ranking, own = classify(lite0, image, k=7), lite0.classify(image, k=7)
    assert [category for category, _ in ranking] == [category for category, _ in own]
    assert [p for _, p in ranking] == pytest.approx([p for _, p in own], abs=1e-6)
    assert ranking[0][0] == "daisy"


def test_every_category_sums_to_one(lite0):
    ranking = classify(lite0, draw_daisy(3).image, k=1000)
    assert sum(probability for _, probability in ranking) == pytest.approx(1, abs=1e-4)
    assert len({category for category, _ in ranking}) > 990  # ImageNet has a few names twice


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_impossible_k_is_refused(lite0, k):
    with pytest.raises(ValueError, match="k must be"):
        classify(lite0, draw_daisy(3).image, k=k)
