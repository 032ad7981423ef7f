"""nbgrader's exchange, as a teacher and two students with different Unix accounts, around a grading by netlens."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from netlens_core.grading.course import Course
from netlens_core.grading.release import release
from tests.nbgrader.accounts import Accounts, accounts
from tests.nbgrader.noise_class import MANUAL, SLUG, named, noise_course, solved, wrong

pytestmark = pytest.mark.slow
STUDENTS = ("ada", "ben")
SETTINGS = "c = get_config()\nc.CourseDirectory.course_id = 'looking_inside'\nc.Exchange.root = {root!r}\n"


@pytest.fixture(scope="module")
def people() -> Iterator[Accounts]:
    """A teacher with a released course, two students, an exchange that all reach."""
    homes = Path(tempfile.mkdtemp(prefix="netlens-exchange-"))
    homes.chmod(0o755)
    try:
        with accounts(homes, ("teacher", *STUDENTS)) as made:
            exchange = homes / "exchange"
            exchange.mkdir()
            exchange.chmod(0o777)
            course = noise_course(homes / "teacher" / "course")
            release(Course(course), [])
            with (course / "nbgrader_config.py").open("a") as file:
                file.write(f"\nc.Exchange.root = {str(exchange)!r}\n")
            made.own("teacher", course)
            for student in STUDENTS:
                settings = homes / student / ".jupyter" / "nbgrader_config.py"
                settings.parent.mkdir()
                settings.write_text(SETTINGS.format(root=str(exchange)))
                made.own(student, settings.parent)
            yield made
    finally:
        shutil.rmtree(homes)


def write(people: Accounts, student: str, **cells: str) -> None:
    """The student's work: solution cells filled in, in the notebook that was fetched."""
    file = people.homes / student / SLUG / f"{SLUG}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    for name, source in cells.items():
        assert named(notebook, name).metadata.nbgrader.solution
        named(notebook, name).source = source
    file.write_text(nbformat.writes(notebook))


def test_a_round_through_the_exchange(people):
    """Release, fetch, submit, collect, grade, feedback and back; nobody reaches what is not theirs."""
    course = people.homes / "teacher" / "course"
    people.run("teacher", course, "nbgrader", "release_assignment", SLUG)
    reference = {name: named(solved(), name).source for name in ("classify", MANUAL)}
    for student, cells in {"ada": reference, "ben": wrong("ignores_k")}.items():
        home = people.homes / student
        people.run(student, home, "nbgrader", "fetch_assignment", SLUG)
        assert {"noise.ipynb", "what_is_it.png"} <= {path.name for path in (home / SLUG).iterdir()}
        write(people, student, **cells)
        people.run(student, home, "nbgrader", "submit", SLUG)
        people.run(student, home, "ls", str(people.homes / "exchange" / "looking_inside" / "inbound"), status=2)
        people.run(student, home, "cat", str(course / "gradebook.db"), status=1)
    said = people.run("teacher", course, "nbgrader", "collect", SLUG)
    assert "cheating" not in said
    owners = {path.name: path.stat().st_uid for path in (people.homes / "exchange/looking_inside/inbound").iterdir()}
    assert {name.split("+")[0]: owner for name, owner in owners.items()} == {s: people.ids[s] for s in STUDENTS}

    people.run("teacher", course, "netlens", "grade", str(course), "--workers", "1")
    points = {s: json.loads((course / "grades" / s / f"{SLUG}.json").read_text())["points"] for s in STUDENTS}
    assert points == {"ada": 8, "ben": 6}
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert {s: book.find_submission(SLUG, s).score for s in STUDENTS} == points

    people.run("teacher", course, "nbgrader", "generate_feedback", SLUG)
    people.run("teacher", course, "nbgrader", "release_feedback", SLUG)
    pages = {}
    for student in STUDENTS:
        people.run(student, people.homes / student, "nbgrader", "fetch_feedback", SLUG)
        (page,) = (people.homes / student / SLUG / "feedback").glob(f"*/{SLUG}.html")
        pages[student] = page.read_text()
        assert page.stat().st_uid == people.ids[student]
        people.run(
            student, people.homes / student, "ls", str(people.homes / "exchange/looking_inside/feedback"), status=2
        )
    assert "8.0 / 10.0" in pages["ada"] and "6.0 / 10.0" in pages["ben"]


def test_a_second_hand_in_is_collected_and_graded_alone(people):
    """ben mends his work; ada's grade stays as it is."""
    course, home = people.homes / "teacher" / "course", people.homes / "ben"
    if not (course / "submitted" / "ben").is_dir():
        pytest.skip("nothing was collected before")
    before = (course / "grades" / "ada" / f"{SLUG}.json").read_bytes()
    write(people, "ben", classify=named(solved(), "classify").source)
    people.run("ben", home, "nbgrader", "submit", SLUG)
    people.run("teacher", course, "nbgrader", "collect", SLUG, "--update")
    said = people.run("teacher", course, "netlens", "grade", str(course), "--workers", "1")
    assert "1 graded now" in said
    assert json.loads((course / "grades" / "ben" / f"{SLUG}.json").read_text())["points"] == 8
    assert (course / "grades" / "ada" / f"{SLUG}.json").read_bytes() == before
