"""The border: every kind of value, right ones taken as they are, wrong ones told in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from netlens_core.grading.values import BORDER, SubmissionError


def taken(kind, claim):
    return BORDER[kind](claim, "`f`")


def test_pictures_are_rounded_to_what_a_viewer_sees():
    grey = np.full((4, 6), 0.5, np.float64)
    assert taken("montage", grey).shape == (3, 4, 6) and torch.all(taken("montage", grey) * 255 == 128)
    assert taken("montage", np.zeros((3, 4, 6), np.float32)).shape == (3, 4, 6)
    assert taken("images", np.ones((5, 1, 8, 8), np.float32)).shape == (5, 1, 8, 8)
    assert torch.equal(taken("map", grey), torch.full((4, 6), 0.5))


def test_activations_keep_their_values():
    values = np.random.default_rng(0).normal(size=(2, 3, 4)) * 1e6
    assert torch.equal(taken("activations", values), torch.from_numpy(values.astype(np.float32)))


def test_tables_and_histories_become_plain_rows():
    rows = [{"name": "conv1", "activations": [113, 113, 64], "learnables": 1792, "share": np.array([0.5])}]
    assert taken("table", rows) == [{"name": "conv1", "activations": [113, 113, 64], "learnables": 1792, "share": 0.5}]
    assert taken("table", [{"name": "\x1b[2Jx" + "y" * 900}])[0]["name"].startswith("x") is False
    assert len(taken("table", [{"name": "y" * 900}])[0]["name"]) <= 501
    history = [{"generator": 1, "discriminator": 0.5, "extra": "kept out"}]
    assert taken("history", history) == [{"generator": 1.0, "discriminator": 0.5}]


@pytest.mark.parametrize(
    ("kind", "claim", "words"),
    [
        ("images", np.zeros((3, 8, 8), np.float32), "shape"),
        ("images", np.zeros((2, 2, 8, 8), np.float32), "shape"),
        ("images", np.zeros((5000, 1, 1, 1), np.float32), "shape"),
        ("images", np.full((1, 1, 8, 8), 16.0), "values from 16"),
        ("montage", np.zeros((1, 3, 4, 4), np.float32), "shape"),
        ("montage", np.zeros((4, 4), np.uint8), "uint8"),
        ("map", np.zeros((1, 4, 4), np.float32), "shape"),
        ("map", np.full((4, 4), np.nan), "NaN"),
        ("map", np.full((4, 4), -1.0), "values from -1"),
        ("activations", np.zeros((4, 4), np.float32), "shape"),
        ("activations", np.zeros((0, 4, 4), np.float32), "shape"),
        ("activations", np.full((1, 2, 2), 1e300), "infinity"),
        ("activations", [1, 2], "a list of 2"),
        ("table", {"name": "x"}, "a dict of 1"),
        ("table", ["row"], "in row 1"),
        ("table", [{"name": None}], "return"),
        ("table", [{"name": [1, "x"]}], "the text"),
        ("table", [{"n": float("nan")}], "no finite number"),
        ("table", [{}] * 10_001, "a list of 10001"),
        ("history", [], "a list of 0"),
        ("history", [{"generator": 1.0}], "at step 1"),
        ("history", [{"generator": 1.0, "discriminator": float("inf")}], "no finite number"),
        ("history", [{"generator": True, "discriminator": 1.0}], "generator's loss"),
    ],
)
def test_wrong_values_are_told_in_words(kind, claim, words):
    with pytest.raises(SubmissionError, match=words) as told:
        taken(kind, claim)
    assert str(told.value).startswith("`f` returned") and len(str(told.value)) < 300
