"""nbgrader's settings of a course: `nbgrader_config.py` in its folder, where nbgrader itself looks for them.

They are the one home of the database's URL and the course's name in it. `netlens release` writes the file where it is
missing and never again: what a teacher changes there stays.
"""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.files import write_once

if TYPE_CHECKING:
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

CONFIG = "nbgrader_config.py"

_TEXT = """\
# nbgrader's settings for this course. netlens wrote this file once and reads it too; change here what you like.

from pathlib import Path

from netlens_core.grading.nbgrader.steps import add_steps

c = get_config()
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "{course_id}"

# The gradebook: a file beside this one. For PostgreSQL (pip install 'netlens[postgres]'), give each course a database
# of its own: in one database, nbgrader knows only one exercise of a name.
# c.CourseDirectory.db_url = "postgresql+psycopg2://teacher:password@localhost:5432/{course_id}"
c.CourseDirectory.db_url = f"sqlite:///{{c.CourseDirectory.root}}/gradebook.db"

# Where students fetch and hand in, if they do so with nbgrader: a folder that all of them can reach.
# c.Exchange.root = "/srv/nbgrader/exchange"

# What lateness costs: a class of yours, say in late.py beside this file (docs/nbgrader.md shows one).
# c.AssignLatePenalties.plugin_class = "late.HalfADay"

# What plain nbgrader needs to give the points of netlens's public checks: cells that were lost put back, warnings that
# cost nothing, time enough; templates are released as they are.
add_steps(c)
"""


def course_id(course: Course) -> str:
    """The course's name in nbgrader's gradebook and exchange: `id` of course.yaml, or made of the folder's name."""
    made = re.sub(r"[^A-Za-z0-9_-]+", "_", course.folder.resolve().name).strip("_")
    return course.sheet.id or made or "netlens"


def write_config(course: Course) -> Path:
    """Write `nbgrader_config.py` where it is missing; returns its path."""
    path = course.folder / CONFIG
    if not path.exists():
        write_once(path, _TEXT.format(course_id=course_id(course)).encode(), 0o644)
    return path


def load_config(folder: Path) -> Config:
    """nbgrader's settings of a course folder, over those of this machine and user (such as the exchange's root).

    A folder without `nbgrader_config.py` has nbgrader's defaults: SQLite beside course.yaml. Raises CourseError where
    a file cannot be loaded, saying which and why.
    """
    from jupyter_core.paths import jupyter_config_path
    from traitlets.config import Config
    from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader

    folder = folder.resolve()
    config = Config()
    for place in [*reversed(jupyter_config_path()), str(folder)]:
        try:
            config.merge(PyFileConfigLoader(CONFIG, path=place).load_config())
        except ConfigFileNotFound:
            continue
        except Exception as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise CourseError(f"{Path(place, CONFIG)} cannot be loaded: {told}") from None
    config.CourseDirectory.root = str(folder)
    return config


def course_directory(course: Course) -> CourseDirectory:
    """nbgrader's view of the course folder: `.root`, `.db_url`, `.course_id`, `.format_path(…)`. Raises CourseError."""
    from nbgrader.coursedir import CourseDirectory
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError
    from traitlets import TraitError

    try:
        directory = CourseDirectory(config=load_config(course.folder))
        directory.course_id = directory.course_id or course_id(course)
        make_url(directory.db_url)
    except (TraitError, ArgumentError) as error:
        raise CourseError(f"{course.folder / CONFIG}, CourseDirectory: {error}") from None
    return directory


def database_url(course: Course) -> str:
    """The URL of the course's gradebook, for SQLAlchemy and `nbgrader.api.Gradebook`. Raises CourseError."""
    url: str = course_directory(course).db_url
    return url


def nbgrader_api(course: Course) -> NbGraderAPI:
    """nbgrader's API for a course folder, with its settings loaded. Raises CourseError.

    Its methods return a dict with `success`, `log`, and `error` where there was one.
    """
    from nbgrader.apps.api import NbGraderAPI

    tools_on_path()
    config = load_config(course.folder)
    return NbGraderAPI(config=config, coursedir=course_directory(course))


def tools_on_path() -> None:
    """Make `alembic` findable, which nbgrader calls by name when it makes a database.

    Call it before `nbgrader.api.Gradebook(url)`: netlens may be called by its path, its environment not activated.
    """
    import nbgrader.api

    scripts = sysconfig.get_path("scripts")
    if shutil.which("alembic") is None:
        os.environ["PATH"] = os.pathsep.join(filter(None, (scripts, os.environ.get("PATH"))))
    # The same from alembic's library: a process of its own takes seconds, for each database that is made.
    nbgrader.api.get_alembic_version = _alembic_version


def _alembic_version() -> str:
    """The version of the tables that this nbgrader makes."""
    from alembic.script import ScriptDirectory
    from nbgrader.dbutil import ALEMBIC_DIR

    return str(ScriptDirectory(ALEMBIC_DIR).get_current_head())
