"""What templates say about limits is what `exercise.yaml` says, and enough for every call at its own limit."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.templates import languages, template_notebook

ASSIGNMENTS = Path(__file__).parents[2] / "assignments"
SLUGS = sorted(path.parent.name for path in ASSIGNMENTS.glob("*/exercise.yaml"))
IN_ALL = re.compile(r"Running the notebook and the (\d+) calls of grading take at most ([\d.]+) seconds in all\.")


def sheet_of(slug: str) -> dict:
    return yaml.safe_load((ASSIGNMENTS / slug / "exercise.yaml").read_text())


def docstrings(slug: str) -> dict[str, str]:
    """Function -> what its template says of it, in one line."""
    tree = ast.parse((ASSIGNMENTS / slug / "template.py").read_text())
    functions = sheet_of(slug)["functions"]
    found = [part for part in tree.body if isinstance(part, ast.FunctionDef) and part.name in functions]
    assert {part.name for part in found} == set(functions)
    return {part.name: " ".join((ast.get_docstring(part) or "").split()) for part in found}


@pytest.mark.parametrize("slug", SLUGS)
def test_a_template_tells_the_limit_of_a_call_and_that_of_all(slug):
    limits, told = Limits(**sheet_of(slug)["limits"]), docstrings(slug)
    for function, text in told.items():
        assert f"Takes at most {limits.call_seconds:g} seconds" in text, function
    [(calls, in_all)] = IN_ALL.findall(" ".join(told.values()))
    assert float(in_all) == limits.total_seconds
    enough = limits.start_seconds + int(calls) * limits.call_seconds
    assert enough <= limits.total_seconds < enough + limits.call_seconds


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("language", ["en", "cs"])
def test_no_text_of_a_template_tells_another_limit(slug, language):
    """Markdown is written in each language by itself, so it goes out of date by itself."""
    assert language in languages(ASSIGNMENTS / slug / "template.py")
    limits = Limits(**sheet_of(slug)["limits"])
    known = {f"{limits.call_seconds:g}", f"{limits.total_seconds:g}"}
    text = " ".join(template_notebook(ASSIGNMENTS / slug / "template.py", language).decode().split())
    said = re.findall(r"(?:up to|at most|nejvýš|nejvýše|maximálně) (\d+) (?:seconds|sekund)", text)
    assert said and set(said) <= known, said
