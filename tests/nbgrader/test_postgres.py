"""The gradebook on a real PostgreSQL server: the same as on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlens_core.grading.course import Course
from netlens_core.grading.release import release
from tests.nbgrader.postgres import server
from tests.nbgrader.sky import build, hand_in, opened, tables, write
from tests.nbgrader.test_book import (
    check_scores_between_queries,
    check_works_between_queries,
    comment,
    enter,
    mark,
    same_points,
    scores,
    write_at_once,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url():
    pytest.importorskip("psycopg2", reason="psycopg2 is not here: pip install 'netlens[postgres]'")
    with server() as url:
        yield url


@pytest.fixture
def folder(tmp_path, url) -> Path:
    """A course whose gradebook is the server's, emptied."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    folder = build(tmp_path / "course", f'c.CourseDirectory.db_url = "{url}"')
    hand_in(folder, "ada", "Rayleigh.")
    hand_in(folder, "Žofie", "", 1.5)
    hand_in(folder, "emil", ends="refused")
    return folder


def test_two_at_once_make_the_database_and_leave_what_one_leaves(folder):
    write_at_once(folder)
    assert scores(folder)["Žofie"] == ((1.5, None, False), (0, None, False), 1.5)
    assert not (folder / "gradebook.db").exists()
    same_points(folder)
    before = tables(folder)
    assert len(before["grade"]) == 6
    assert write(folder) == [] and tables(folder) == before
    (folder / ".netlens" / "gradebook.json").unlink()
    assert write(folder) == [] and tables(folder) == before


def test_marks_stay_and_come_back(folder):
    assert write(folder) == []
    enter(folder, "ada", "test_why", 1.5)
    enter(folder, "Žofie", "test_it", 2, extra=0.25)
    comment(folder, "ada", "test_why", "“Proč?” *Ano.*")
    assert write(folder) == []
    hand_in(folder, "ada", "Rayleigh.", 2)
    assert write(folder) == []
    assert scores(folder)["ada"] == ((2, None, False), (None, 1.5, False), 3.5)
    assert scores(folder)["Žofie"][2] == 2.25
    mark(folder, "ada", "0.5", "Less.")
    assert scores(folder)["ada"][1] == (None, 0.5, False)
    same_points(folder)


def test_somebody_else_between_any_two_queries_loses_nothing(folder):
    """The server shows what others commit to the next query; a snapshot does not, and clashes are tried again."""
    check_scores_between_queries(folder, step=1)
    check_works_between_queries(folder, step=3)


def test_a_server_that_does_not_answer_is_told_without_its_password(folder, url):
    gone = url.replace("/grades", "/nowhere")
    (folder / "nbgrader_config.py").write_text(f'c = get_config()\nc.CourseDirectory.db_url = "{gone}"\n')
    [told] = write(folder)
    assert "nowhere" in told and "createdb" in told and "secret" not in told
    assert (folder / "grades" / "ada" / "sky.json").exists() and opened(folder).graded()


def test_a_release_knows_every_check_and_leaves_what_is_there(folder):
    course = Course(folder)
    course.__dict__["fingerprints"] = {"a": "weights of a", "b": "weights of b"}
    release(course, [])
    assert write(folder) == []
    enter(folder, "ada", "test_why", 1.5)
    before = tables(folder)
    release(course, [])
    assert tables(folder) == before and {row[-1] for row in scores(folder).values()} == {4.5, 1.5, 0}
    assert not (folder / "gradebook.db").exists()
