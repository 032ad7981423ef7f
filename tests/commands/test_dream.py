"""`netlens dream` as its users meet it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from netlens_core import NetlensError
from netlens_core.cli import app
from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image, save_image


def run(*arguments: object):
    return CliRunner().invoke(app, ["dream", *map(str, arguments)])


def test_a_dream_is_written_and_what_networks_see_is_told(tmp_path):
    picture = tmp_path / "dream.png"
    done = run("flamingo", "--size", 64, "--steps", 4, "--json", "-o", picture)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert load_image(picture).shape == (3, 64, 64)
    assert found["picture"] == str(picture) and found["colorfulness"] > 0
    assert found["seen"][0]["network"] == "efficientnet_lite0" and len(found["seen"]) >= 3
    for seen in found["seen"]:
        assert seen["wanted"] == "flamingo" and 0 <= seen["wanted_probability"] <= seen["probability"] <= 1
    again = tmp_path / "again.png"
    assert run("flamingo", "--size", 64, "--steps", 4, "-o", again).exit_code == 0
    assert again.read_bytes() == picture.read_bytes()


def test_deep_dream_keeps_the_pictures_size(tmp_path):
    save_image(draw_daisy(7, 64).image[:, :48], tmp_path / "photo.png")
    arguments = ["--layer", "blocks.1.0.conv_pw", "--image", tmp_path / "photo.png", "--steps", 3]
    done = run(*arguments, "-o", tmp_path / "dream.png")
    assert done.exit_code == 0, done.output
    assert load_image(tmp_path / "dream.png").shape == (3, 48, 64)
    assert "sees" in done.stdout and "colourfulness" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["daisie"], "near it: daisy"),
        (["daisy", "--layer", "blocks.1.0.conv_pw"], "give one of them"),
        (["--channel", "3"], "give --layer"),
        (["--layer", "blocks.1.0.conv_pw", "--neuron"], "give --channel"),
        (["--layer", "nowhere"], "no layer"),
        (["--layer", "blocks.1.0.conv_pw", "--channel", "5000"], "no channel 5000"),
        (["--image", "daisy:x"], "daisy:SEED"),
        (["-o", "dream.jpg"], "ends in .png"),
        (["-o", "no/such/folder/dream.png"], "there is no folder"),
    ],
)
def test_mistakes_are_told_before_any_work(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments, "--size", 32, "--steps", 1)
    assert isinstance(done.exception, NetlensError) and said in str(done.exception)
    assert not list(tmp_path.iterdir())
