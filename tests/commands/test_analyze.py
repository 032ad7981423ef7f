"""`netlens analyze` shows and writes tables, takes modules of one's own, and tells mistakes without a traceback."""

from __future__ import annotations

import csv
import json
import subprocess

import pytest
from typer.testing import CliRunner

from netlens_core import networks
from netlens_core.cli import app, main
from tests.quick_python import quick_python

OWN = """
import torch
from torch import nn

def make():
    print("made")
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 10))

def broken():
    raise RuntimeError("no such file")

number = lambda: 7

import dataclasses, sys
import beside_own

@dataclasses.dataclass
class Settings:
    width: "int" = 4

class Needs(nn.Module):
    def __init__(self, width, depth=3):
        super().__init__()

class Two(nn.Module):
    def forward(self, image, tokens):
        return beside_own.doubled(image).sum() + nn.functional.embedding(tokens, torch.ones(3, Settings().width)).sum()

instance = nn.Linear(4, 2)
class Exits(nn.Module):
    def __init__(self):
        sys.exit(4)
"""

LOUD = """
import atexit, os
from torch import nn

class Loud(nn.Module):
    def __init__(self):
        super().__init__()
        print("making")
        self.layer = nn.Linear(4, 2)
    def forward(self, x):
        print("computing")
        os.write(1, b"from C")
        return self.layer(x)

atexit.register(lambda: print("leaving"))
"""


def run(*arguments: object):
    done = CliRunner().invoke(app, ["analyze", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def mistake(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr("sys.argv", ["netlens", "analyze", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    lines = capsys.readouterr().err.splitlines()  # of its progress before
    [said] = [line for line in lines if line.startswith("netlens: ")]
    assert ended.value.code == 2 and lines[-1] == said, lines
    return said


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    (tmp_path / "beside_own.py").write_text("def doubled(x):\n    return 2 * x\n")
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


def test_what_a_module_prints_does_not_spoil_the_json(tmp_path):
    (tmp_path / "loud.py").write_text(LOUD)
    done = subprocess.run(
        [*quick_python(), "-m", "netlens_core.cli", "analyze", f"{tmp_path}/loud.py:Loud", "--input", "4", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["totals"]["multiply_adds"] == 8
    assert all(word in done.stderr for word in ("making", "computing", "from C", "leaving"))


def test_instances_several_inputs_and_whole_numbers(own):
    assert json.loads(run(f"{own}:instance", "--input", "4", "--json").stdout)["totals"]["parameters"] == 10
    data = json.loads(run(f"{own}:Two", "--input", "3x4x4", "--input", "6:int", "--json").stdout)
    assert [layer["activations"] for layer in data["layers"][:2]] == ["4x4x3", "1x1x6"]


def test_mistakes_in_the_users_file_end_in_one_line(monkeypatch, capsys, own, tmp_path):
    assert "did you mean Needs?" in mistake(monkeypatch, capsys, f"{own}:Neds", "--size", 8)
    assert "it has make, broken, number, Settings, Needs" in mistake(monkeypatch, capsys, f"{own}:zzz", "--size", 8)
    assert "is a class that needs width:" in mistake(monkeypatch, capsys, f"{own}:Needs", "--size", 8)
    assert "ends the program (sys.exit(4))" in mistake(monkeypatch, capsys, f"{own}:Exits", "--size", 8)
    assert "repeat --input" in mistake(monkeypatch, capsys, f"{own}:Two", "--input", "3x4x4")
    assert "say which module of the file" in mistake(monkeypatch, capsys, own)
    for text, said in (
        ("import no_such_module", "No module named"),
        ("import sys; sys.exit(5)", r"sys.exit(5)"),
        ("def f(:", "SyntaxError"),
        ("{}['key']", "KeyError: 'key'"),
    ):
        (tmp_path / "broken.py").write_text(text)
        assert said in mistake(monkeypatch, capsys, f"{tmp_path / 'broken.py'}:f", "--size", 8)


def test_weights_that_are_not_here_are_told_and_not_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("NETLENS_OFFLINE", "1")
    networks._load.cache_clear()
    done = run("squeezenet1_1", "--size", "227", "--json")
    layer = json.loads(done.stdout)["layers"][1]
    assert (layer["name"], layer["activations"]) == ("conv1", "113x113x64")
    said = done.stderr.replace("\n", " ")
    assert "With random weights, since the weights of squeezenet1_1 are not on this machine" in said
