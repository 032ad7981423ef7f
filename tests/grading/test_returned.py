"""What a submission returned is kept, and a changed grader judges it again: as a fresh run would, bit for bit."""

from __future__ import annotations

import os
import zlib

import numpy as np
import pytest
import yaml

from netlens_core.grading import returned
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import Exercise, Networks, _declared_checks
from netlens_core.grading.grade import Grade
from netlens_core.grading.inputs import CourseNetworks, with_materials
from netlens_core.grading.pipeline import grade
from netlens_core.grading.returned import NotRecordedError, Playback, Recorder, Records, read_record
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.inside import wire
from netlens_core.grading.sandbox.outcomes import CellRun, Outcome, Ref
from netlens_core.grading.sheets import ExerciseSheet
from tests.faults.small_class import EXERCISE, GRADER, HONEST

SUBMISSION = HONEST.replace("{number}", "7").replace("{wait}", "0") + (
    "\n# %%\nprint(undefined)\n# %%\ndef late(): pass\n"  # a cell that raises
)
IMAGE = np.linspace(0, 1, 27, dtype=np.float32).reshape(3, 3, 3)


def exercise(grader: str = GRADER, tmp_path=None) -> Exercise:
    files = {"test_tiny.py": grader.encode(), "conftest.py": b""}
    sheet = ExerciseSheet.model_validate(yaml.safe_load(EXERCISE))
    made = Exercise("tiny", sheet, _declared_checks(grader.encode(), None), files)
    return with_materials(made, 7, "secret", CourseNetworks("a", [], {"a": ""}), tmp_path)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """`graded(grader, returned=…)`: the submission, graded in a sandbox or judged from a record."""
    level, names = Sandbox.best_level()[0], ("efficientnet_lite0", "efficientnet_lite1")
    fingerprints = Course.shipped().fingerprints
    networks = Networks(names[0], names[1:], {name: fingerprints[name] for name in names})
    inputs = tmp_path_factory.mktemp("inputs")

    def run(grader: str = GRADER, source: str = SUBMISSION, **options) -> Grade:
        made = exercise(grader, inputs)
        return grade(source.encode(), made, networks, 5, name="tiny.py", sandbox=level, **options)

    return run


@pytest.fixture(scope="module")
def first(graded) -> Grade:
    """The submission's first grade, which ran."""
    found = graded(keep_returned=True)
    assert found.points == 7 and found.returned and not found.judged_only
    return found


def all_of(one: Grade) -> tuple:
    return one.model_dump_json(), one.pictures, one.notebook


