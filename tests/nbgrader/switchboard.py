"""Runs commands as other accounts: JSON lines in, JSON lines out. `accounts.py` starts it, as root.

nbgrader and netlens are imported once, and each of their commands is a fork that becomes the account before it begins.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import runpy
import sys
import tempfile
from functools import partial
from pathlib import Path

from netlens_core.grading import pool

for name in (
    *("torchvision", "timm", "netlens_core.grading.pipeline", "netlens_core.grading.gradebook"),
    *("nbgrader.apps.nbgraderapp", "nbgrader.converters", "nbgrader.exchange.default"),
):
    importlib.import_module(name)
PROGRAMS = {"nbgrader": "nbgrader", "netlens": "netlens_core.cli"}


def become(order: dict) -> None:
    """Be the account, for good."""
    os.setgroups([])
    os.setresgid(order["id"], order["id"], order["id"])
    os.setresuid(order["id"], order["id"], order["id"])
    os.umask(0o022)
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "OMP_NUM_THREADS", "TORCH_HOME")}
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    os.environ.clear()
    os.environ.update(kept, HOME=order["home"], PATH=path)
    os.chdir(order["folder"])


def obey(order: dict) -> None:
    """Be the account and run its command; never comes back."""
    become(order)
    program, *arguments = order["command"]
    if program not in PROGRAMS:
        os.execvp(program, [program, *arguments])
    sys.argv = [program, *arguments]
    pool._context = partial(multiprocessing.get_context, "fork")  # its processes import nothing again either
    runpy.run_module(PROGRAMS[program], run_name="__main__", alter_sys=True)


def main() -> None:
    """Until nothing more is asked for."""
    print("ready", flush=True)
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        with tempfile.TemporaryFile("w+") as said:
            child = os.fork()
            if child == 0:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                obey(order)
                sys.exit(0)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said.seek(0)
            print(json.dumps({"status": status, "said": said.read()}), flush=True)


if __name__ == "__main__":
    main()
