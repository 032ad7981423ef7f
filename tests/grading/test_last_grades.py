"""The last grade of each student and exercise is shown, whatever determines grades today, with why it is outdated."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import netlens_core
from netlens_core.grading import entries, gradebook, hand_ins
from netlens_core.grading.changes import LastChanges
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.gradebook import Gradebook
from netlens_core.grading.unrun import facts, lost
from tests.nbgrader import sky

TWO = {"ada": 2.0, "ben": 3.0}


@pytest.fixture
def course(tmp_path) -> Path:
    folder = sky.build(tmp_path / "course")
    for student, points in TWO.items():
        hand_in(folder, student, points)
    return folder


def hand_in(folder: Path, student: str, points: float) -> None:
    place = folder / "submitted" / student / "sky"
    place.mkdir(parents=True, exist_ok=True)
    (place / "sky.py").write_text(f"points = {points}")


def opened(folder: Path, sandbox: str = "full", weights: str = "weights of a", **options) -> Gradebook:
    course = Course(folder)
    course.__dict__["fingerprints"] = {"a": weights, "b": "weights of b"}
    return Gradebook(course, sandbox, **options)


@pytest.fixture
def grade(monkeypatch) -> Callable[..., Gradebook]:
    """`grade(folder)`: as `netlens grade`, but that each submission says itself how many points it earns."""

    def grade_all(works, workers):
        for work in works:
            try:
                data, _ = work.load()
                work.prepare(work.exercise)
            except netlens_core.NetlensError as error:
                about = (work.exercise, work.networks, work.seed, work.sandbox)
                yield work, lost(str(error), work.sha256, *about)
                continue
            about = facts(gradebook_sha256(data), work.exercise, work.networks, work.seed, work.sandbox)
            points = float(data.split(b"=")[1])
            made = sky.made_up(about, "an answer", min(points * works_count(work), 3))
            asked_for_records.append(work.returned())
            yield work, made.model_copy(update={"returned": data if work.keep_returned else b""})

    def works_count(work) -> float:
        # What the grader says is worth something as well, so that a changed one changes points.
        return 0.5 if b"works badly" in work.exercise.grader["test_sky.py"] else 1.0

    monkeypatch.setattr(gradebook, "grade_all", grade_all)

    def run(folder: Path, again=(), **options) -> Gradebook:
        book = opened(folder, **options)
        chosen = [entry for entry in book.entries if entry.student in again]
        due = [entry for entry, _ in book.due(chosen)]
        list(book.grade(due, 1, chosen))
        book.remember()
        if due:
            book.keep_changes()
        return book

    return run


asked_for_records: list[bytes] = []  # what every work that was graded was said to have returned before


def gradebook_sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def shown(book: Gradebook) -> dict[str, tuple[float, list[str]]]:
    return {one.entry.student: (one.grade.points, [str(reason) for reason in one.outdated]) for one in book.standings()}


def why(book: Gradebook) -> dict[str, list[str]]:
    return {entry.student: [str(reason) for reason in reasons] for entry, reasons in book.due()}


def worse(folder: Path) -> None:
    grader = folder / "graders" / "test_sky.py"
    grader.write_text(grader.read_text().replace("It works.", "It works badly."))


def test_nothing_is_outdated_after_grading_and_nothing_is_due(course, grade):
    assert why(opened(course)) == {"ada": ["new hand-in"], "ben": ["new hand-in"]}
    grade(course)
    assert shown(opened(course)) == {"ada": (2, []), "ben": (3, [])}
    assert why(opened(course)) == {}
    assert not grade(course).changes


def test_a_new_hand_in_leaves_the_last_grade_until_it_is_graded(course, grade):
    grade(course)
    hand_in(course, "ada", 3)
    assert shown(opened(course))["ada"] == (2, ["new hand-in, not graded yet"])
    assert why(opened(course)) == {"ada": ["new hand-in"]}
    assert list(map(str, grade(course).changes)) == ["ada sky 2 -> 3 (new hand-in)"]
    hand_in(course, "ada", 2.0)  # the first one once more: known, and yet another grade than the last one
    assert why(opened(course)) == {}
    assert list(map(str, grade(course).changes)) == ["ada sky 3 -> 2 (new hand-in)"]
    assert [one.points for one in opened(course).history.of(("ada", "sky"))] == [2, 3, 2]


CHANGES = {
    "graders/test_sky.py changed": lambda folder, patch: worse(folder),
    "limits changed": lambda folder, patch: append(folder, "limits: {call_seconds: 7}\n"),
    "exercise.yaml changed": lambda folder, patch: append(folder, "networks: {other: target}\n"),
    "inputs changed": lambda folder, patch: append(folder, "inputs: {x: {draw: daisy, whose: hidden}}\n"),
    "template changed": lambda folder, patch: replaced(folder, "assignments/sky/template.py", "as handed", "handed"),
    "graded with netlens 0.1.0, now 0.2.0": lambda folder, patch: patch.setattr(netlens_core, "__version__", "0.2.0"),
    "the course's seed changed": lambda folder, patch: replaced(folder, "course.yaml", "seed: 7", "seed: 8"),
    "language: en, now cs": lambda folder, patch: replaced(folder, "course.yaml", "title:", "language: cs\ntitle:"),
}


def append(folder: Path, text: str) -> None:
    with (folder / "assignments" / "sky" / "exercise.yaml").open("a") as file:
        file.write(text)


def replaced(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


@pytest.mark.parametrize("reason", CHANGES)
def test_what_changed_is_told(course, grade, monkeypatch, reason):
    monkeypatch.setattr(netlens_core, "__version__", "0.1.0")
    grade(course)
    CHANGES[reason](course, monkeypatch)
    found = shown(opened(course))
    assert {student: points for student, (points, _) in found.items()} == TWO
    assert all(reason in reasons for _, reasons in found.values()), found
    assert all(reason in reasons for reasons in why(opened(course)).values())
    assert list(why(opened(course))) == list(TWO)


def test_other_libraries_sandbox_and_weights_are_told(course, grade, monkeypatch):
    grade(course)
    assert shown(opened(course, "reduced"))["ada"] == (2, ["graded in the sandbox full, now reduced"])
    assert shown(opened(course, weights="x" * 64))["ada"] == (2, ["the networks' weights are others: a"])
    from netlens_core.grading import grade_key

    versions = grade_key._versions(grade_key.LIBRARIES)
    monkeypatch.setattr(grade_key, "_versions", lambda names: {**versions, "torch": "99.1"})
    [reason] = shown(opened(course))["ada"][1]
    assert reason == f"other libraries: torch {versions['torch']}, now 99.1"


def test_changed_code_of_netlens_is_told_by_file(course, grade, monkeypatch):
    grade(course)
    real = entries.grading_code

    def changed(exercise):
        code = real(exercise)
        return type(code)({**code.modules, "measures/style.py": "other"}, code.texts)

    from netlens_core.grading import grade_key

    for module in (grade_key, entries, gradebook):
        monkeypatch.setattr(module, "grading_code", changed)
    assert shown(opened(course))["ada"] == (2, ["netlens changed: measures/style.py"])


def test_networks_that_are_not_there_hide_no_grade(course, grade, monkeypatch):
    grade(course)

    def missing(self):
        raise CourseError("the weights are missing")

    monkeypatch.setattr(Course, "fingerprints", property(missing))
    book = Gradebook(Course(course), "full")
    assert shown(book)["ada"] == (2, ["the networks' weights are missing or others here"])
    book.write_views()
    assert "ada" in (course / "reports" / "index.html").read_text()
    with pytest.raises(CourseError, match="weights are missing"):
        book.due()


def test_a_hand_in_that_vanished_keeps_its_grade(course, grade):
    grade(course)
    shutil.rmtree(course / "submitted" / "ada")
    (course / "submitted" / "ben" / "sky" / "sky.py").unlink()
    gone = ["the hand-in is no longer there"]
    assert shown(opened(course)) == {"ada": (2, gone), "ben": (3, gone)}
    assert why(opened(course)) == {}
    shutil.rmtree(course / "submitted")
    assert shown(opened(course)) == {"ada": (2, gone), "ben": (3, gone)}


def test_an_exercise_that_is_no_longer_listed_or_cannot_be_read_keeps_its_grades(course, grade):
    grade(course)
    sheet = (course / "course.yaml").read_text()
    (course / "course.yaml").write_text(sheet.replace("[sky]", "[noise]"))
    assert shown(opened(course))["ada"] == (2, ["the exercise is no longer in course.yaml"])
    opened(course).write_views()
    assert "A question" in (course / "reports" / "index.html").read_text()
    (course / "course.yaml").write_text(sheet)
    (course / "graders" / "test_sky.py").write_text("def (")
    book = opened(course)
    assert shown(book)["ada"] == (2, ["the exercise cannot be read; its last grades are shown"])
    book.write_views()
    assert [problem for problem in book.problems if "test_sky.py, line 1" in problem]
    with pytest.raises(CourseError, match=r"test_sky\.py, line 1"):
        book.due()


def test_a_damaged_last_grade_falls_back_to_the_one_before(course, grade):
    grade(course)
    hand_in(course, "ada", 3)
    grade(course)
    book = opened(course)
    [entry] = [entry for entry in book.entries if entry.student == "ada"]
    path = course / ".netlens" / "grades" / entry.key[:2] / f"{entry.key}.json"
    path.write_bytes(path.read_bytes()[:100])
    points, reasons = shown(opened(course))["ada"]
    assert points == 2 and reasons[0] == "the last grade is damaged; this is the one before"
    assert list(why(opened(course))) == ["ada"]
    grade(course)
    assert shown(opened(course))["ada"] == (3, [])


def test_a_history_with_half_a_line_is_read_and_continued(course, grade):
    grade(course)
    path = course / ".netlens" / "history" / "ada" / "sky.jsonl"
    newer = path.read_bytes().replace(b'"why"', b'"of a newer version": 1, "why"')
    path.write_bytes(newer + b'[3]\n{"when": "20')
    hand_in(course, "ada", 3)
    assert shown(opened(course))["ada"][0] == 2
    grade(course)
    assert [one.points for one in opened(course).history.of(("ada", "sky"))] == [2, 3]


# -- stores of older versions ---------------------------------------------------------------------------------


def as_an_older_version_left_it(folder: Path) -> None:
    """Other keys, no history, plain files, nothing that tells what grades were made from."""
    hidden = folder / ".netlens"
    shutil.rmtree(hidden / "history")
    shutil.rmtree(hidden / "code")
    for path in list((hidden / "grades").rglob("*.json")):
        key = ("0" if path.stem[0] != "0" else "1") + path.stem[1:]
        (hidden / "grades" / key[:2]).mkdir(exist_ok=True)
        content = json.loads(path.read_bytes())
        del content["files"], content["sha256"]  # nothing was sealed
        path.unlink()
        (hidden / "grades" / key[:2] / f"{key}.json").write_text(json.dumps(content, indent=1))
    for path in list((hidden / "grades").rglob("*.made_from")):
        path.unlink()


@pytest.mark.parametrize("writes", [True, False])
def test_an_upgrade_loses_nothing(course, grade, writes):
    grade(course)
    as_an_older_version_left_it(course)
    unknown = ["graded by a netlens that kept no record of what grades are made from"]
    assert shown(opened(course, writes=writes)) == {"ada": (2, unknown), "ben": (3, unknown)}
    assert (course / ".netlens" / "history").exists() == writes
    assert shown(opened(course)) == {"ada": (2, unknown), "ben": (3, unknown)}
    assert why(opened(course)) == {"ada": unknown, "ben": unknown}
    grade(course)
    assert shown(opened(course)) == {"ada": (2, []), "ben": (3, [])}


def test_an_upgrade_tells_new_hand_ins_and_finds_those_whose_folder_is_gone(course, grade):
    grade(course).write_views()
    as_an_older_version_left_it(course)
    hand_in(course, "ada", 3)
    shutil.rmtree(course / "submitted" / "ben")
    assert shown(opened(course)) == {
        "ada": (2, ["new hand-in, not graded yet"]),
        "ben": (3, ["the hand-in is no longer there"]),
    }


# -- the bytes that are graded --------------------------------------------------------------------------------


def test_a_grade_lies_under_the_key_of_the_very_bytes_that_were_graded(course, grade, monkeypatch):
    book = opened(course)
    hand_in(course, "ada", 1)  # between looking and loading
    list(book.grade(book.pending(), 1))
    assert shown(book) == {"ada": (1, []), "ben": (3, [])}
    hand_in(course, "ada", 2)  # what was listed first: not known by its key
    assert why(opened(course)) == {"ada": ["new hand-in"]}


def test_a_file_that_changes_while_it_is_graded_is_graded_again(course, grade, monkeypatch):
    book = opened(course)
    running = book.grade([entry for entry in book.pending() if entry.student == "ada"], 1)
    next(running)
    hand_in(course, "ada", 1)
    running.close()
    assert shown(opened(course))["ada"] == (2, ["new hand-in, not graded yet"])
    grade(course)
    assert shown(opened(course))["ada"] == (1, [])


def test_a_file_that_is_away_when_its_turn_comes_gets_no_grade(course, grade, monkeypatch):
    grade(course)
    monkeypatch.setattr(hand_ins, "_PAUSES", (0.01,))
    hand_in(course, "ada", 3)
    book = opened(course)
    due = book.pending()
    (course / "submitted" / "ada" / "sky" / "sky.py").unlink()
    assert list(book.grade(due, 1)) == []
    assert shown(book)["ada"] == (2, ["the hand-in is no longer there"])
    assert [problem for problem in book.problems if "ada · sky was not graded" in problem]
    hand_in(course, "ada", 3)
    grade(course)
    assert shown(opened(course))["ada"] == (3, [])


def test_inputs_that_cannot_be_made_are_told_once_and_cost_nobody_a_grade(course, grade, monkeypatch):
    grade(course)
    worse(course)
    asked = []

    def fails(self, exercise):
        asked.append(exercise.slug)
        raise CourseError("no noise of this class can be forged")

    monkeypatch.setattr(Course, "with_inputs", fails)
    book = grade(course)
    assert book.problems == ["ada · sky and 1 more were not graded: no noise of this class can be forged"]
    assert asked == ["sky"] and {student: points for student, (points, _) in shown(book).items()} == TWO


# -- views and reasons ----------------------------------------------------------------------------------------


def test_views_mark_what_is_outdated_and_tell_what_changed(course, grade):
    grade(course)
    worse(course)
    book = opened(course)
    book.write_views()
    page = (course / "reports" / "index.html").read_text()
    assert "Outdated grades" in page and "graders/test_sky.py changed" in page
    assert "This grade is outdated: graders/test_sky.py changed." in (course / "reports" / "ada.html").read_text()
    kept = json.loads((course / "grades" / "ada" / "sky.json").read_text())
    assert (kept["points"], kept["outdated"]) == (2, ["graders/test_sky.py changed"])
    comments = [str(row) for row in sky.tables(course)["comment"]]
    assert any("graders/test_sky.py changed" in row.replace("&#95;", "_") for row in comments), comments
    assert "graders/test_sky.py" in (course / "autograded" / "ada" / "sky" / "sky.ipynb").read_text()

    after = grade(course)
    assert list(map(str, after.changes)) == [
        "ada sky 2 -> 1 (graders/test_sky.py changed)",
        "ben sky 3 -> 1.5 (graders/test_sky.py changed)",
    ]
    after.write_views()
    page = (course / "reports" / "index.html").read_text()
    assert "Outdated grades" not in page and "Points that the last run changed" in page and "2 → 1" in page
    assert "outdated" not in json.loads((course / "grades" / "ada" / "sky.json").read_text())
    assert LastChanges(course / ".netlens").read() == after.changes
    grade(course)
    opened(course).write_views()
    assert "Points that the last run changed" in (course / "reports" / "index.html").read_text()


def test_asked_for_again(course, grade):
    grade(course)
    book = grade(course, again=["ada"])
    assert not book.changes
    assert [one.why for one in book.history.of(("ada", "sky"))] == [["new hand-in"], ["asked for"]]
    assert len(book.history.of(("ben", "sky"))) == 1


def test_an_internal_error_never_takes_the_place_of_a_grade(course, grade, monkeypatch):
    grade(course)
    hand_in(course, "ada", 3)

    def broken(works, workers):
        for work in works:
            yield work, lost("oh", work.sha256, work.exercise, work.networks, work.seed, work.sandbox)

    monkeypatch.setattr(gradebook, "grade_all", broken)
    book = opened(course)
    assert len(list(book.grade(book.pending(), 1))) == 1
    points, reasons = shown(opened(course))["ada"]
    assert points == 2 and reasons[0] == "grading it anew ended in an internal error; this is the grade before"
    assert why(opened(course)) == {"ada": ["internal error before"]}


def test_what_was_returned_is_kept_until_it_is_asked_for_again(course, grade):
    def records() -> int:
        return len(list((course / ".netlens").glob("returned/??/*")))

    grade(course, again=["ada", "ben"])
    asked_for_records.clear()
    worse(course)
    grade(course)
    assert sorted(asked_for_records) == [b"points = 2.0", b"points = 3.0"] and records() == 2
    asked_for_records.clear()
    grade(course, again=["ada"])  # asked for: it runs
    append(course, "limits: {call_seconds: 7}\n")  # what limits allow changes what is returned
    grade(course)
    assert asked_for_records == [b""] * 3 and records() == 4
    replaced(course, "course.yaml", "title:", "keep_returned: false\ntitle:")
    replaced(course, "graders/test_sky.py", "It works badly.", "It works very badly.")
    grade(course)
    assert asked_for_records == [b""] * 5 and records() == 0


def test_what_was_returned_belongs_to_the_bytes_that_were_graded(course, grade):
    book = opened(course)
    due = book.pending()
    hand_in(course, "ada", 1.0)
    list(book.grade(due, 1))
    asked_for_records.clear()
    worse(course)
    grade(course)
    assert asked_for_records == [b"points = 1.0", b"points = 3.0"]


def test_unknown_names_are_refused_with_those_that_might_be_meant(course):
    with pytest.raises(CourseError, match="'bem' handed in nothing; students: ada, ben; did you mean 'ben'"):
        opened(course, students=["ada", "bem"])
    with pytest.raises(CourseError, match="no exercise 'sly'; it has sky; did you mean 'sky'"):
        opened(course, slugs=["sly"])
    assert [entry.student for entry in opened(course, students=["ben"], slugs=["sky"]).entries] == ["ben"]


def test_looking_writes_nothing(course, grade):
    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in course.rglob("*") if path.is_file()}

    (course / ".netlens" / "secret").unlink()
    (course / ".netlens").rmdir()
    before = files()
    assert list(why(opened(course, writes=False))) == ["ada", "ben"]
    assert files() == before and not (course / ".netlens").exists()
