"""A small process under the reduced level's locks, without torch: an attack runs in it in a tenth of a second.

Older versions of Landlock are played by telling the locks an older one; and the same process without the system call
filter shows that an attack is one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netlens_core.grading.sandbox import levels
from netlens_core.grading.sandbox.inside import confine
from tests.attacks.conftest import PRELUDE

NEWEST = confine.landlock_version()
# 2 lets files be moved, 3 knows truncate, 6 signals and abstract sockets.
VERSIONS = [version for version in (1, 2, 3, 5) if version < NEWEST] + [NEWEST]

_MAIN = """
import json, os, sys
from inside import confine, syscalls, warm
given = json.loads(sys.argv[1])
import asyncio, fcntl, shutil, signal, socket, sqlite3, tarfile, tempfile, threading, zipfile
confine.landlock_version = lambda: given["landlock"]
if not given["filtered"]:
    syscalls.restrict_system_calls = lambda *_: None
if os.getuid() == 0:
    confine.open_closed_folders(given["closed"])
    confine.become_user(given["uid"])
warm.lock(given["wish"], given["config"])
os.environ.update(HOME=given["wish"]["work"], TMPDIR=given["wish"]["work"])
os.chdir(given["wish"]["work"])
names = {}
exec(given["source"], names)
print(json.dumps(names["attack"](*given["arguments"])), flush=True)
os._exit(0)
"""


def attacked(
    folder: Path,
    source: str,
    *arguments: Any,
    landlock: int = NEWEST,
    filtered: bool = True,
    readable: Sequence[Path] = (),
) -> Any:
    """What `attack(*arguments)` returned in a locked process, whose work folder is `folder / "work"`.

    Everything below `folder` belongs to the user that attacks, as the files of an ordinary user do who grades.
    """
    (folder / "work").mkdir(exist_ok=True)
    give(folder)
    wish = {"work": str(folder / "work"), "memory_bytes": 1 << 30, "disk_bytes": 1 << 24, "files": 100}
    seen = [*levels.SYSTEM, *levels.interpreter_paths(), *map(str, readable)]
    given = {
        "uid": levels.SANDBOX_UID,
        "closed": levels.closed_folders(levels.interpreter_paths()),
        "wish": wish | {"processes": 64, "cpu_seconds": 60},
        "config": {"level": "reduced", "readable": seen, "listed": []},
        "landlock": landlock,
        "filtered": filtered,
        "source": PRELUDE + "import fcntl, shutil, signal\n" + source,
        "arguments": arguments,
    }
    command = [sys.executable, "-s", "-P", "-c", _MAIN, json.dumps(given)]
    environment = {"PYTHONPATH": str(Path(confine.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/", env=environment, check=False)
    assert ran.returncode == 0, f"{ran.returncode}: {ran.stderr[-2000:]}"
    return json.loads(ran.stdout.splitlines()[-1])


def give(folder: Path) -> None:
    """Let the user that attacks own a folder with all below it."""
    if os.getuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            if path.lstat().st_uid != levels.SANDBOX_UID:  # else its ctime would change
                os.chown(path, levels.SANDBOX_UID, levels.SANDBOX_UID, follow_symlinks=False)
