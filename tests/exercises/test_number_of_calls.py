"""Graders call as often as their template says: those whose calls take long, over functions that take no time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from netlens_core.grading import judge

TEMPLATES = Path(__file__).parents[2] / "assignments"
STAND_INS = {
    "style": {"stylize": lambda network, content, style: content},
    "gan": {
        "train": lambda images: [{"generator": 1.0, "discriminator": 1.0}] * 200,
        "sample": lambda count: torch.rand(count, 1, 8, 8),
    },
    "cam": {"class_activation_map": lambda network, image, category: torch.rand(image.shape[1:])},
}


@pytest.mark.slow
@pytest.mark.parametrize("slug", STAND_INS)
def test_grading_calls_as_often_as_the_template_says(trying, monkeypatch, slug):
    # Also the checks that are skipped where one before them failed.
    monkeypatch.setattr(judge._Plugin, "pytest_runtest_setup", lambda self, item: None)
    calls = []

    def counted(name, function):
        return lambda *arguments: (calls.append(name), function(*arguments))[1]

    trying(slug).mark({name: counted(name, function) for name, function in STAND_INS[slug].items()})
    said = re.search(r"the (\d+) calls of grading", (TEMPLATES / slug / "template.py").read_text())
    assert said and len(calls) == int(said[1])
