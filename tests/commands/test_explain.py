"""`netlens explain` from the shell: an overlay, numbers, JSON, and one line for every mistake."""

from __future__ import annotations

import json

import pytest
import torch

from netlens_core.images import load_image, save_image


@pytest.fixture
def run(shell, squeezenet):
    return lambda *arguments: shell("explain", *arguments, "--device", "cpu")


def test_a_flower_with_all_methods(run, tmp_path):
    status, out, err = run("daisy:7", "-n", "squeezenet1_1", "-m", "all", "--json")
    told = json.loads(out)
    assert status == 0 and told["category"] == "daisy" and told["probability"] > 0.9
    assert [row["method"] for row in told["maps"]] == ["cam", "grad-cam", "occlusion"]
    for row in told["maps"]:
        assert 0 < row["deletion"] < row["insertion"] < 1
        assert 0.4 < row["energy_in_flower"] < 1
    assert "map.png" in err and load_image(tmp_path / "map.png").shape == (3, 224, 4 * 224 + 3 * 4)


def test_a_picture_without_a_mask(run, tmp_path):
    save_image(torch.rand(3, 60, 90, generator=torch.Generator().manual_seed(0)), tmp_path / "some.png")
    status, out, _ = run("some.png", "-n", "squeezenet1_1", "-c", "flamingo", "-o", "where.png")
    assert status == 0 and "flamingo" in out and "grad-cam" in out
    assert load_image(tmp_path / "where.png").shape == (3, 60, 184)


def test_an_earlier_layer(run):
    maps = []
    for layer in ("features.12", "features.3"):
        status, out, _ = run("daisy:7", "-n", "squeezenet1_1", "-l", layer, "--json")
        assert status == 0
        maps.append(json.loads(out)["maps"][0])
    assert maps[0] != maps[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.png",), "missing.png"),
        (("daisy:-1",), "daisy:SEED"),
        (("daisy:7", "-c", "daisies"), "near it: daisy"),
        (("daisy:7", "-l", "features.1200"), "no layer"),
        (("daisy:7", "-m", "magic"), "magic"),
        (("daisy:7", "-o", "no/where.png"), "no/where.png"),
        (("daisy:7", "--network", "nonet"), "nonet"),
    ],
)
def test_a_mistake_is_one_clear_line(run, arguments, words):
    network = () if "--network" in arguments else ("-n", "squeezenet1_1")
    status, _, err = run(*arguments, *network)
    assert status == 2 and words in " ".join(err.split()) and "Traceback" not in err
