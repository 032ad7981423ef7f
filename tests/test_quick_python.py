"""A quick Python process is like a new one, from its arguments to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.quick_python import quick_python

SAYS = """
import json, os, sys
print(json.dumps({
    "arguments": sys.argv,
    "path": sys.path[0],
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "input": sys.stdin.read(),
    "open": os.read(int(sys.argv[1]), 9).decode(),
    "umask": os.umask(0),
    "cores": sorted(os.sched_getaffinity(0)),
    "main": __name__,
    "others": [name for name in ("netlens_core.cli", "matplotlib") if name in sys.modules],
}))
print("to stderr", file=sys.stderr)
sys.exit(7)
"""


def said(python: list[str], folder: Path, *arguments: str) -> tuple[int, dict, str]:
    """Run a Python that says what it has; its exit status, what it said, and what stood at stderr."""
    read, write = os.pipe()
    os.write(write, b"a pipe")
    os.close(write)
    done = subprocess.run(
        [*python, *arguments, str(read), "b c"],
        cwd=folder,
        env={"HOME": str(folder), "ÄÖ": "ü=1", "LC_ALL": "C.UTF-8"},
        umask=0o027,
        input="written in",
        pass_fds=[read],
        capture_output=True,
        text=True,
        timeout=600,
    )
    os.close(read)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("arguments", [["-c", SAYS], ["-m", "says"], ["-B", "says.py"]], ids=["code", "module", "file"])
def test_it_has_all_that_a_new_one_has(tmp_path, arguments):
    (tmp_path / "says.py").write_text(SAYS)
    new, quick = said([sys.executable], tmp_path, *arguments), said(quick_python(), tmp_path, *arguments)
    assert quick == new and quick[0] == 7 and quick[1]["open"] == "a pipe" and "to stderr" in quick[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_end_it(tmp_path, number):
    """Also where only the client gets the signal and cannot pass it on."""
    code = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    with subprocess.Popen([*quick_python(), "-c", code], stderr=subprocess.PIPE, text=True) as process:
        pid = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
        process.send_signal(number)
        said = process.communicate(timeout=600)[1]
    assert ("KeyboardInterrupt" in said) == (number == signal.SIGINT)
    assert process.returncode in (-number, 128 + number)
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_an_error_is_shown_and_costs_nobody_else_anything():
    broken = subprocess.run([*quick_python(), "-c", "1 / 0"], capture_output=True, text=True, timeout=600)
    assert broken.returncode == 1 and "ZeroDivisionError" in broken.stderr
    leaves = subprocess.run([*quick_python(), "-c", "import os; os._exit(3)"], timeout=600)
    assert leaves.returncode == 3
    code = "import sys; print('torch' in sys.modules)"
    done = subprocess.run([*quick_python(), "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout == "True\n", done.stderr


def eventually(found):
    """What `found()` comes to, within ten minutes."""
    until = time.monotonic() + 600
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return value
