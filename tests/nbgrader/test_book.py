"""nbgrader's gradebook tells the same points as netlens; what people enter there stays, and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from nbgrader.api import Gradebook as NbgraderBook

from netlens_core.grading.answers import MarkSheet
from netlens_core.grading.course import Course
from netlens_core.grading.nbgrader import database
from netlens_core.grading.nbgrader.config import database_url, nbgrader_api, tools_on_path
from netlens_core.grading.nbgrader.lateness import Penalties
from netlens_core.grading.nbgrader.rows import add_works
from netlens_core.grading.nbgrader.source import source_notebook
from netlens_core.grading.sheets import CourseError
from tests.nbgrader.sky import build, hand_in, opened, tables, write
from tests.quick_python import quick_python


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> bytes:
    """nbgrader asks alembic for its version when it makes a database, which takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    tools_on_path()
    with NbgraderBook(f"sqlite:///{folder}/gradebook.db", "course"):
        pass
    return (folder / "gradebook.db").read_bytes()


@pytest.fixture
def folder(tmp_path, empty_database) -> Path:
    """A course that was never released: one perfect, one partly right, one refused, one lost to our own fault."""
    folder = build(tmp_path / "course")
    (folder / "gradebook.db").write_bytes(empty_database)
    hand_in(folder, "ada", "Rayleigh.")
    hand_in(folder, "ben", "", 1.5)
    hand_in(folder, "emil", ends="refused")
    hand_in(folder, "zed", ends="lost")
    return folder


@contextmanager
def formgrader(folder: Path):
    """What formgrader does: nbgrader's API, and a commit."""
    with NbgraderBook(database_url(Course(folder)), "course") as book:
        yield book
        book.db.commit()


def enter(folder: Path, student: str, check: str, score=None, extra=None) -> None:
    """Points in formgrader, as its `GradeHandler.put` writes them."""
    with formgrader(folder) as book:
        row = book.find_grade(check, "sky", "sky", student)
        row.manual_score, row.extra_credit = score, extra
        row.needs_manual_grade = score is None and row.auto_score is None


def comment(folder: Path, student: str, cell: str, text: str | None) -> None:
    with formgrader(folder) as book:
        book.find_comment(cell, "sky", "sky", student).manual_comment = text


def scores(folder: Path) -> dict[str, tuple]:
    """Student -> for both checks: what the grader gave, what a person gave, whether it waits; then nbgrader's total."""
    found = {}
    with formgrader(folder) as book:
        for work in book.assignment_submissions("sky"):
            rows = {row.name: row for row in work.notebooks[0].grades}
            shown = [(row.auto_score, row.manual_score, row.needs_manual_grade) for _, row in sorted(rows.items())]
            found[work.student.id] = (*shown, work.score)
    return found


def check(folder: Path, student: str, place: int = 1):
    [grade] = [grade for entry, grade in opened(folder).graded() if entry.student == student]
    return grade.checks[place]


def same_points(folder: Path) -> None:
    """Reports, `grades/*.json` and nbgrader tell the same."""
    theirs = {student: row[-1] for student, row in scores(folder).items()}
    files = {path.parent.name: json.loads(path.read_text()) for path in (folder / "grades").rglob("sky.json")}
    assert theirs == pytest.approx({student: grade["points"] for student, grade in files.items()})
    assert theirs == pytest.approx({entry.student: grade.points for entry, grade in opened(folder).graded()})


def mark(folder: Path, student: str, points: str, said: str = "") -> None:
    """As `netlens mark`."""
    book = opened(folder)
    book.take_over_marks()
    book.course.marks.write(MarkSheet(book).mark(student, "sky", "", points, said))
    book.write_views()
    assert not book.nbgrader.troubles


# -- what netlens writes ---------------------------------------------------------------------------------


def test_scores_comments_and_what_waits_are_nbgraders_too(folder):
    assert write(folder) == []
    assert scores(folder) == {
        "ada": ((3, None, False), (None, None, True), 3),
        "ben": ((1.5, None, False), (0, None, False), 1.5),
        "emil": ((0, None, False), (0, None, False), 0),
        "zed": ((None, None, True), (None, None, True), 0),
    }
    same_points(folder)
    with formgrader(folder) as book:
        assert {cell.name: cell.max_score for cell in book.find_notebook("sky", "sky").grade_cells} == {
            "test_it": 3,
            "test_why": 2,
        }
        said = book.find_comment("paint", "sky", "sky", "ben").auto_comment
    assert "test_it, 1.5 of 3 points" in said and "likeness: 0.5 (at least 1)" in said
    assert "<" not in said and "**" not in said and "](" not in said and "\x1b" not in said and "`" not in said


