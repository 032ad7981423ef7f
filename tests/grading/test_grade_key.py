"""What determines a grade: a positive list, in which comments, views and commands do not stand."""

from __future__ import annotations

import ast
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import netlens_core
from netlens_core.grading import grade_key as keys
from netlens_core.grading.exercise import CheckSpec, Exercise
from netlens_core.grading.grade_key import GRADING, PLUMBING, RUNNING, determinants, grade_key, running_key
from netlens_core.grading.inputs import with_recipes
from netlens_core.grading.sheets import ExerciseSheet
from netlens_core.grading.source_code import code_below, read_source, without_comments
from netlens_core.languages import Catalog

PACKAGE = Path(netlens_core.__file__).parent
SHEET = {
    "title": "Demo",
    "functions": {"f": {"arguments": {"image": "image"}, "returns": "image"}},
    "inputs": {
        "flower": {"draw": "daisy", "whose": "hidden"},
        "static": {"draw": "noise", "whose": "course", "category": "daisy"},
    },
}
GRADER = b'''
from netlens_core.grading.marking import check

@check(points=2)
def test_it(submission, expect):
    """It works."""
    expect("size", 1, at_least=1)  # a comment
'''


def exercise(sheet: dict = SHEET, grader: bytes = GRADER, secret: str = "s", weights: str = "w") -> Exercise:
    plain = Exercise(
        "demo",
        ExerciseSheet.model_validate(sheet),
        (CheckSpec("test_it", "It works.", 2.0, False),),
        {"test_demo.py": grader},
    )
    return with_recipes(replace(plain, template=b"# %%\nf = 1\n"), 7, secret, weights)


def key(**changed: object) -> str:
    base = dict(submission_sha256="s", exercise=exercise(), networks={"lite0": "f"}, seed=1, sandbox="full")
    return grade_key(**(base | changed))


OTHERS = {
    "bytes": dict(submission_sha256="x"),
    "weights": dict(networks={"lite0": "x"}),
    "seed": dict(seed=2),
    "sandbox": dict(sandbox="reduced"),
    "check's words": dict(exercise=exercise(grader=GRADER.replace(b"It works", b"It runs"))),
    "check's code": dict(exercise=exercise(grader=GRADER.replace(b"at_least=1", b"at_least=2"))),
    "what the grader imports": dict(exercise=exercise(grader=GRADER + b"\nimport netlens_core.methods.dream\n")),
    "a hidden input": dict(exercise=exercise(secret="x")),
    "what noise is forged with": dict(exercise=exercise(weights="x")),
    "functions": dict(exercise=exercise(SHEET | {"functions": {}})),
    "limits": dict(exercise=exercise(SHEET | {"limits": {"call_seconds": 17}})),
    "thresholds": dict(exercise=replace(exercise(), thresholds={"near": {"at_least": 1}})),
    "template": dict(exercise=replace(exercise(), template=b"# %%\nf = 2\n")),
    "language": dict(exercise=replace(exercise(), catalog=Catalog("cs"))),
    "what the exercise says": dict(
        exercise=replace(exercise(), catalog=Catalog("cs", messages={"It works.": ("Jde.",)}))
    ),
}


def test_each_thing_that_determines_a_grade_changes_its_key():
    found = [key(), *(key(**changed) for changed in OTHERS.values())]
    assert len(set(found)) == len(OTHERS) + 1
    assert key() == key()


def test_comments_answers_points_in_the_template_and_inputs_bytes_do_not():
    made = replace(exercise(), materials={"flower": b"\x89PNG", "static": b"\x89PNG other"})
    asked = SHEET | {"answers": {"why": {"question": "Why?"}}}
    pointed = replace(exercise(), template=b'# %% {"points": 3, "x": 1}\n')
    assert key(exercise=made) == key()
    assert (
        key(exercise=exercise(grader=GRADER.replace(b"# a comment", b"# another").replace(b"\n\n", b"\n\n\n"))) == key()
    )
    assert key(exercise=exercise(asked)) == key(
        exercise=exercise(asked | {"answers": {"why": {"question": "Why so?"}}})
    )
    assert key(exercise=pointed) == key(exercise=replace(pointed, template=b'# %% {"points": 2.5, "x": 1}\n'))


def test_versions_of_libraries_that_measure_and_of_netlens_count(monkeypatch):
    before = determinants("s", exercise(), {}, 1, "full")
    monkeypatch.setattr(netlens_core, "__version__", "99.0")
    monkeypatch.setattr(keys, "_versions", lambda names: {name: "99" for name in names})
    now = determinants("s", exercise(), {}, 1, "full")
    changed = {name for name in now if now[name] != before.get(name)}
    assert {"netlens", "library torch", "library numpy", "library timm", "library pillow"} <= changed
    assert not any("pytest" in name or "nbgrader" in name for name in now)