CHANGED = {
    "the same grader": GRADER,
    "words": GRADER.replace("Two pictures", "Two images"),
    "points": GRADER.replace("points=3", "points=2"),
    "what is required": GRADER.replace("at_least=0.2 * level", "at_least=0.9"),
    "fewer calls": GRADER.replace("painted, submission", "submission", 1).replace(
        'submission.recall(inputs["hidden"])', "[('one', 1.0)]"
    ),
    "a mistake in the grader": GRADER.replace("float(image.mean())", "oops"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_changed_grader_judges_again_what_was_returned(graded, first, what):
    judged = graded(CHANGED[what], returned=first.returned)
    assert judged.judged_only and judged.own_seconds == 0
    assert all_of(judged) == all_of(graded(CHANGED[what]))
    assert (all_of(judged) == all_of(first)) == (what == "the same grader")


@pytest.mark.parametrize(
    "grader",
    [
        GRADER.replace("level=level)", "level=level + 1)"),
        GRADER.replace('("flower", "hidden")', '("hidden", "flower")'),
        GRADER.replace('submission.recall(inputs["hidden"])', 'submission.recall(inputs["flower"])'),
        GRADER.replace("in submission.recall", "in submission.recall(inputs['hidden']) + submission.recall"),
    ],
)
def test_a_grader_that_asks_for_something_else_makes_it_run(graded, first, grader):
    ran = graded(grader, returned=first.returned, keep_returned=True)
    assert not ran.judged_only and ran.own_seconds > 0 and ran.returned != first.returned
    assert not any(check.fault for check in ran.checks)


def test_a_record_of_other_bytes_or_a_damaged_one_counts_as_none(graded, first):
    assert read_record(first.returned, first.submission_sha256) is not None
    assert read_record(first.returned, "0" * 64) is None
    raw = zlib.decompress(first.returned)
    broken = [b"", b"x", first.returned[:-9], zlib.compress(raw[:-9]), zlib.compress(b"NLF1"), zlib.compress(raw + raw)]
    broken += [zlib.compress(wire.pack(content)) for content in ([], {}, {"format": 1}, {"format": 1, "answers": 3})]
    broken += [zlib.compress(raw.replace(b'"format": 1', b'"format": 9'))]
    for data in broken:
        assert read_record(data, first.submission_sha256) is None
    assert not graded(returned=first.returned[:-9]).judged_only


# -- recording ------------------------------------------------------------------------------------------------


class Answers:
    """A session that answers what it is told to."""

    def __init__(self, *outcomes: Outcome, status: str = "ok", doubts: tuple = ()) -> None:
        self.outcomes, self.status, self.doubts, self.seconds = list(outcomes), status, doubts, 1.5
        self.message, self.cells = (
            "",
            (CellRun(None, "", [{"output_type": "stream", "name": "stdout", "text": "\ud800"}]),),
        )

    def call(self, function, arguments, options=None, *, seed=0) -> Outcome:
        return self.outcomes.pop(0)

    def variable(self, name) -> Outcome:
        return self.outcomes.pop(0)


def recorded(*outcomes: Outcome, **options) -> tuple[Recorder, bytes]:
    recorder = Recorder(Answers(*outcomes, **options), keep=True)
    for number in range(len(outcomes)):
        recorder.call("f", [number])
    return recorder, recorder.record("0" * 64)


def test_everything_that_a_call_can_end_with_comes_back():
    value = {"a": [1, 2.5, float("inf"), None, True, "ž\ud800"], "image": IMAGE, "bytes": IMAGE.astype("<f2")}
    outcomes = [
        Outcome("ok", value),
        Outcome("error", message="`f` raised ž"),
        Outcome("missing"),
        Outcome("bad_reply"),
    ]
    recorder = Recorder(Answers(*outcomes, Outcome("ok", {"why": "x"})), keep=True)
    for number, _ in enumerate(outcomes):
        recorder.call("f", [Ref("network", "a"), IMAGE, number], {"k": 3}, seed=4)
    recorder.variable("answers")
    found = read_record(recorder.record("0" * 64), "0" * 64)
    assert found.cells == Answers().cells and found.seconds == 1.5
    playback = Playback(found)
    for number, outcome in enumerate(outcomes):
        again = playback.call("f", [Ref("network", "a"), IMAGE.copy(), number], {"k": 3}, seed=4)
        assert (again.status, again.message) == (outcome.status, outcome.message)
        if number == 0:
            assert again.value["a"] == value["a"]
            assert again.value["image"].tobytes() == IMAGE.tobytes() and again.value["bytes"].dtype == "<f2"
    assert playback.variable("answers").value == {"why": "x"}
    with pytest.raises(NotRecordedError):
        playback.variable("answers")
    assert playback.missed


@pytest.mark.parametrize(
    "other",
    [
        ("g", [IMAGE], {}, 1),
        ("f", [IMAGE + 1e-6], {}, 1),
        ("f", [IMAGE.astype("<f8")], {}, 1),
        ("f", [IMAGE], {"k": 1}, 1),
        ("f", [IMAGE], {}, 2),
        ("f", [IMAGE, IMAGE], {}, 1),
    ],
)
def test_any_other_request_is_missed_and_all_after_it(other):
    recorder = Recorder(Answers(Outcome("ok", 1.0), Outcome("ok", 2.0)), keep=True)
    recorder.call("f", [IMAGE], seed=1)
    recorder.call("f", [IMAGE], seed=1)
    playback = Playback(read_record(recorder.record("s"), "s"))
    function, arguments, options, seed = other
    with pytest.raises(NotRecordedError):
        playback.call(function, arguments, options, seed=seed)
    with pytest.raises(NotRecordedError):
        playback.call("f", [IMAGE], seed=1)


@pytest.mark.parametrize("status", ["timed_out", "crashed", "out_of_memory", "fault"])
def test_ends_that_the_machine_may_have_caused_are_told_and_not_recorded(status):
    recorder, record = recorded(Outcome("ok", 1.0), Outcome(status), Outcome("ok", 1.0))
    assert record == b"" and recorder.ended == ({status} - {"fault"})
    assert recorded(Outcome("ok", 1.0), status="crashed")[1] == b""
    assert recorded(Outcome("ok", 1.0), doubts=("memory",))[1] == b""
    assert recorded(Outcome("ok", 1.0))[1]


def test_what_is_too_large_is_not_recorded(monkeypatch):
    noise = np.random.default_rng(1).random(5000, np.float32)
    assert recorded(Outcome("ok", noise))[1]
    monkeypatch.setattr(returned, "MOST_KEPT", 10_000)
    assert recorded(Outcome("ok", noise))[1] == b""
    monkeypatch.setattr(returned, "MOST_READ", 20_000)
    assert recorded(Outcome("ok", np.zeros(5000, np.float32)))[1] == b""


# -- on disk --------------------------------------------------------------------------------------------------


def test_records_on_disk(tmp_path):
    records = Records(tmp_path)
    assert records.read("ab12") == b""
    records.write("ab12", b"one")
    assert records.read("ab12") == b"one"
    [path] = (tmp_path / "returned").rglob("ab12")
    path.write_bytes(path.read_bytes()[:-1])
    assert records.read("ab12") == b""


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    records = Records(tmp_path)
    for age, key in enumerate(["aa11", "bb11", "cc11"]):
        records.write(key, b"x" * 100)
        [path] = (tmp_path / "returned").rglob(key)
        os.utime(path, (1000 + age, 1000 + age))
    records.read("aa11")
    records.make_room(300)
    assert [bool(records.read(key)) for key in ("aa11", "bb11", "cc11")] == [True, False, True]
    records.clear()
    assert [bool(records.read(key)) for key in ("aa11", "bb11", "cc11")] == [False] * 3
