"""`netlens gan` as its users meet it."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from typer.testing import CliRunner

from netlens_core import NetlensError
from netlens_core.cli import app
from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image, save_image
from netlens_core.methods.datasets import DatasetError
from tests.quick_python import quick_python


def netlens(*arguments: object, cwd=None) -> subprocess.CompletedProcess[str]:
    command = [*quick_python(), "-m", "netlens_core.cli", "gan", *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if k != "NETLENS_DATA"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, env=environment)


def test_pictures_and_measures_come_out_the_same_every_time(tmp_path):
    first = netlens("digits", "--steps", 40, "--seed", 2, "-o", tmp_path / "a.png", "--json")
    again = netlens("digits", "--steps", 40, "--seed", 2, "-o", tmp_path / "b.png", "--json")
    assert first.returncode == again.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert found["steps"] == len(found["history"]) == 40 and found["images"] == 1200
    assert {"frechet", "precision", "recall", "coverage", "novelty", "modes"} <= set(found)
    assert {**json.loads(again.stdout), "seconds": 0} == {**found, "seconds": 0}
    for part in ("", "-training", "-interpolation", "-losses"):
        image = load_image(tmp_path / f"a{part}.png")
        assert min(image.shape[1:]) > 100 and image.std() > 0.05
        assert (tmp_path / f"a{part}.png").read_bytes() == (tmp_path / f"b{part}.png").read_bytes()


def test_equal_pictures_are_refused_before_training(tmp_path):
    for number in range(64):
        save_image(draw_daisy(1, 32).image, tmp_path / f"{number}.png")
    done = CliRunner().invoke(app, ["gan", str(tmp_path), "--seconds", "600", "-o", str(tmp_path / "x.png")])
    assert isinstance(done.exception, DatasetError) and not (tmp_path / "x.png").exists()
    assert "64 pictures, of which only 1 is different: put at least 50 different ones" in str(done.exception)


def test_measures_are_told_in_words(tmp_path):
    done = netlens("daisies", "--size", 16, "--count", 100, "--seconds", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Fréchet distance" in done.stdout and "coverage" in done.stdout and "EfficientNet-Lite0" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"gan{part}.png" for part in ("-interpolation", "-losses", "-training", "")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnist"], "MNIST is not in data"),
        (["celeba"], "CelebA is not in data"),
        (["nowhere"], "nowhere is no folder of pictures"),
        (["digits", "--size", 20], "20 px does not go"),
        (["digits", "--steps", 5, "--seconds", 5], "give one of them"),
        (["digits", "-o", "gan.jpg"], "the name ends in .png"),
        (["digits", "-o", "no/gan.png"], "there is no folder no"),
        (["digits", "--device", "abacus"], "--device abacus"),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETLENS_DATA", raising=False)
    error = CliRunner().invoke(app, ["gan", *map(str, arguments)]).exception
    assert isinstance(error, NetlensError) and message in str(error) and "\n" not in str(error)
    assert not list(tmp_path.iterdir())


def test_a_mistake_ends_in_one_line_and_status_2(tmp_path):
    done = netlens("mnist", cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    assert "MNIST is not in data" in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
