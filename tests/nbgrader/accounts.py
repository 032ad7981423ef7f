"""Commands run as other Unix accounts, which exist only for them: in a passwd file mounted over the real one.

Nothing on the machine is changed. The accounts reach the interpreter and this checkout also where these lie in a folder
that only root may enter.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST_ID = 61001


class Accounts:
    """Accounts by name, each with a home folder; `run("ada", folder, "nbgrader", "list")` is what ada would type."""

    def __init__(self, talk: subprocess.Popen[str], homes: Path, ids: dict[str, int]) -> None:
        self._talk, self.homes, self.ids = talk, homes, ids

    def own(self, name: str, folder: Path) -> None:
        """Give a folder and all in it to an account."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.ids[name], self.ids[name], follow_symlinks=False)

    def run(self, name: str, folder: Path, *command: str, status: int = 0) -> str:
        """Run a command as an account, in a folder; what it said. Its exit status must be `status`."""
        order = {"id": self.ids[name], "home": str(self.homes / name), "folder": str(folder), "command": command}
        assert self._talk.stdin is not None and self._talk.stdout is not None
        print(json.dumps(order), file=self._talk.stdin, flush=True)
        answer = json.loads(self._talk.stdout.readline())
        assert answer["status"] == status, answer["said"]
        said: str = answer["said"]
        return said


@contextmanager
def accounts(homes: Path, names: tuple[str, ...]) -> Iterator[Accounts]:
    """Make accounts, their homes below `homes`. Skips the test where that takes rights that we do not have."""
    if os.getuid() != 0:
        pytest.skip("only root can be other accounts")
    missing = [tool for tool in ("bwrap", "setpriv") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{missing[0]} is missing")
    ids = {name: number for number, name in enumerate(names, FIRST_ID)}
    passwd, group = homes / "passwd", homes / "group"
    lines = [f"{name}:x:{number}:{number}::{homes / name}:/bin/sh\n" for name, number in ids.items()]
    passwd.write_text("".join(lines) + Path("/etc/passwd").read_text())
    group.write_text("".join(f"{name}:x:{n}:\n" for name, n in ids.items()) + Path("/etc/group").read_text())
    for name, number in ids.items():
        (homes / name).mkdir(mode=0o700)
        os.chown(homes / name, number, number)
    command = ["bwrap", "--dev-bind", "/", "/", *_opened(), "--ro-bind", str(passwd), "/etc/passwd"]
    command += ["--ro-bind", str(group), "/etc/group", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    command += ["--die-with-parent", "--", sys.executable, str(Path(__file__).with_name("switchboard.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as talk:
        assert talk.stdin is not None and talk.stdout is not None
        if talk.stdout.readline() != "ready\n":
            pytest.skip(f"bwrap cannot mount here (status {talk.wait()})")
        yield Accounts(talk, homes, ids)
        talk.stdin.close()


def _opened() -> list[str]:
    """Mounts that show interpreter and checkout in folders that only root may enter, and nothing else there."""
    closed: dict[Path, list[Path]] = {}
    for wanted in dict.fromkeys(Path(place).resolve() for place in (sys.base_prefix, sys.prefix, ROOT, *_weights())):
        shut = next((part for part in reversed(wanted.parents) if not part.stat().st_mode & 0o001), None)
        if shut is not None:
            closed.setdefault(shut, []).append(wanted)
    mounts: list[str] = []
    for shut, places in closed.items():
        mounts += ["--tmpfs", str(shut)]
        for place in places:
            between = [part for part in reversed(place.parents) if shut in part.parents]
            for part in between:
                mounts += ["--perms", "0755", "--dir", str(part)]
            mounts += ["--ro-bind", str(place), str(place)]
    return mounts


def _weights() -> list[str]:
    return [place for place in [os.environ.get("TORCH_HOME", "")] if place and Path(place).is_dir()]
