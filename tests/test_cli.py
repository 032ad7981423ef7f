"""The command line as its users meet it: a class graded end to end, and every mistake told in one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from netlens_core.grading.sample import build_sample_course

slow = pytest.mark.slow
ROOT = Path(__file__).parents[1]
SMALL = ["noise", "activations"]


def netlens(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netlens_core.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, **environment})


def sample_course(folder: Path) -> Path:
    """The sample course, with what is dear in `noise` made cheap: daisies need no forging, endless loops end sooner."""
    build_sample_course(folder, SMALL)
    shutil.copytree(ROOT / "assignments" / "noise", folder / "assignments" / "noise")
    (folder / "graders").mkdir()
    for name in ("conftest.py", "test_noise.py"):
        shutil.copy(ROOT / "graders" / name, folder / "graders" / name)
    path = folder / "assignments" / "noise" / "exercise.yaml"
    sheet = yaml.safe_load(path.read_text())
    sheet["inputs"] = {name: {**spec, "draw": "daisy", "category": None} for name, spec in sheet["inputs"].items()}
    sheet["limits"]["call_seconds"] = 2
    path.write_text(yaml.safe_dump(sheet))
    return folder


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    """The sample course, graded once."""
    folder = sample_course(tmp_path_factory.mktemp("course") / "sample")
    done = netlens("grade", folder)
    assert done.returncode == 0, done.stderr
    (folder / "said.txt").write_text(done.stdout + done.stderr)
    return folder


def grades(folder: Path) -> dict[tuple[str, str], dict]:
    paths = (folder / "grades").glob("*/*.json")
    return {(path.parent.name, path.stem): json.loads(path.read_text()) for path in paths}


# -- a class ---------------------------------------------------------------------------------------------


@slow
def test_every_submission_of_the_sample_course_gets_a_grade(sample):
    found = grades(sample)
    assert len(found) == 16
    full = {key: grade["max_points"] for key, grade in found.items()}
    earned = {key: grade["points"] for key, grade in found.items()}
    waiting = 2  # points for the written answer of `noise`
    assert earned["ada", "noise"] == full["ada", "noise"] - waiting
    assert earned["ben", "noise"] == earned["ada", "noise"]
    assert earned["ada", "activations"] == earned["ben", "activations"] == full["ada", "activations"]
    assert {found["emil", slug]["status"] for slug in SMALL} == {"refused"}
    for student in ("emil", "mallory", "o.tool_7"):
        assert earned[student, "noise"] == earned[student, "activations"] == 0
    for student in ("chloe", "dana", "žofie"):
        for slug in SMALL:
            assert earned[student, slug] < full[student, slug] or (student, slug) == ("dana", "noise")
    assert not [c["fault"] for grade in found.values() for c in grade["checks"] if c["fault"]]


@slow
def test_the_table_and_the_report_are_there(sample):
    said = (sample / "said.txt").read_text()
    assert "mallory" in said and "16 submissions" in said and "wait" in said
    page = sample / "reports" / "index.html"
    assert str(page) in said.replace("\n", "")
    assert page.is_file() and len(list(page.parent.glob("*.html"))) == 9
    assert "<script>alert" not in "".join(p.read_text() for p in page.parent.glob("*.html"))
    assert "\x1b[2J" not in said


@slow
def test_where_the_time_went_is_told_and_adds_up(sample):
    said = (sample / "said.txt").read_text()
    assert "Where the time went" in said and "workers waiting" in said
    times = json.loads((sample / ".netlens" / "times.json").read_text())
    rows = {row["exercise"]: row for row in times["exercises"]}
    assert {slug: row["submissions"] for slug, row in rows.items()} == {"noise": 8, "activations": 8}
    for row in rows.values():
        assert row["own"] > 0.1 and row["judging"] > 0.1 and row["around"] > 0
        assert row["own"] + row["judging"] + row["around"] == pytest.approx(row["seconds"])
    spent = sum(row["seconds"] for row in rows.values()) + times["starting"] + times["idle"]
    assert spent == pytest.approx(times["stages"]["grading"] * times["workers"])
    assert times["starting"] > 0 and times["idle"] > 0
    assert sum(worker["submissions"] for worker in times["by_worker"]) <= 16
    assert all(0 < worker["busy"] <= 1 for worker in times["by_worker"])
    for grade in grades(sample).values():
        assert 0 <= grade["own_seconds"] + grade["judging_seconds"] <= grade["seconds"] + 0.01


def kept_files(folder: Path) -> dict[str, bytes]:
    """Grades and pictures of a course's store, without how long grading took."""
    paths = [*(folder / ".netlens" / "grades").glob("*/*.json"), *(folder / ".netlens" / "pictures").iterdir()]
    return {path.name: path.read_bytes() for path in paths}


