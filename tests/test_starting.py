"""What would make every command begin late is left out, and changes nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.nbgrader.database import Database


def test_no_grammar_is_built_to_read_notebooks():
    """jsonschema would build one for a format that no notebook's schema has."""
    program = "import sys, netlens_core.grading, nbformat; print(*({'jsonschema', 'lark'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jsonschema"]


def test_a_new_database_has_the_version_that_nbgraders_own_has(tmp_path, monkeypatch):
    """Without starting alembic for it."""
    (tmp_path / "course.yaml").write_bytes((shipped_course() / "course.yaml").read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", None)
        with Database(Course(tmp_path)).opened():
            pass
    program = "from nbgrader.api import Gradebook; Gradebook('sqlite:///own.db').close()"
    environment = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    ours, own = (
        sqlite3.connect(tmp_path / name).execute("SELECT version_num FROM alembic_version").fetchall()
        for name in ("gradebook.db", "own.db")
    )
    assert len(ours) == 1 and ours == own
