"""What students' own commands and the panel in a notebook say: no word of it escapes translation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from netlens.command import app
from netlens.panel import as_html, as_text
from netlens.result import CheckResult
from netlens_core.grading.public_checks import PublicCheck
from netlens_core.grading.self_check import SelfCheck
from netlens_core.images import encode_png
from netlens_core.languages import Catalog
from netlens_core.messages import own_texts
from tests.languages.test_czech_reports import Words

ROOT = Path(__file__).parents[2]
PICTURE = encode_png(torch.zeros(3, 8, 8))
CHECKS = (
    PublicCheck("§", "§", True, 2.0, 2.0, "", "§", (PICTURE,)),
    PublicCheck("§", "", False, 0.0, 3.0, "§", "", ()),
)
INPUTS = {"flower": {"draw": "daisy", "size": 32, "file": "1.png"}}


@pytest.fixture
def masked(monkeypatch):
    """Every text of ours is said without its letters, whatever the language."""
    messages = {
        text.one: tuple(re.sub(r"[A-Za-z]+(?![^{]*})", "·", form) for form in (text.one, text.many or text.one))
        for text in own_texts(ROOT).texts.values()
    }
    monkeypatch.setattr("netlens_core.languages.own_catalog", lambda language: Catalog("cs", "n != 1", messages))


def left(said: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]{2,}", said))


def test_the_panel_in_a_notebook(masked):
    result = CheckResult("§", "§", CHECKS, "cs")
    assert left(" ".join(Words(as_html(result)).words)) == left(as_text(result)) == set()


def test_netlens_check(masked, monkeypatch, tmp_path):
    found = SelfCheck("§", "§", CHECKS, ((3, "§"),), "§", ("§",), b"{}", "cs")
    monkeypatch.setattr("netlens_core.grading.self_check.self_check", lambda *given: found)
    done = CliRunner().invoke(app, ["check", "1.ipynb", "--output", str(tmp_path)])
    assert done.exit_code == 1 and "§" in done.output
    assert left(done.output.replace(str(tmp_path), "").replace("\n", "")) == set()


@pytest.mark.parametrize(
    ("exercise", "student", "facts"),
    [
        ("1", "2", {"exercise": "1", "course_seed": 7, "inputs": INPUTS}),
        ("1", "2", {"exercise": "1", "course_seed": 7, "inputs": {}}),
        ("1", "", {"exercise": "1", "course_seed": 7, "inputs": INPUTS}),
        ("1", "2/3", {"exercise": "1", "course_seed": 7, "inputs": INPUTS}),
        ("1", "2" * 201, {"exercise": "1", "course_seed": 7, "inputs": INPUTS}),
        ("1", "2", {"exercise": "3"}),
        ("1", "2", {"exercise": "1"}),
        ("1", "2", []),
        ("1", "2", None),
    ],
)
def test_netlens_inputs(masked, monkeypatch, tmp_path, exercise, student, facts):
    monkeypatch.chdir(tmp_path)
    if facts is not None:
        Path("inputs.json").write_text(json.dumps(facts))
    done = CliRunner().invoke(app, ["inputs", exercise, "--student", student])
    said = done.output + str(done.exception or "")
    assert "·" in said and left(said) <= {"inputs", "json", "png"}, said


def test_netlens_inputs_speaks_the_notebooks_language_or_another(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("inputs.json").write_text(json.dumps({"exercise": "demo", "course_seed": 7, "inputs": INPUTS}))
    command = ["inputs", "demo", "--student", "ada"]
    assert "Written: 1.png" in CliRunner().invoke(app, command).output
    assert "Zapsáno: 1.png" in CliRunner().invoke(app, [*command, "--language", "cs"]).output
    Path("demo.ipynb").write_text(json.dumps({"metadata": {"netlens": {"language": "cs"}}}))
    assert "Zapsáno: 1.png" in CliRunner().invoke(app, command).output
    assert "Written: 1.png" in CliRunner().invoke(app, [*command, "--language", "en"]).output