def test_formgraders_first_page_lists_what_was_graded_without_a_release(folder):
    """It lists what lies in `source/`, and what a teacher has there stays."""
    write(folder)
    source = folder / "source" / "sky" / "sky.ipynb"
    listed = nbgrader_api(Course(folder)).get_assignments()
    assert [(entry["name"], entry["num_submissions"], entry["max_score"]) for entry in listed] == [("sky", 4, 5)]
    assert source.read_bytes() == source_notebook(Course(folder), "sky")
    source.write_text("a teacher's own")
    hand_in(folder, "una", "Rayleigh.")
    write(folder)
    assert source.read_text() == "a teacher's own"


def test_a_template_that_its_grader_does_not_fit_is_listed_too(folder):
    template = folder / "assignments" / "sky" / "template.py"
    template.write_text(template.read_text().replace('"points": 3', '"points": 4'))
    hand_in(folder, "una", "Rayleigh.")
    write(folder)
    assert "test_why" in (folder / "source" / "sky" / "sky.ipynb").read_text()


def test_writing_again_changes_nothing(folder):
    write(folder)
    enter(folder, "ada", "test_why", 1.5)
    write(folder)
    before = tables(folder)
    assert len(before["grade"]) == 8 and len(before["student"]) == 4
    assert write(folder) == [] and tables(folder) == before
    (folder / ".netlens" / "gradebook.json").unlink()
    assert write(folder) == [] and tables(folder) == before
    same_points(folder)


def test_a_release_after_grading_finds_its_cells(folder):
    from netlens_core.grading.nbgrader.cells import record_cells
    from netlens_core.grading.nbgrader.source import source_notebook

    write(folder)
    before = tables(folder)
    with formgrader(folder) as book:
        record_cells(book, "sky", source_notebook(Course(folder), "sky"))
    assert tables(folder) == before


def test_a_new_check_and_other_points_reach_works_that_are_there(folder):
    write(folder)
    enter(folder, "ada", "test_why", 1.5)
    for name in ("graders/test_sky.py", "assignments/sky/template.py"):
        text = (folder / name).read_text().replace("points=3", "points=4").replace('"points": 3', '"points": 4')
        (folder / name).write_text(text)
    for student, answer, points in (("ada", "Rayleigh.", 3), ("ben", "", 1.5)):
        hand_in(folder, student, answer, points)
    assert write(folder) == []
    assert scores(folder)["ada"] == ((3, None, False), (None, 1.5, False), 4.5)
    with formgrader(folder) as book:
        assert book.find_grade_cell("test_it", "sky", "sky").max_score == 4


def test_students_that_nbgrader_cannot_keep_are_told_and_stop_nobody(folder):
    hand_in(folder, "x" * 150, "Mine.")
    [told] = write(folder)
    assert "xxx" in told and "128 characters" in told
    assert len(scores(folder)) == 4 and (folder / "grades" / ("x" * 150) / "sky.json").exists()


# -- what people enter -----------------------------------------------------------------------------------


def test_what_a_person_entered_stays_when_graded_again(folder):
    write(folder)
    enter(folder, "ada", "test_why", 1.5)
    comment(folder, "ada", "test_why", "Good, but *why*?")
    write(folder)
    grader = folder / "graders" / "test_sky.py"
    grader.write_text(grader.read_text() + "\n# another version\n")
    hand_in(folder, "ada", "Rayleigh.", 2)
    write(folder)
    assert scores(folder)["ada"] == ((2, None, False), (None, 1.5, False), 3.5)  # and it does not wait again
    with formgrader(folder) as book:
        assert book.find_comment("test_why", "sky", "sky", "ada").manual_comment == "Good, but *why*?"
    assert json.loads((folder / "grades" / "ada" / "sky.json").read_text())["points"] == 3.5


def test_a_changed_answer_waits_again_until_a_person_has_seen_it(folder):
    write(folder)
    enter(folder, "ada", "test_why", 1.5)
    write(folder)
    hand_in(folder, "ada", "Another answer.")
    write(folder)
    assert scores(folder)["ada"][1] == (None, 1.5, True) and check(folder, "ada").mark.outdated
    enter(folder, "ada", "test_why", 1.5)  # formgrader's "Resolve"
    write(folder)
    assert scores(folder)["ada"][1] == (None, 1.5, False) and not check(folder, "ada").mark.outdated
    write(folder)
    assert scores(folder)["ada"][1] == (None, 1.5, False)
    same_points(folder)


