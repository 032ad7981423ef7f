"""The container image is built from files that are there, with what grading needs; it is not built here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "Containerfile").read_text().replace("\\\n", " ").splitlines()


def copied() -> list[str]:
    return [word for line in LINES if line.startswith("COPY ") for word in line.split()[1:-1]]


@pytest.mark.parametrize("name", copied())
def test_what_is_copied_is_there_and_sent(name):
    assert (ROOT / name).exists()
    for ignore in (".containerignore", ".dockerignore"):
        assert f"!{name.split('/')[0]}" in (ROOT / ignore).read_text().splitlines()


def test_the_image_has_all_that_a_wheel_has():
    wheel = re.search(r"only-include = \[(.*)\]", (ROOT / "pyproject.toml").read_text())
    assert wheel is not None
    assert {name.strip(' "') for name in wheel[1].split(",")} | {"course.yaml"} <= set(copied())


def test_it_grades_as_an_ordinary_user_with_bubblewrap():
    users = [line.split()[1] for line in LINES if line.startswith("USER ")]
    assert users and users[-1] not in ("root", "0")
    assert any("bubblewrap" in line for line in LINES if line.startswith("RUN "))
