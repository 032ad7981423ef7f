"""What would be graded and why, grading again what is asked for, and the history of each grade, from the shell."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from netlens_core import cli
from netlens_core.grading import gradebook
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from tests.grading.test_last_grades import course, grade, hand_in, worse

__all__ = ["course", "grade"]  # fixtures


@pytest.fixture
def netlens(course, grade, monkeypatch):
    """`netlens("--dry-run")`: `netlens grade` of a course whose submissions say themselves what they earn."""
    monkeypatch.setattr(Course, "fingerprints", {"a": "weights of a", "b": "weights of b"})
    monkeypatch.setattr(cli, "usable_level", lambda least, none: "full")
    monkeypatch.setattr(gradebook.NbgraderViews, "write", lambda self, graded: None)  # takes seconds

    def run(*options: str, command: str = "grade", status: int = 0):
        done = CliRunner().invoke(cli.app, [command, str(course), *options])
        assert done.exit_code == status, done.output + repr(done.exception)
        return done

    return run


def files(folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_tells_what_would_be_graded_and_writes_nothing(netlens, course):
    before = files(course)
    done = netlens("--dry-run")
    assert "ada sky: new hand-in" in done.stdout and "2 of 2 would be graded: 2 x new hand-in." in done.stdout
    assert files(course) == before
    netlens()
    assert "0 of 2 would be graded." in netlens("--dry-run").stdout
    worse(course)
    hand_in(course, "ben", 1)
    before = files(course)
    assert json.loads(netlens("--dry-run", "--json").stdout) == [
        {"student": "ada", "exercise": "sky", "why": ["graders/test_sky.py changed"]},
        {"student": "ben", "exercise": "sky", "why": ["new hand-in", "graders/test_sky.py changed"]},
    ]
    assert files(course) == before


def test_changed_points_are_told_with_the_reason(netlens, course):
    netlens()
    worse(course)
    done = netlens()
    assert "2 points changed:\n  ada sky 2 -> 1 (graders/test_sky.py changed)\n  ben sky 3 -> 1.5" in done.stdout
    hand_in(course, "ada", 3)
    printed = {item["student"]: item for item in json.loads(netlens("--json").stdout)}
    assert printed["ada"]["changed"] == {"before": 1, "after": 1.5, "why": ["new hand-in"]}
    assert "changed" not in printed["ben"]
    hand_in(course, "ada", 1)
    assert "Points changed: ada sky 1.5 -> 0.5 (new hand-in)" in netlens().stdout
    assert "oints changed" not in netlens().stdout


def test_again_grades_what_is_chosen(netlens, course):
    netlens()
    assert "1 graded now, 0 known" in netlens("--again", "--student", "ben").stdout
    hand_in(course, "eve", 1)
    done = netlens("--again", "--student", "ada", "--student", "eve", "--exercise", "sky")
    assert "2 submissions: 2 graded now" in done.stdout
    told = netlens("--student", "ada", "--student", "ben", command="history").stdout
    assert told.count("(asked for)") == 2 and "eve" not in told


def test_again_for_what_ended_in_some_way(netlens, course, grade, monkeypatch):
    monkeypatch.setattr(gradebook.Graded, "of", _as_if_a_call_had_ended(gradebook.Graded.of, "ben", "timed_out"))
    (course / "submitted" / "eve" / "sky").mkdir(parents=True)
    netlens()
    hand_in(course, "new", 1)

    def would(*ends: str) -> list[str]:
        options = [part for end in ends for part in ("--only", end)]
        return [one["student"] for one in json.loads(netlens("--again", *options, "--dry-run", "--json").stdout)]

    assert would("refused") == ["eve"]
    assert would("timed-out") == ["ben"]
    assert would("timed-out", "refused") == ["ben", "eve"]
    assert would("crashed") == would("out-of-memory") == would("internal-error") == []
    assert would() == ["ada", "ben", "eve", "new"]
    assert "--only says which" in netlens("--only", "crashed", status=2).output
    assert "2 submissions" not in netlens("--again", "--only", "timed-out").stdout
    assert [one["student"] for one in json.loads(netlens("--dry-run", "--json").stdout)] == ["new"]


def _as_if_a_call_had_ended(of, student: str, end: str):
    points = {"ada": 2, "ben": 3}[student]

    def made(key, grade, why, when=None):
        graded = of(key, grade, why, when)
        return graded if graded.points != points else type(graded)(**{**vars(graded), "ended": [end]})

    return made


def test_history_tells_points_reasons_and_checks(netlens, course):
    assert "not graded yet" in netlens(command="history").stdout
    netlens()
    worse(course)
    netlens()
    told = netlens("--student", "ada", command="history").stdout
    assert "2/5 (new hand-in)" in told and "1/5 (graders/test_sky.py changed): test_it 2 -> 1" in told
    [printed] = json.loads(netlens("--student", "ada", "--json", command="history").stdout)
    assert [one["points"] for one in printed["grades"]] == [2, 1]
    assert printed["grades"][1]["checks"] == {"test_it": 1, "test_why": 0}


def test_a_report_and_an_export_show_outdated_grades_and_tell_it(netlens, course):
    netlens()
    worse(course)
    told = netlens(command="report").stderr
    assert "2 grades are outdated: run netlens grade" in told and "graders/test_sky.py changed" in told
    done = netlens("--to", "csv", "--student", "ada", "--student", "ben", command="export")
    assert "2 grades of 2 students" in done.stdout and "2 grades are outdated: run netlens grade" in done.stderr
    (course / "graders" / "test_sky.py").write_text("def (")
    done = netlens("--to", "csv", command="export", status=1)
    assert "2 grades of 2 students" in done.stdout and "test_sky.py, line 1" in done.stderr


def test_one_broken_exercise_does_not_stop_the_others(netlens, course):
    text = (course / "course.yaml").read_text()
    (course / "course.yaml").write_text(text.replace("[sky]", "[sky, sea]"))
    for name in ("assignments", "graders"):
        place = course / name
        for path in [*place.glob("sky"), *place.glob("test_sky.py")]:
            other = path.with_name(path.name.replace("sky", "sea"))
            if path.is_dir():
                other.mkdir()
                (other / "exercise.yaml").write_bytes((path / "exercise.yaml").read_bytes())
            else:
                other.write_text("def (")
    done = netlens(status=1)
    assert "2 graded now" in done.stdout and "test_sea.py, line 1" in done.stderr
    said = netlens("--exercise", "sea", status=1).exception  # nothing that was asked for can be graded
    assert isinstance(said, CourseError) and "test_sea.py, line 1" in str(said)


def test_options_of_one_value_are_refused_twice(netlens):
    said = netlens("--student", "ada", "--student=ben", "--exercise", "sky", "--points", "1", command="mark", status=2)
    assert "is given 2 times" in " ".join(said.output.split())
    assert "is given 2 times" in " ".join(netlens("--workers", "1", "--workers", "2", status=2).output.split())


def test_unknown_names_are_told(netlens):
    for command, options in (("grade", ()), ("export", ("--to", "csv")), ("history", ())):
        said = netlens("--student", "adda", *options, command=command, status=1).exception
        assert isinstance(said, CourseError) and "did you mean 'ada'" in str(said)
