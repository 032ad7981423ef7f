"""Temporary folders: what a killed owner leaves behind goes away, what is in use stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from netlens_core.grading.scratch import owned_folder

_OWNER = (
    "from netlens_core.grading.scratch import owned_folder\n"
    "folder, lock = owned_folder('owned-'); print(folder, flush=True); input()"
)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_folders_of_the_dead_are_removed_and_those_of_the_living_stay(temporary):
    owner = subprocess.Popen([sys.executable, "-c", _OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    theirs = Path(owner.stdout.readline().strip())
    assert theirs.parent == temporary
    ours, lock = owned_folder("owned-")
    with lock:
        assert theirs.is_dir() and ours.is_dir() and ours != theirs
        os.kill(owner.pid, signal.SIGKILL)
        owner.communicate()
        third, other = owned_folder("owned-")
        with other:
            assert third.is_dir() and ours.is_dir() and not theirs.exists()


def test_a_folder_without_a_lock_belongs_to_someone_else(temporary):
    (temporary / "owned-by-hand").mkdir()
    _, lock = owned_folder("owned-")
    with lock:
        assert (temporary / "owned-by-hand").is_dir()