def test_points_and_comments_come_back(folder):
    write(folder)
    enter(folder, "ada", "test_why", 2, extra=0.5)
    enter(folder, "ben", "test_it", 3)  # an automatic check
    enter(folder, "zed", "test_it", 1)  # one whose grader failed
    comment(folder, "ada", "test_why", "<i>Good</i>")
    comment(folder, "emil", "paint", "Ask me.")
    unwritten = check(folder, "ada")  # before netlens writes anything
    assert (unwritten.points, unwritten.mark.comment, unwritten.status) == (2.5, "<i>Good</i>", "passed")
    write(folder)
    assert check(folder, "ada") == unwritten
    assert (check(folder, "ben", 0).points, check(folder, "ben", 0).status) == (3, "passed")
    assert (check(folder, "zed", 0).points, check(folder, "zed", 0).status) == (1, "partial")
    only_said = check(folder, "emil", 0)
    assert (only_said.points, only_said.mark.comment, only_said.mark.scored) == (0, "Ask me.", False)
    page = (folder / "reports" / "ada.html").read_text()
    assert "&lt;i&gt;Good&lt;/i&gt;" in page and "Ask me." in (folder / "reports" / "emil.html").read_text()
    same_points(folder)
    enter(folder, "ben", "test_it", None)  # taken back
    write(folder)
    assert (check(folder, "ben", 0).points, check(folder, "ben", 0).mark) == (1.5, None)
    same_points(folder)


def test_marks_given_with_netlens_are_nbgraders_too(folder):
    write(folder)
    mark(folder, "ada", "1.5", "And softmax?")
    assert scores(folder)["ada"][1] == (None, 1.5, False)
    with formgrader(folder) as book:
        row = book.find_comment("test_why", "sky", "sky", "ada")
        assert (row.manual_comment, row.comment) == ("And softmax?", "And softmax?")
    same_points(folder)
    opened(folder).course.marks.withdraw(("ada", "sky", "test_why"))
    write(folder)
    assert scores(folder)["ada"][1] == (None, None, True) and check(folder, "ada").status == "needs_manual_grade"


def test_what_was_entered_last_counts(folder):
    write(folder)
    mark(folder, "ada", "1")
    enter(folder, "ada", "test_why", 2)
    assert check(folder, "ada").points == 2
    mark(folder, "ada", "0.5")
    assert check(folder, "ada").points == 0.5 and scores(folder)["ada"][1] == (None, 0.5, False)
    (folder / ".netlens" / "gradebook.json").unlink()  # nothing is known: formgrader's counts
    enter(folder, "ada", "test_why", 1.5)
    write(folder)
    assert check(folder, "ada").points == 1.5
    same_points(folder)


def test_a_new_database_gets_all_marks(folder):
    write(folder)
    enter(folder, "ada", "test_why", 1.5)
    write(folder)
    (folder / "gradebook.db").unlink()
    assert write(folder) == []
    assert scores(folder)["ada"] == ((3, None, False), (None, 1.5, False), 4.5)
    same_points(folder)


def test_what_is_entered_while_netlens_writes_stays(folder):
    write(folder)
    book = opened(folder)
    book.take_over_marks()
    enter(folder, "ada", "test_why", 2)  # after netlens looked, before it writes
    book.course.marks.write(MarkSheet(book).mark("ada", "sky", "", "1", ""))
    book.write_views()
    assert scores(folder)["ada"][1] == (None, 2, False)
    write(folder)
    assert check(folder, "ada").points == 2
    same_points(folder)


# -- several at once, and what goes wrong ----------------------------------------------------------------

AT_ONCE = """
import sys, time
from pathlib import Path
from nbgrader.api import Gradebook
from tests.nbgrader.sky import opened
folder, me, others = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
book = opened(folder)
(folder / f"ready{me}").touch()
until = time.monotonic() + 600
while not all((folder / f"ready{other}").exists() for other in others) and time.monotonic() < until:
    time.sleep(0.002)
book.write_views()
print(*book.nbgrader.troubles)
"""


