"""`netlens analyze` shows and writes tables, takes modules of one's own, and tells mistakes without a traceback."""

from __future__ import annotations

import csv
import json

import pytest
from typer.testing import CliRunner

from netlens_core import networks
from netlens_core.cli import app, main

OWN = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 10))

def broken():
    raise RuntimeError("no such file")

number = lambda: 7
"""


def run(*arguments: object):
    done = CliRunner().invoke(app, ["analyze", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def mistake(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr("sys.argv", ["netlens", "analyze", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = " ".join(capsys.readouterr().err.split())  # a terminal may wrap it
    assert ended.value.code == 2 and said.startswith("netlens: ") and "Traceback" not in said, said
    return said


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_the_classic_table_from_the_shell(squeezenet, tmp_path):
    page, rows = tmp_path / "page.html", tmp_path / "rows.csv"
    done = run("squeezenet1_1", "--size", 227, "--html", page, "--csv", rows)
    assert "fire2-squeeze1x1" in done.stdout and "Weights 3x3x3x64 Bias 1x1x64" in done.stdout
    assert "68 layers, 1,235,496 learnables" in done.stdout
    assert "<svg" in page.read_text()
    with rows.open() as file:
        assert len(list(csv.DictReader(file))) == 68


def test_a_module_of_ones_own_as_json(own):
    data = json.loads(run(f"{own}:make", "--input", "3x16x16", "--json").stdout)
    assert [layer["name"] for layer in data["layers"]] == ["input", "0", "1", "2", "3"]
    assert data["totals"]["parameters"] == 3 * 4 * 9 + 4 + 7840 + 10


def test_untrained_architectures_need_no_weights():
    data = json.loads(run("alexnet", "--untrained", "--json").stdout)
    assert data["layers"][1]["name"] == "conv1" and data["layers"][-1]["type"] == "Classification Output"


def test_units_that_never_fire_on_a_picture(squeezenet):
    data = json.loads(run("squeezenet1_1", "--image", "daisy:1", "--image", "daisy:2", "--json").stdout)
    assert any("never fire" in warning for warning in data["warnings"])


def test_mistakes_are_told_without_a_traceback(monkeypatch, capsys, own, tmp_path):
    assert "3 (layer 5, linear)" in mistake(monkeypatch, capsys, f"{own}:make", "--input", "3x20x20")
    assert "--input" in mistake(monkeypatch, capsys, f"{own}:make")
    assert "3x64x64" in mistake(monkeypatch, capsys, f"{own}:make", "--input", "3xbig")
    assert "no such file" in mistake(monkeypatch, capsys, f"{own}:broken", "--size", 8)
    assert "int" in mistake(monkeypatch, capsys, f"{own}:number", "--size", 8)
    assert "no 'nothing'" in mistake(monkeypatch, capsys, f"{own}:nothing", "--size", 8)
    assert "no file" in mistake(monkeypatch, capsys, f"{tmp_path}/none.py:make", "--size", 8)
    assert "no network" in mistake(monkeypatch, capsys, "squeezenot")
    assert "cannot be written" in mistake(
        monkeypatch, capsys, f"{own}:make", "--size", 16, "--html", tmp_path / "no" / "page.html"
    )


def test_weights_that_are_not_here_are_told_and_not_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("NETLENS_OFFLINE", "1")
    networks._load.cache_clear()
    done = run("squeezenet1_1", "--size", "227", "--json")
    layer = json.loads(done.stdout)["layers"][1]
    assert (layer["name"], layer["activations"]) == ("conv1", "113x113x64")
    said = done.stderr.replace("\n", " ")
    assert "With random weights, since the weights of squeezenet1_1 are not on this machine" in said
