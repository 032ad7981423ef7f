"""`netlens classify` ranks, compares networks, calibrates on labelled pictures; mistakes bring no traceback."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from netlens_core.cli import app, main
from netlens_core.commands.classify import bar
from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image, save_image


def run(*arguments: object):
    done = CliRunner().invoke(app, ["classify", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def test_a_batch_on_two_networks(lite0, squeezenet, tmp_path):
    photo = tmp_path / "photo.png"
    save_image(draw_daisy(9, 300).image, photo)
    output = tmp_path / "bars.png"
    told = json.loads(
        run("daisy:7", photo, "-n", "efficientnet_lite0", "-n", "squeezenet1_1", "-k", 3, "-o", output, "--json").stdout
    )
    assert [image["image"] for image in told["images"]] == ["daisy:7", str(photo)]
    for answer in told["images"]:
        assert [said["network"] for said in answer["networks"]] == ["efficientnet_lite0", "squeezenet1_1"]
        assert all(len(said["top"]) == 3 and said["top"][0]["category"] == "daisy" for said in answer["networks"])
        assert answer["agreement"]["winner"] == "daisy" and answer["agreement"]["votes"] == 2
    own = lite0.classify(load_image(photo), 1)[0][1]
    assert told["images"][1]["networks"][0]["top"][0]["probability"] == pytest.approx(own, abs=1e-3)
    assert load_image(tmp_path / "bars-1.png").shape[2] > load_image(tmp_path / "bars-2.png").shape[1]
    shown = run("daisy:7", "-n", "efficientnet_lite0", "-n", "squeezenet1_1").stdout
    assert "2 of 2 networks say daisy" in shown and "chance is 0.1%" in shown


def test_calibrated_beside_raw(lite0, tmp_path):
    for category, seeds in (("daisy", range(4)), ("bee", range(4, 6))):
        folder = tmp_path / category
        folder.mkdir()
        for seed in seeds:
            save_image(draw_daisy(seed).image, folder / f"{seed}.png")
    told = json.loads(run("daisy:7", "--calibrate", tmp_path, "--json").stdout)
    (fit,) = told["calibration"]
    # A third of the labels is wrong, so that a sure network must be cooled down.
    assert fit["images"] == 6 and fit["accuracy"] == pytest.approx(4 / 6) and fit["temperature"] > 1.2
    best = told["images"][0]["networks"][0]["top"][0]
    assert best["calibrated"] < best["probability"]
    assert "calibrated" in run("daisy:7", "--calibrate", tmp_path).stdout


def test_a_folder_of_pictures_as_people_have_them(lite0, tmp_path, monkeypatch, capsys):
    flower = Image.fromarray((255 * draw_daisy(7, 300).image).round().byte().permute(1, 2, 0).numpy())
    flower.convert("CMYK").save(tmp_path / "a.tif")
    flower.convert("RGBA").save(tmp_path / "b.gif")
    (tmp_path / "c.png").write_bytes(b"junk")
    (tmp_path / "d.jpg").write_bytes(b"")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    done = run(tmp_path, "--json")  # what lies in a folder only is told
    told = json.loads(done.stdout)
    assert [image["image"].rpartition("/")[2] for image in told["images"]] == ["a.tif", "b.gif"]
    assert all(image["networks"][0]["top"][0]["category"] == "daisy" for image in told["images"])
    assert "CMYK" in told["notes"][0] and "c.png is no PNG" in told["notes"][1] and "d.jpg is empty" in told["notes"][1]
    assert "CMYK" in done.stderr and "d.jpg is empty" in done.stderr
    named = CliRunner().invoke(app, ["classify", str(tmp_path / "c.png"), "daisy:7", "--json"])
    assert named.exit_code == 1 and len(json.loads(named.stdout)["images"]) == 1 and "c.png" in named.stderr
    monkeypatch.setattr("sys.argv", ["netlens", "classify", str(tmp_path / "c.png"), str(tmp_path / "d.jpg")])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "c.png is no PNG" in said and "d.jpg is empty" in said


def test_bars_are_to_scale():
    assert bar(0) == "·" * 20 and bar(1) == "█" * 20 and bar(0.5) == "█" * 10 + "·" * 10
    assert bar(0.025) == "▌" + "·" * 19 and all(len(bar(p / 97)) == 20 for p in range(98))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["daisy:1", "-k", "1001"], "1000 categories"),
        (["daisy:1", "--calibrate", "nowhere"], "no folder"),
        (["daisy:1", "--calibrate", "."], "no category 'unicorn'"),
        (["daisy:1", "-o", "a.gif"], "PNG"),
        (["nothing.png"], "cannot be read"),
        (["daisy:1", "-n", "lite9"], "no network"),
    ],
)
def test_mistakes_are_told_without_a_traceback(monkeypatch, capsys, tmp_path, arguments, said):
    (tmp_path / "unicorn").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["netlens", "classify", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    lines = capsys.readouterr().err.splitlines()  # of its progress before
    [told] = [line for line in lines if line.startswith("netlens: ")]
    assert ended.value.code == 2 and said in told and lines[-1] == told, lines
