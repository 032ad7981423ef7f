"""The rooms' rules, read from the sources: who may import whom."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from netlens_core.grading.sandbox.warm_process import IN_NOTEBOOKS, KIT

ROOT = Path(__file__).parents[1]


def imported(path: Path) -> set[str]:
    """Full names of all modules that a file imports, those imported inside functions included."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


def files(*patterns: str) -> list[Path]:
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    assert found, patterns
    return found


def forbidden(path: Path, *prefixes: str) -> set[str]:
    return {name for name in imported(path) if any(name == p or name.startswith(f"{p}.") for p in prefixes)}


@pytest.mark.parametrize("path", files("netlens_core/methods/*.py", "netlens_core/measures/*.py"), ids=str)
def test_methods_and_measures_know_nothing_of_grading(path):
    assert not forbidden(path, "netlens_core.grading", "netlens_core.cli")


@pytest.mark.parametrize("name", KIT)
def test_the_student_kit_stands_alone(name):
    kit = {f"netlens_core.{file.removesuffix('.py')}" for file in KIT} | {"netlens_core", "netlens_core.NetlensError"}
    ours = {name for name in imported(ROOT / "netlens_core" / name) if name.startswith("netlens_core")}
    assert {o for o in ours if o not in kit and o.rpartition(".")[0] not in kit - {"netlens_core"}} == set()


@pytest.mark.parametrize("path", files("netlens_core/grading/**/*.py"), ids=str)
def test_grading_never_imports_methods(path):
    assert not forbidden(path, "netlens_core.methods")


@pytest.mark.parametrize("path", files("graders/*.py"), ids=str)
def test_graders_import_measures_and_the_check_decorator_only(path):
    ours = {name for name in imported(path) if name.startswith("netlens_core")}
    decorator = {"netlens_core.grading.marking", "netlens_core.grading.marking.check"}
    assert all(name.startswith("netlens_core.measures") for name in ours - decorator), ours


@pytest.mark.parametrize("path", files("reference_solutions/**/*.py", "assignments/**/*.py"), ids=str)
def test_solutions_and_templates_use_the_student_kit_only(path):
    assert not forbidden(path, "netlens_core.grading", "netlens_core.measures", "netlens_core.methods")


@pytest.mark.parametrize("path", files("netlens_core/grading/sandbox/inside/*.py"), ids=str)
def test_what_runs_inside_the_sandbox_does_not_need_the_package(path):
    assert not forbidden(path, "netlens_core.grading")


@pytest.mark.parametrize("path", files("netlens/*.py"), ids=str)
def test_what_notebooks_import_knows_public_checks_only(path):
    assert not forbidden(path, "netlens_core.methods", "netlens_core.measures", "netlens_core.cli")
    assert path.name == "command.py" or not forbidden(path, "netlens_core.commands")
    hidden = (
        "course",
        "exercise",
        "judge",
        "forge",
        "inputs",
        "marking",
        "store",
        "gradebook",
        "pipeline",
        "thresholds",
    )
    assert not forbidden(path, *(f"netlens_core.grading.{name}" for name in hidden))


@pytest.mark.parametrize("name", IN_NOTEBOOKS)
def test_what_the_sandbox_shows_of_netlens_stands_alone(name):
    """Importing it needs nothing of netlens_core: the sandbox shows the student kit only."""
    body = ast.parse((ROOT / "netlens" / name).read_text()).body
    modules = {node.module or "" for node in body if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    assert {name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names} <= {"netlens.result"}
