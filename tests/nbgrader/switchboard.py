"""Runs commands as other accounts: JSON lines in, JSON lines out. `accounts.py` starts it, as root.

nbgrader is imported once, and each of its commands is a fork that becomes the account before it begins.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
from pathlib import Path

import nbgrader.apps.nbgraderapp
import nbgrader.converters
import nbgrader.exchange.default  # noqa: F401


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
    if program != "nbgrader":
        os.execvp(program, [program, *arguments])
    sys.argv = [program, *arguments]
    runpy.run_module("nbgrader", run_name="__main__")


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