@slow
def test_a_second_run_grades_nothing_and_a_changed_file_only_itself(sample, tmp_path):
    folder = tmp_path / "course"
    shutil.copytree(sample, folder)
    assert "0 graded now" in netlens("grade", folder).stdout
    notebook = folder / "submitted" / "ada" / "noise" / "noise.ipynb"
    notebook.write_text(notebook.read_text() + "\n")
    assert "1 graded now" in netlens("grade", folder).stdout
    shutil.rmtree(folder / "grades")
    shutil.rmtree(folder / "reports")
    assert netlens("report", folder).returncode == 0
    assert len(grades(folder)) == 16


def heeds_ctrl_c() -> None:
    """As from a terminal: what a shell starts in the background inherits that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@slow
def test_ctrl_c_stops_cleanly_and_the_next_run_resumes_to_the_same_grades_bit_for_bit(sample, tmp_path):
    """Elsewhere, in two goes, with another number of workers: grades and pictures are those of the sample."""
    folder = sample_course(tmp_path / "course")
    for student in ("mallory", "o.tool_7", "žofie"):
        shutil.rmtree(folder / "submitted" / student)
    command = [sys.executable, "-m", "netlens_core.cli", "grade", str(folder)]
    running = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heeds_ctrl_c,
    )
    while not list((folder / ".netlens" / "grades").glob("*/*.json")) and running.poll() is None:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=600)
    assert running.returncode == 130 and "Stopped:" in said and "Traceback" not in said
    before = {p: p.stat().st_mtime_ns for p in (folder / ".netlens" / "grades").glob("*/*.json")}
    assert before
    assert netlens("grade", folder, "--workers", 1).returncode == 0
    assert all(path.stat().st_mtime_ns == made for path, made in before.items())
    assert not processes_of(running.pid)
    made, stored = kept_files(folder), kept_files(sample)
    assert len([name for name in made if name.endswith(".json")]) == 10 and len(made) > 12
    assert made.items() <= stored.items()


def processes_of(group: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


@slow
def test_one_student_or_exercise_alone(sample):
    done = netlens("grade", sample, "--student", "ada", "--exercise", "noise", "--json")
    [grade] = json.loads(done.stdout)
    assert (grade["student"], grade["exercise"]) == ("ada", "noise")
    class_page = (sample / "reports" / "index.html").read_text()
    assert "mallory" in class_page and "no such student" not in class_page
    assert {"points", "max_points", "status", "checks", "submission_sha256", "exercise_sha256", "networks"} <= set(
        grade
    )
    assert {"netlens_version", "seed", "seconds", "sandbox"} <= set(grade)


@slow
def test_grade_file_needs_no_course(tmp_path):
    folder = build_sample_course(tmp_path / "course", ["activations"])
    file, page = folder / "submitted" / "ben" / "activations" / "activations.py", tmp_path / "report.html"
    done = netlens("grade-file", file, "--exercise", "activations", "--json", "--report", page)
    assert done.returncode == 0, done.stderr
    grade = json.loads(done.stdout)
    assert grade["points"] == grade["max_points"]
    assert page.read_text().count("data:image/png;base64,") >= 1


# -- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grade", "nowhere"], "nowhere is not a folder"),
        (["grade", "."], "course.yaml is missing"),
        (["grade-file", "nothing.ipynb", "--exercise", "noise"], "nothing.ipynb"),
        (["verify", "no_such_exercise"], "no exercise 'no_such_exercise'"),
        (["networks", "efficientnet_lite9"], "efficientnet_lite0"),
        (["report", "nowhere"], "nowhere is not a folder"),
        (["grade"], "Missing argument"),
        (["no-such-command"], "No such command"),
    ],
)
def test_mistakes_end_in_a_clear_line_and_status_2(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = netlens(*arguments, PYTHONPATH=str(ROOT))
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_sample_course_of_unknown_exercises_is_a_mistake(tmp_path):
    done = netlens("sample-course", tmp_path / "new", "--exercises", "noise,sculpture")
    assert done.returncode == 2 and "no exercise 'sculpture'" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_sample_course_never_overwrites_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    done = netlens("sample-course", tmp_path)
    assert done.returncode == 2 and "not empty" in done.stderr


@pytest.fixture(scope="module")
def overview() -> str:
    return netlens("--help").stdout


@pytest.mark.parametrize("command", ["doctor", "networks", "grade", "grade-file", "report", "release", "verify"])
def test_every_command_explains_itself(command, overview):
    done = netlens(command, "--help")
    assert done.returncode == 0 and len(done.stdout) > 200
    assert command in overview


def test_networks_lists_what_is_here():
    found = {entry["name"]: entry for entry in json.loads(netlens("networks", "--json").stdout)}
    assert found["efficientnet_lite0"]["available"]
    assert {"squeezenet1_1", "alexnet", "resnet50"} <= set(found)