def write_at_once(folder: Path) -> None:
    """Two processes write everything, without netlens's own lock."""
    both = [
        subprocess.Popen(
            [*quick_python(), "-c", AT_ONCE, str(folder), me, "1", "2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for me in ("1", "2")
    ]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0] and [text.strip() for text in said] == ["", ""], said


def test_two_at_once_leave_what_one_leaves(folder, tmp_path):
    (folder / "gradebook.db").unlink()  # both make it
    for number in range(10):
        hand_in(folder, f"student{number}", "Mine.", 1.5)
    write_at_once(folder)
    assert len(scores(folder)) == 14
    same_points(folder)
    before = tables(folder)
    assert write(folder) == [] and tables(folder) == before


def test_a_locked_database_is_told_and_written_the_next_time(folder, monkeypatch):
    import sqlite3

    monkeypatch.setattr(database, "WAITS", (0.01,))
    monkeypatch.setattr(database, "_SQLITE_WAITS", 0.05)
    write(folder)
    hand_in(folder, "ada", "Rayleigh.", 1.5)
    holder = sqlite3.connect(folder / "gradebook.db")
    holder.execute("BEGIN EXCLUSIVE")
    [told] = write(folder)
    assert "gradebook.db" in told and "another program holds the gradebook" in told
    assert json.loads((folder / "grades" / "ada" / "sky.json").read_text())["points"] == 1.5
    holder.close()
    assert write(folder) == []
    same_points(folder)


@pytest.mark.parametrize(
    ("content", "said"), [(b"not a database " * 100, "this is no gradebook"), (b"SQLite format 3\0" + b"x" * 500, "")]
)
def test_a_damaged_database_is_told(folder, content, said):
    (folder / "gradebook.db").write_bytes(content)
    [told] = write(folder)
    assert "gradebook.db" in told and said in told
    assert (folder / "gradebook.db").read_bytes() == content
    (folder / "gradebook.db").unlink()
    assert write(folder) == []
    same_points(folder)


def test_settings_that_cannot_be_loaded_are_told(folder):
    (folder / "nbgrader_config.py").write_text("c = get_config(\n")
    [told] = write(folder)
    assert "nbgrader_config.py" in told and (folder / "grades" / "ada" / "sky.json").exists()
    (folder / "nbgrader_config.py").unlink()
    assert write(folder) == []


def test_nothing_to_do_needs_no_nbgrader(folder):
    write(folder)
    script = (
        "import sys\nfrom pathlib import Path\nfrom tests.nbgrader.sky import opened\n"
        "book = opened(Path(sys.argv[1]))\nbook.write_views()\nbook.graded()\n"
        "print(book.nbgrader.troubles, 'nbgrader' in sys.modules, 'sqlalchemy' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[] False False", done.stdout + done.stderr


# -- lateness --------------------------------------------------------------------------------------------

PLUGIN = """
from nbgrader.plugins import BasePlugin

class PointAnHour(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 3600
"""


@pytest.mark.parametrize(
    ("handed_in", "penalty"),
    [
        ("2030-01-01 00:00:00 UTC", 0),
        ("2030-01-01 01:30:00 UTC", 1.5),
        ("2030-01-01T02:30:00+01:00", 1.5),
        ("2030-02-01 00:00:00 UTC", 3),  # never more than the score
        ("yesterday, I swear <script>", 0),
        ("", 0),
    ],
)
def test_lateness_costs_what_the_courses_plugin_says(folder, handed_in, penalty):
    (folder / "late.py").write_text(PLUGIN)
    (folder / "nbgrader_config.py").write_text(
        'c = get_config()\nc.AssignLatePenalties.plugin_class = "late.PointAnHour"\n'
    )
    (folder / "submitted" / "ada" / "sky" / "timestamp.txt").write_text(handed_in)
    write(folder)
    with formgrader(folder) as book:
        book.update_or_create_assignment("sky", duedate="2030-01-01 00:00:00 UTC")
    assert write(folder) == []
    with formgrader(folder) as book:
        work = book.find_submission("sky", "ada")
        assert work.late_submission_penalty == penalty and work.score == 3
    [(_, grade)] = [(entry, grade) for entry, grade in opened(folder).graded() if entry.student == "ada"]
    assert opened(folder).late_penalty(grade, "ada") == penalty
    kept = json.loads((folder / "grades" / "ada" / "sky.json").read_text())
    assert kept.get("late_penalty", 0) == penalty and kept["points"] == 3
    assert ("Handed in late" in (folder / "reports" / "ada.html").read_text()) == bool(penalty)
    before = tables(folder)
    assert write(folder) == [] and tables(folder) == before
    if penalty == 1.5:  # an extension, given in nbgrader
        with formgrader(folder) as book:
            book.grant_extension("sky", "ada", hours=2)
        write(folder)
        assert opened(folder).late_penalty(grade, "ada") == 0


def test_a_plugin_that_fails_is_told(folder):
    (folder / "late.py").write_text(PLUGIN.replace("3600", "0"))
    (folder / "nbgrader_config.py").write_text(
        'c = get_config()\nc.AssignLatePenalties.plugin_class = "late.PointAnHour"\n'
    )
    late = Penalties(folder)
    assert late.of("ada", 3, 0) is None
    with pytest.raises(CourseError, match=r"PointAnHour, the plugin for late work, failed: .*zero"):
        late.of("ada", 3, 60)


def test_a_plugin_that_cannot_be_loaded_is_told(folder):
    (folder / "nbgrader_config.py").write_text(
        'c = get_config()\nc.AssignLatePenalties.plugin_class = "nowhere.None"\n'
    )
    (folder / "submitted" / "ada" / "sky" / "timestamp.txt").write_text("2030-01-02 00:00:00 UTC")
    write(folder)
    with formgrader(folder) as book:
        book.update_or_create_assignment("sky", duedate="2030-01-01 00:00:00 UTC")
    [told] = write(folder)
    assert "plugin_class" in told and "nowhere" in told


# -- somebody else in between ------------------------------------------------------------------------------


def write_meanwhile(folder: Path, book, place: int, other) -> bool:
    """Write, and let somebody else write after the `place`th query; whether there was one.

    Where the database makes them wait (SQLite), they come when netlens is done.
    """
    from nbgrader.api import InvalidEntry
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.exc import OperationalError

    queries, came = [], []

    def after(_connection, _cursor, statement, *_) -> None:
        if statement.lstrip().startswith("SELECT") and not came:
            queries.append(statement)
            if len(queries) == place:
                came.append(place)
                try:
                    other()
                except (OperationalError, InvalidEntry) as error:
                    assert "locked" in str(error)
                    came.append("when netlens is done")

    event.listen(Engine, "after_cursor_execute", after)
    try:
        book.write_views()
    finally:
        event.remove(Engine, "after_cursor_execute", after)
    assert book.nbgrader.troubles == []
    if len(came) == 2:
        other()
    return bool(came)


@contextmanager
def impatient(folder: Path):
    """Another program with the gradebook open, which does not wait for a lock."""
    url = database_url(Course(folder))
    with NbgraderBook(url + "?timeout=0.01" * url.startswith("sqlite"), "course") as book:
        yield book


def test_a_score_entered_between_any_two_queries_stays(folder):
    check_scores_between_queries(folder)


def check_scores_between_queries(folder: Path, step: int = 2) -> None:
    write(folder)
    for place in range(1, 100, step):
        given = place % 8 / 4
        book = opened(folder)
        book.take_over_marks()
        book.course.marks.write(MarkSheet(book).mark("ada", "sky", "", str((place + 1) % 8 / 4), ""))

        def enter_it(given: float = given) -> None:
            with impatient(folder) as other:
                row = other.find_grade("test_why", "sky", "sky", "ada")
                row.manual_score, row.needs_manual_grade = given, False
                other.db.commit()

        if not write_meanwhile(folder, book, place, enter_it):
            break
        assert scores(folder)["ada"][1] == (None, given, False), place
    assert 5 < place < 98
    same_points(folder)


def test_works_that_come_and_go_between_any_two_queries_are_whole(folder):
    check_works_between_queries(folder)


def check_works_between_queries(folder: Path, step: int = 2) -> None:
    """Another netlens adds a student's work, and somebody removes another's: no query fails for want of a row."""
    write(folder)
    for place in range(1, 100, step):
        hand_in(folder, "ada", "Rayleigh.", place % 3)  # something to write
        book = opened(folder)

        def come_and_go() -> None:
            with impatient(folder) as other:
                there = {work.student.id for work in other.assignment_submissions("sky")}
                if "emil" in there:
                    other.remove_submission("sky", "emil")
                if "new" not in there:
                    add_works(other, "sky", ["new"])
                other.db.commit()

        if not write_meanwhile(folder, book, place, come_and_go):
            break
        with formgrader(folder) as other:
            other.remove_submission("sky", "new")
    assert 5 < place < 98
    assert write(folder) == []
    same_points(folder)
