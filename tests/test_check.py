"""A student's own check: the public checks as they were handed out, on every system."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from netlens_core.daisies import draw_daisy
from netlens_core.grading import self_check as self_check_module
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.sandbox.levels import best_level
from netlens_core.grading.self_check import self_check
from netlens_core.grading.templates import solved_notebook, template_notebook
from netlens_core.images import load_image, save_image

ROOT = Path(__file__).parents[1]
PUBLIC = ["test_what_is_it", "test_number_of_categories", "test_other_images"]


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A student's folder, with the picture of the exercise."""
    save_image(draw_daisy(1).image, tmp_path / "what_is_it.png")
    return tmp_path


def with_answer(source: str) -> bytes:
    """The notebook as handed out, `classify` replaced, one check made harmless, one deleted."""
    notebook = json.loads(template_notebook(ROOT / "assignments" / "noise" / "template.py"))
    for cell in notebook["cells"]:
        if cell["id"] == "classify":
            cell["source"] = source
        if cell["id"] == "test_number_of_categories":
            cell["source"] = "print('all is well')"
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "test_other_images"]
    return json.dumps(notebook).encode()


@pytest.mark.slow
def test_the_reference_passes_and_its_pictures_are_written(beside):
    template, solution = ROOT / "assignments" / "noise" / "template.py", ROOT / "reference_solutions" / "noise"
    (beside / "noise.ipynb").write_bytes(solved_notebook(template, solution / "reference.py"))
    command = [sys.executable, "-m", "netlens_core.cli", "check", str(beside / "noise.ipynb"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout)
    assert [(check["name"], check["passed"]) for check in found["checks"]] == [(name, True) for name in PUBLIC]
    assert found["passed"] and "as it should be" in found["checks"][0]["printed"]
    [picture] = found["checks"][2]["pictures"]
    assert min(load_image(picture).shape) == 3 and Path(picture).parent == beside / "noise-check"
    assert "image/png" in (beside / "noise-check" / "noise.ipynb").read_text()


@pytest.mark.slow
def test_checks_that_were_changed_or_deleted_are_run_as_they_were_handed_out(beside):
    (beside / "noise.ipynb").write_bytes(
        with_answer("def classify(network, image, k=5): return network.classify(image, 5)")
    )
    found = self_check(Course.shipped(), beside / "noise.ipynb")
    assert [check.passed for check in found.checks] == [True, False, True]
    assert found.checks[1].message == "1 categories were asked for" and not found.passed
    assert found.checks[1].title == "as many as asked for"


@pytest.mark.slow
def test_a_notebook_that_ends_its_process_is_told_and_what_ran_before_counts(beside):
    source = "import os\ndef classify(network, image, k=5):\n"
    source += "    return network.classify(image, k) if k == 5 else os._exit(0)"
    (beside / "mine.ipynb").write_bytes(with_answer(source))
    found = self_check(Course.shipped(), beside / "mine.ipynb", "noise")
    assert [check.passed for check in found.checks] == [True, False, False]
    assert found.message == "The notebook ended its own process."
    assert found.checks[1].message == "Not reached. The notebook ended its own process."


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("noise.ipynb", "noise"),
        ("noise (1).ipynb", "noise"),
        ("Noise_Žofie-2.ipynb", "noise"),
        ("Untitled.ipynb", "noise"),  # by its cells
        ("cam and noise.ipynb", "noise"),  # as well: the name tells two
        ("cam.ipynb", "cam"),  # whoever says so is believed, and told what is missing
    ],
)
def test_the_exercise_of_a_file_with_another_name_is_found(tmp_path, name, meant):
    (tmp_path / name).write_bytes(template_notebook(ROOT / "assignments" / "noise" / "template.py"))
    assert self_check_module._meant(Course.shipped(), tmp_path / name) == meant


def test_an_exercise_that_nothing_tells_is_asked_for(tmp_path):
    for content in (b"{}", b"\x00", json.dumps({"cells": [{"cell_type": "code", "source": "x = 1"}]}).encode()):
        (tmp_path / "camera.ipynb").write_bytes(content)
        assert self_check_module._meant(Course.shipped(), tmp_path / "camera.ipynb") == "camera"


def test_a_wrecked_notebook_keeps_its_language(tmp_path):
    notebook = template_notebook(ROOT / "assignments" / "noise" / "template.py", "cs").decode()
    conflict = notebook.replace(' "cells": [', '<<<<<<< HEAD\n "cells": [\n=======\n "cells": [\n>>>>>>> x', 1)
    assert conflict != notebook
    for data in (notebook.encode("utf-16"), conflict.encode(), notebook.replace("\n", "\r\n").encode("utf-8-sig")):
        (tmp_path / "noise.ipynb").write_bytes(data)
        assert self_check_module.written_in(tmp_path / "noise.ipynb") == "cs"
    odd = json.loads(notebook) | {"metadata": {"netlens": {"language": "xx"}}}
    for data in (json.dumps(odd).encode(), b"\x00", b"", b'{"netlens": "cs"}'):
        (tmp_path / "noise.ipynb").write_bytes(data)
        assert self_check_module.written_in(tmp_path / "noise.ipynb") is None


@pytest.mark.parametrize(
    ("name", "content", "slug", "said"),
    [
        ("mine.ipynb", b"{}", None, "name one with --exercise"),
        ("noise.ipynb", b"{", None, "cut off"),
        ("absent.ipynb", None, "noise", "cannot be read"),
        ("noise.py", b"x = 1", None, "what_is_it.png is missing beside the notebook"),
    ],
)
def test_mistakes_are_told_in_words(tmp_path, name, content, slug, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CourseError, match=said):
        self_check(Course.shipped(), tmp_path / name, slug)


# -- other systems ---------------------------------------------------------------------------------------

LINUX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios"}


@pytest.mark.parametrize("path", sorted((ROOT / "netlens_core").rglob("*.py")), ids=str)
def test_no_module_needs_linux_to_be_imported(path):
    """Only what runs inside the sandbox, which is never imported elsewhere, may."""
    if path.name == "confine.py":
        return
    tree = ast.parse(path.read_text())
    names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not names & LINUX_ONLY


@pytest.mark.parametrize(("platform", "name"), [("darwin", "macOS"), ("win32", "Windows")])
def test_grading_elsewhere_says_why_not_and_where(monkeypatch, platform, name):
    monkeypatch.setattr(sys, "platform", platform)
    best_level.cache_clear()
    level, reason = best_level()
    best_level.cache_clear()
    assert level == "none" and name in reason and "Containerfile" in reason and "netlens check" in reason
    assert (ROOT / "Containerfile").is_file()