def test_where_weights_lie_is_no_part_of_it(monkeypatch, tmp_path):
    before = key()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"weights")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert key() == before


def test_no_grader_measures_with_what_may_be_missing():
    for path in (PACKAGE.parent / "graders").glob("test_*.py"):
        assert "perceptual_distance" not in path.read_text()


# -- the code that counts -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A copy of netlens's own modules."""
    copy = tmp_path_factory.mktemp("code") / "netlens_core"
    shutil.copytree(
        PACKAGE, copy, ignore=lambda _, names: [name for name in names if name in ("__pycache__", "locale")]
    )
    return copy


def code_of(package: Path, roots=GRADING) -> dict[str, str]:
    return dict(code_below(package, roots, [], PLUMBING).modules)


@pytest.fixture
def changed(package):
    """`changed(file, text)`: what else counts once a line is added to a file."""

    def digests(name: str, added: str, roots=GRADING) -> set[str]:
        path, before = package / name, code_of(package, roots)
        whole = path.read_text()
        try:
            path.write_text(whole + added)
            after = code_of(package, roots)
        finally:
            path.write_text(whole)
        return {module for module in before | after if before.get(module) != after.get(module)}

    return digests


VIEWS = (
    *("grading/exports/canvas.py", "grading/exports/scores.py", "grading/report/classroom.py", "grading/tables.py"),
    *("grading/nbgrader/book.py", "grading/nbgrader/views.py", "commands/export.py", "cli.py", "grading/collecting.py"),
    *("grading/roster.py", "grading/new_exercise.py", "grading/single.py", "grading/store.py", "grading/gradebook.py"),
    *("grading/release.py", "grading/sample.py", "methods/gan.py", "grading/files.py", "grading/pool.py"),
)


@pytest.mark.parametrize("name", VIEWS)
def test_a_changed_line_in_views_and_commands_is_no_reason_to_grade_again(changed, name):
    assert changed(name, "\nLINE = 1\n") == set()


@pytest.mark.parametrize(
    "name",
    [
        *("measures/style.py", "measures/similarity.py", "grading/values.py", "grading/judge.py", "grading/marking.py"),
        *("grading/pipeline.py", "grading/sandbox/session.py", "grading/sandbox/inside/student.py", "networks.py"),
        *("images.py", "daisies.py", "grading/forge.py", "grading/restoring.py", "grading/inputs.py"),
    ],
)
def test_a_changed_line_in_what_runs_measures_and_scores_is_one_and_a_comment_is_none(changed, name):
    assert changed(name, "\nLINE = 1\n") == {name}
    assert changed(name, "\n# a comment\n") == set()


def test_what_a_submission_returned_does_not_depend_on_what_measures(changed):
    assert changed("measures/style.py", "\nLINE = 1\n", RUNNING) == set()
    assert changed("grading/judge.py", "\nLINE = 1\n", RUNNING) == set()
    assert changed("grading/sandbox/inside/student.py", "\nLINE = 1\n", RUNNING) == {
        "grading/sandbox/inside/student.py"
    }


def test_the_key_of_what_was_returned():
    def running(**changed: object) -> str:
        base = dict(submission_sha256="s", exercise=exercise(), networks={"lite0": "f"}, seed=1, sandbox="full")
        made = base | changed
        return running_key(determinants(**made), made["exercise"])

    judged = ("check's words", "check's code", "what the grader imports", "thresholds", "what the exercise says")
    for name, change in OTHERS.items():
        if name == "what the exercise says":
            assert running(**change) == running(**OTHERS["language"])
        else:
            assert (running(**change) == running()) == (name in judged), name


def test_comments_and_docstrings_are_left_out_and_nothing_else():
    source = '''"""Module."""
import os  # why
class A:
    """Class."""
    text = "# no comment"
    def f(self):
        """Doc."""; return 1
    def g(self):
        \'\'\'Doc
        of two lines.\'\'\'
        return f"{self.text!r} # {'#'}" + """
# inside

a text"""
@check(points=1)
def test_it():
    """Read by students."""
'''
    left = without_comments(source, ast.parse(source))
    assert "why" not in left and "Module" not in left and "Class." not in left and "of two lines" not in left
    for kept in ("# no comment", "Read by students.", "return 1", "# inside\\n\\na text", "# {"):
        assert kept in left, kept
    assert read_source(source.encode()).digest == read_source(source.replace("# why", "").encode()).digest
    assert read_source(source.encode()).digest != read_source(source.replace("\n\na text", "\na text").encode()).digest
    assert read_source(b"def (").digest != read_source(b"def ((").digest


def test_imports_for_type_checkers_do_not_count():
    source = b"""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import netlens_core.cli
else:
    import netlens_core.images
def f():
    from netlens_core.grading import judge
"""
    assert set(read_source(source).imports) == {
        "typing.TYPE_CHECKING",
        "netlens_core.images",
        "netlens_core.grading.judge",
    }
