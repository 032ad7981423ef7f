"""`netlens stylize` as its users meet it."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from netlens_core import NetlensError
from netlens_core.cli import app
from netlens_core.images import load_image, save_image
from netlens_core.paintings import paint

QUICK = ("--size", "64", "--iterations", "10")


def netlens(*arguments: object):
    return CliRunner().invoke(app, ["stylize", *map(str, arguments)])


def test_a_picture_and_measures_come_out(tmp_path):
    content, style = tmp_path / "content.png", tmp_path / "style.png"
    save_image(paint("points", 1, 80)[:, :40], content)
    save_image(paint("swirls", 3, 64), style)
    done = netlens(content, style, "--size", "96", "--iterations", "20", "-o", tmp_path / "a.png", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["height"], found["width"]) == (48, 96) and found["seconds"] > 0
    assert load_image(tmp_path / "a.png").shape == (3, 48, 96)
    gram, content_ = found["measures"]["style: Gram distance"], found["measures"]["content: distance"]
    assert gram["after"] < 0.7 * gram["before"]
    assert content_["before"] == 0 < content_["after"]


def test_a_painting_by_its_seed_is_that_painting(tmp_path):
    save_image(paint("glass", 5, 64), tmp_path / "glass.png")
    for name, style in (("a.png", "painting:glass:5"), ("b.png", tmp_path / "glass.png"), ("c.png", "painting:glass")):
        done = netlens("daisy:3", style, *QUICK, "-o", tmp_path / name)
        assert done.exit_code == 0, done.output
        assert "Gram distance" in done.output and "sliced Wasserstein" in done.output and " s\n" in done.output
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes() != (tmp_path / "c.png").read_bytes()


def test_colours_can_be_kept(tmp_path):
    spread = {}
    for name, options in (
        ("plain", []),
        ("colors", ["--keep-colors"]),
        ("hues", ["--keep-hues", "--optimizer", "adam"]),
    ):
        done = netlens("daisy:3", "painting:swirls:3", *QUICK, *options, "-o", tmp_path / f"{name}.png")
        assert done.exit_code == 0, done.output
        image = load_image(tmp_path / f"{name}.png")
        spread[name] = float(image[2].mean() - image[1].mean())  # the swirls are blue, the meadow green
    assert spread["plain"] > 0.1 > 0.02 > max(spread["colors"], spread["hues"]), spread


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("daisy:3", "painting:oil"), "swirls, points, hatching"),
        (("daisy:3", "painting:swirls:x"), "painting:NAME:SEED"),
        (("daisy:3", "nowhere.png"), "nowhere.png cannot be read"),
        (("daisy:3", "painting:grid", "-o", "a.jpg"), "PNG"),
        (("daisy:3", "painting:grid", "-o", "nowhere/a.png"), "no folder"),
        (("daisy:3", "painting:grid", "--keep-colors", "--keep-hues"), "one of them"),
        (("daisy:3", "painting:grid", "-n", "nonet"), "no network is called"),
        (("strip.png", "painting:grid"), "32 px"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    save_image(torch.zeros(3, 10, 100), "strip.png")
    done = netlens(*arguments)
    assert isinstance(done.exception, NetlensError) and told in str(done.exception)
    assert "\n" not in str(done.exception) and not (tmp_path / "stylized.png").exists()


@pytest.mark.parametrize("options", [("--size", "5"), ("--optimizer", "sgd"), ("--style-weight", "-1")])
def test_impossible_options_are_refused(options):
    assert netlens("daisy:3", "painting:grid", *options).exit_code == 2
