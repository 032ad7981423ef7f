"""Exercises tried through their own graders, in this process: references, other tools, and everything between."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from netlens_core.grading.course import Course, cache_folder
from netlens_core.grading.exercise import Exercise, read_exercise
from netlens_core.grading.grade import Check
from netlens_core.grading.inputs import CourseNetworks, all_inputs, with_materials
from netlens_core.grading.templates import solved_notebook
from netlens_core.grading.thresholds import read_thresholds, requirements, thresholds_path
from netlens_core.grading.trusted import Judges, judged, ran

ROOT = Path(__file__).parents[2]
JURY = ("efficientnet_lite1", "efficientnet_lite2")


class Trying:
    """An exercise with one target network and one draw of its inputs.

    `mark(functions)` gives check name -> Check for functions (and `answers`) by name; `reference()` gives those of
    the reference solution.
    """

    def __init__(self, slug: str, target: str = "efficientnet_lite0", number: int = 0) -> None:
        self.slug, self.seed = slug, 1000 + number
        self.judges = Judges.load(target, JURY)
        self.exercise = self._exercise(target, number)
        self.inputs = all_inputs(self.exercise, self.seed)

    def _exercise(self, target: str, number: int) -> Exercise:
        graders = ROOT / "graders"
        found = requirements(
            read_thresholds(graders, self.slug), target, thresholds_path(graders, self.slug), self.slug
        )
        plain = replace(read_exercise(self.slug, ROOT / "assignments", graders), thresholds=found)
        prints = {network.name: network.fingerprint for network in (self.judges.target, *self.judges.jury.networks)}
        networks = CourseNetworks(target, JURY, prints)
        if (self.slug, target) == ("adversarial", "squeezenet1_1"):
            plain = _with_teapots(plain)
        return with_materials(plain, Course.shipped().sheet.seed, f"try {number}", networks, cache_folder() / "tries")

    def mark(self, names: Mapping[str, Callable[..., Any] | Any]) -> dict[str, Check]:
        checks, _ = judged(self.exercise, names, self.judges, self.seed)
        faults = [check.fault for check in checks.values() if check.fault]
        assert not faults, faults[0]
        return checks

    @staticmethod
    def lost(checks: Mapping[str, Check]) -> dict[str, str]:
        """Checks that did not earn all their points, with why; those that a person marks are left out."""
        return {
            name: "; ".join([check.message, *(f"{m.name} {m.value}" for m in check.measurements if m.credit < 1)])
            for name, check in checks.items()
            if check.points < check.max_points and check.status != "needs_manual_grade"
        }

    def points_along(self, solutions: Iterable[Mapping[str, Any]]) -> list[float]:
        """Points of each of several solutions, from a wrong one to the reference, say."""
        return [sum(check.points for check in self.mark(names).values()) for names in solutions]

    def reference(self) -> dict[str, Any]:
        solution = ROOT / "reference_solutions" / self.slug / "reference.py"
        data = solved_notebook(ROOT / "assignments" / self.slug / "template.py", solution)
        with ran(_untried(data), f"{self.slug}.ipynb", self.exercise, self.seed) as names:
            return names


def _with_teapots(exercise: Exercise) -> Exercise:
    """Graders do not ask what noise is taken for, and for SqueezeNet a flamingo takes a minute to forge."""
    inputs = {
        name: spec.model_copy(update={"category": "teapot"}) if spec.draw == "noise" else spec
        for name, spec in exercise.sheet.inputs.items()
    }
    return replace(exercise, sheet=exercise.sheet.model_copy(update={"inputs": inputs}))


def _untried(data: bytes) -> bytes:
    """A solved notebook without the cells that try out what is solved in it: for some that is most of the work."""
    notebook = nbformat.reads(data.decode(), as_version=4)
    trees = {cell.id: ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"}
    solutions = {cell.id for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")}
    solved = {part.name for name in solutions for part in trees[name].body if isinstance(part, ast.FunctionDef)}

    def tries(tree: ast.Module) -> bool:
        loose = [part for part in tree.body if not isinstance(part, ast.FunctionDef | ast.ClassDef)]
        names = {node.id for part in loose for node in ast.walk(part) if isinstance(node, ast.Name)}
        return bool(names & solved)

    kept = solutions | {name for name, tree in trees.items() if not tries(tree)}
    notebook.cells = [cell for cell in notebook.cells if cell.id in kept]
    return nbformat.writes(notebook).encode()


@pytest.fixture(scope="session")
def trying() -> Callable[..., Trying]:
    """`trying("dream", target="squeezenet1_1", number=3)`, made once a session."""
    made: dict[tuple[Any, ...], Trying] = {}

    def make(slug: str, target: str = "efficientnet_lite0", number: int = 0) -> Trying:
        key = (slug, target, number)
        if key not in made:
            made[key] = Trying(*key)
        return made[key]

    return make
