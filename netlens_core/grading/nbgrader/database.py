"""nbgrader's database of a course, opened through nbgrader's API: others may write at the same time, and what is wrong
with it is told in words.
"""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from netlens_core import NetlensError
from netlens_core.grading.course import Course
from netlens_core.grading.nbgrader.config import course_directory, tools_on_path

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

T = TypeVar("T")

WAITS = (0.1, 0.5, 1.5)  # seconds between tries
_SQLITE_WAITS = 2.5  # seconds for which one try waits for a lock


class DatabaseError(NetlensError, RuntimeError):
    """nbgrader's database cannot be read or written; the message tells which, why, and what to do."""


class Database:
    """A course's database. Raises CourseError where `nbgrader_config.py` cannot be loaded."""

    def __init__(self, course: Course) -> None:
        from sqlalchemy.engine import make_url

        directory = course_directory(course)
        self.course_id: str = directory.course_id
        self.url: str = directory.db_url
        self.path = sqlite_path(self.url)
        # SQLAlchemy cannot show a path that is not UTF-8.
        self.shown = str(self.path) if self.path else make_url(self.url).render_as_string(hide_password=True)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Gradebook]:
        """nbgrader's gradebook, its tables made where they are missing. Raises DatabaseError."""
        from nbgrader.api import Gradebook

        tools_on_path()
        url = self.url
        if self.path and "?" not in url:
            url += f"?timeout={_SQLITE_WAITS}"
        with _quiet():
            book = self.tried(lambda: Gradebook(url, self.course_id))
            with book:
                yield book

    def tried(self, work: Callable[[], T], afresh: Callable[[], None] = lambda: None) -> T:
        """What `work` gives. Where somebody else got in between, `afresh` and `work` are called again, some times.

        Raises DatabaseError.
        """
        from nbgrader.api import InvalidEntry, MissingEntry
        from sqlalchemy.exc import SQLAlchemyError

        for wait in (*WAITS, None):
            try:
                return work()
            except ModuleNotFoundError as error:
                if error.name not in ("psycopg2", "psycopg"):
                    raise
                raise DatabaseError(f"{self.shown} needs a driver: pip install 'netlens[postgres]'") from None
            except (InvalidEntry, MissingEntry, SQLAlchemyError) as error:
                if wait is None or not _may_pass(error):
                    raise DatabaseError(self._told(error)) from None
                time.sleep(wait)
                afresh()
        raise AssertionError("the last try returns or raises")

    def _told(self, error: Exception) -> str:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        place = str(self.path or self.shown)
        for words, advice in _ADVICE.items():
            if words in said:
                return f"{place}: {advice}"
        return f"{place} cannot be used: {said[:300]}"


_ADVICE = {
    "database is locked": "another program holds the gradebook; close what writes to it (formgrader may stay open)",
    "readonly database": "the gradebook cannot be written: make the file and its folder writable",
    "unable to open database file": "the gradebook cannot be opened: make the file and its folder writable",
    "disk is full": "no space is left for the gradebook",
    "file is not a database": "this is no gradebook: take it from a backup, or move it away and a new one is made",
    "no such column": "the gradebook was made by an older nbgrader: run `nbgrader db upgrade` in the course folder",
    "does not exist": "the server has no such database: make it with `createdb`",
}
_PASSING = (
    *("locked", "already exists", "unique", "duplicate", "deadlock", "could not serialize", "foreign key"),
    # A row that was read is gone.
    *("no such assignment", "no such notebook", "expected to update", "expected to delete", "has been deleted"),
)


def _may_pass(error: Exception) -> bool:
    """Whether somebody else's work in between may be the cause."""
    said = str(error).lower()
    return any(word in said for word in _PASSING)


def begin_snapshot(book: Gradebook, *, writing: bool) -> None:
    """Begin a transaction that sees the gradebook as it is now, whatever others commit until it ends.

    Else each query would see another state: rows of a work that is not there yet, or a score that a person entered
    after it was looked for, and that would be written over. Two transactions that write the same row clash, and
    `Database.tried` calls again what read too early.
    """
    from sqlalchemy import text

    book.db.rollback()
    if book.engine.dialect.name == "sqlite":
        book.db.execute(text("BEGIN IMMEDIATE" if writing else "BEGIN"))
    else:
        book.db.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite database; None for a server."""
    from sqlalchemy.engine import make_url

    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database:
        return None
    return Path(parts.database.removeprefix("file:"))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """nbgrader logs a traceback for whatever it is told afterwards by an exception; netlens tells it in a line."""
    log = logging.getLogger("tornado.application")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before
