"""docs/maintainers.md is true: its files are written and its commands run, in the page's order, in a new course.

A file is a fenced block below a line with its name in bold; a `console` block holds commands after `$ ` and, below
each, lines that it prints, among others; `…` in them stands for anything.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.quick_python import quick_python

PAGE = Path(__file__).parents[1] / "docs" / "maintainers.md"
_FENCED = re.compile(
    r"(?:^\*\*(?P<file>[\w./-]+)\*\*\n+)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_FAILS = re.compile(r"  # exit status (\d+)$")


@dataclass
class Command:
    """A command of the page with the lines that it has to print."""

    line: str
    status: int = 0
    shown: list[str] = field(default_factory=list)


def steps(page: str) -> list[tuple[str, str] | Command]:
    """The page's files, as (name, text), and its commands, in order."""
    found: list[tuple[str, str] | Command] = []
    for block in _FENCED.finditer(page):
        if block["file"]:
            found.append((block["file"], block["text"]))
        elif block["kind"] == "console":
            found += commands(block["text"])
    return found


def commands(block: str) -> list[Command]:
    found: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            fails = _FAILS.search(line)
            found.append(Command(_FAILS.sub("", line[2:]).strip(), int(fails[1]) if fails else 0))
        elif line.strip() not in ("", "…"):
            found[-1].shown.append(line)
    return found


def missing(shown: list[str], printed: str) -> list[str]:
    """The shown lines that were not printed."""
    return [line for line in shown if not re.search(_pattern(line), " ".join(printed.split()))]


def _pattern(line: str) -> str:
    """Any space stands for any other: tables are as wide as their terminal."""
    return ".*?".join(re.escape(" ".join(part.split())) for part in line.split("…"))


@pytest.mark.slow
def test_every_command_of_the_walkthrough_does_what_the_page_shows(tmp_path):
    folder = tmp_path / "course"
    folder.mkdir()
    environment, core = _environment(tmp_path), str(random.choice(sorted(os.sched_getaffinity(0))))
    for step in steps(PAGE.read_text(encoding="utf-8")):
        if isinstance(step, tuple):
            path = folder / step[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step[1], encoding="utf-8")
            continue
        done = subprocess.run(
            ["taskset", "--cpu-list", core, "sh", "-c", step.line],  # one worker: each has to begin
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        printed = f"{done.stdout}\n{done.stderr}"
        assert done.returncode == step.status, f"$ {step.line}\n{printed}"
        assert missing(step.shown, printed) == [], f"$ {step.line}\n{printed}"


def _environment(folder: Path) -> dict[str, str]:
    """One in which `netlens` and `python` are ours."""
    tools = folder / "bin"
    tools.mkdir()
    for name, command in {"netlens": "-m netlens_core.cli", "python": ""}.items():
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(quick_python())} {command} "$@"\n')
        script.chmod(0o755)
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    root = os.pathsep.join(filter(None, [str(PAGE.parents[1]), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PATH": path, "PYTHONPATH": root, "COLUMNS": "160", "OMP_NUM_THREADS": "1"}


def test_the_page_has_a_whole_exercise():
    found = steps(PAGE.read_text(encoding="utf-8"))
    files = [step[0] for step in found if isinstance(step, tuple)]
    lines = [step.line for step in found if isinstance(step, Command)]
    assert len([name for name in files if "/wrong/" in name]) >= 6
    for part in ("exercise.yaml", "template.py", "reference.py", "test_occlusion.py", "occlusion.yaml", "cs.po"):
        assert any(name.endswith(f"/{part}") for name in files)
    for command in ("new-exercise", "calibrate", "verify", "grade-file", "release", "check"):
        assert any(line.startswith(f"netlens {command} ") for line in lines)


def test_what_a_page_shows_is_looked_for():
    page = "**a/b.py**\n\n```python\nx = 1\n```\n\n```console\n$ run it  # exit status 1\nfirst …\n…\nlast\n```\n"
    assert steps(page) == [("a/b.py", "x = 1\n"), Command("run it", 1, ["first …", "last"])]
    assert missing(["first … 3", "last"], "first  2\n 3\nlast") == []
    assert missing(["first … 3", "nobody"], "first 2") == ["first … 3", "nobody"]
