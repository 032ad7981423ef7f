"""What would go unseen fails a test: an exception that ends a thread, one in a destructor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = """
import gc, threading

def test_in_a_thread():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

class Lost:
    def __del__(self):
        raise ValueError

def test_in_a_destructor():
    Lost()
    gc.collect()

def test_nothing():
    pass
"""


def test_exceptions_that_nobody_catches_fail_a_test(tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *settings, str(tmp_path / "test_it.py")], capture_output=True, text=True
    )
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
