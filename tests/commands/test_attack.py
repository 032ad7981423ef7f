"""`netlens attack` from the shell: pictures, numbers, JSON, and one line for every mistake."""

from __future__ import annotations

import json

import pytest
import torch

from netlens_core.images import load_image, save_image
from netlens_core.networks import load_network


@pytest.fixture
def run(shell, squeezenet):
    return lambda *arguments: shell("attack", *arguments, "--device", "cpu")


def test_pictures_and_numbers_agree(run, tmp_path, squeezenet):
    status, out, err = run("daisy:7", "-n", "squeezenet1_1", "--levels", 3, "-o", "made.png", "--json")
    assert status == 0 and "made.png" in err and "made-difference.png" in err
    told = json.loads(out)
    image = load_image(tmp_path / "made.png")
    assert told["fooled"] and told["before"]["sees"] == "daisy" != told["after"]["sees"]
    assert told["after"]["probability"] >= 0.9
    assert squeezenet.classify(image, k=1)[0] == (told["after"]["sees"], pytest.approx(told["after"]["probability"]))
    assert told["linf_levels"] <= 3 and told["structural_similarity"] > 0.9
    assert {other["network"] for other in told["others"]} >= {"efficientnet_lite0"}
    assert load_image(tmp_path / "made-difference.png").shape == image.shape


def test_a_table_for_people(run):
    status, out, _ = run("daisy:7", "-n", "squeezenet1_1", "--method", "minimal", "--norm", "l2", "--steps", 8)
    assert status == 0
    assert "daisy" in out and "levels" in out and "efficientnet_lite0" in out


def test_a_target_by_name_and_by_index(run):
    for target in ("flamingo", "130"):
        status, out, _ = run("daisy:7", "-n", "squeezenet1_1", "--target", target, "--json")
        assert status == 0 and json.loads(out)["after"]["sees"] == "flamingo"


def test_a_mix_with_noise_from_a_file(run, tmp_path):
    noise = torch.rand(3, 224, 224, generator=torch.Generator().manual_seed(1))
    save_image(noise, tmp_path / "noise.png")
    arguments = ("daisy:7", "-n", "squeezenet1_1", "--method", "mix", "--confidence", 0, "--noise", "noise.png")
    status, out, _ = run(*arguments, "--json")
    told = json.loads(out)
    assert status == 0 and told["fooled"] and 0 < told["amplitude"] < 1 and told["gradients"] == 0


def test_what_is_not_reached_is_said(run):
    status, _, err = run("daisy:7", "-n", "squeezenet1_1", "--levels", 1, "--steps", 1, "--target", "flamingo")
    assert status == 0 and "did not reach" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.png",), "missing.png"),
        (("daisy:x",), "daisy:SEED"),
        (("daisy:7", "--target", "flamingoo"), "flamingo"),
        (("daisy:7", "--target", "daisy"), "another category"),
        (("daisy:7", "--target", "5000"), "0 to 999"),
        (("daisy:7", "--method", "magic"), "magic"),
        (("daisy:7", "--confidence", "1"), "confidence"),
        (("daisy:7", "--levels", "1", "--steps", "1", "-o", "no/where.png"), "no/where.png"),
        (("daisy:7", "--levels", "1", "--steps", "1", "-o", "made.jpg"), ".png"),
        (("daisy:7", "--method", "mix", "--noise", "small.png"), "one size"),
    ],
)
def test_a_mistake_is_one_clear_line(run, tmp_path, arguments, words):
    save_image(torch.zeros(3, 20, 20), tmp_path / "small.png")
    status, _, err = run(*arguments, "-n", "squeezenet1_1")
    assert status == 2 and words in " ".join(err.split()) and "Traceback" not in err


def test_an_interrupted_search_keeps_the_best_so_far():
    import os
    import signal
    import threading

    from netlens_core.daisies import draw_daisy
    from netlens_core.methods.adversarial import Goal, minimal

    timer = threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    network = load_network("efficientnet_lite0", "cpu")
    found = minimal(network, draw_daisy(7).image, Goal(985), "l2", steps=5000)
    timer.join()
    assert 0 < int(found.steps[0]) < 5000
