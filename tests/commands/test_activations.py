"""`netlens activations` writes montages of any layer at any size and tells mistakes without a traceback."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from netlens_core.cli import app, main
from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image, save_image
from netlens_core.methods.activations import montage, stretched


def run(*arguments: object):
    done = CliRunner().invoke(app, ["activations", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def test_the_montage_is_the_layers(lite0, tmp_path):
    path = tmp_path / "third.png"
    told = json.loads(run("daisy:7:yellow", "--size", 300, "-o", path, "--json").stdout)
    assert told["layer"] == "blocks.0.0.conv_pw" and told["activations"] == [16, 150, 150]
    found = lite0.activations(draw_daisy(7, 300, "yellow").image, "blocks.0.0.conv_pw")
    torch.testing.assert_close(load_image(path)[0], montage(found), atol=0.003, rtol=0)
    assert told["strongest"]["channel"] == int(found.amax((1, 2)).argmax()) + 1


def test_one_channel_and_the_strongest(lite0, tmp_path):
    photo, path = tmp_path / "photo.png", tmp_path / "one.png"
    image = draw_daisy(4, 200).image
    save_image(image, photo)
    run(photo, "-l", "first convolution", "--channel", 5, "-o", path)
    wanted = stretched(lite0.activations(image, "conv_stem"))[4]
    torch.testing.assert_close(load_image(path)[0], wanted, atol=0.003, rtol=0)
    done = run(photo, "-l", "first convolution", "--strongest", "-o", path)
    assert load_image(path).shape == (3, 200, 404)
    assert "Each unit sees 3 x 3 px, 2 px from one to the next" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["daisy:1", "-l", "the 99th convolution"], "49 layers of the kind convolution"),
        (["daisy:1", "-l", "conv_stam"], "conv_stem"),
        (["daisy:1", "--channel", "17"], "channels 1 to 16"),
        (["daisy:1", "-l", "classifier"], "no pictures"),
        (["daisy:x"], "daisy:SEED"),
        (["nothing.png"], "cannot be read"),
        (["daisy:1", "-o", "picture.jpg"], "PNG"),
        (["daisy:1", "-o", "no/such/folder/a.png"], "cannot be written"),
        (["daisy:1", "-n", "lite9"], "no network"),
    ],
)
def test_mistakes_are_told_without_a_traceback(monkeypatch, capsys, arguments, said, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["netlens", "activations", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    lines = capsys.readouterr().err.splitlines()  # of its progress before
    [told] = [line for line in lines if line.startswith("netlens: ")]
    assert ended.value.code == 2 and said in told and lines[-1] == told, lines
