"""A PostgreSQL server of Debian's packages for the time of a test, run by an account without rights."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "listen_addresses=")


def programs() -> Path:
    """Where the newest server's programs lie; skips where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        pytest.skip("PostgreSQL is not here: setup.sh test installs it as root (apt: postgresql)")
    return found[-1]


@contextmanager
def server() -> Iterator[str]:
    """Run a server; gives the URL of an empty database, by a socket that nobody else has."""
    bin_folder = programs()
    account = "postgres" if os.geteuid() == 0 else getpass.getuser()
    if os.geteuid() == 0 and not shutil.which("runuser"):
        pytest.skip("PostgreSQL refuses to run as root, and runuser is not here")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pg") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, account)

        def command(program: str, *arguments: str) -> list[str]:
            asked = [str(bin_folder / program), *arguments]
            return ["runuser", "-u", account, "--", *asked] if os.geteuid() == 0 else asked

        def run(program: str, *arguments: str) -> None:
            done = subprocess.run(command(program, *arguments), capture_output=True, text=True, cwd=folder)
            assert done.returncode == 0, done.stdout + done.stderr

        run("initdb", "-D", f"{folder}/data", "-U", "netlens", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = [part for option in _FAST for part in ("-c", option)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command("postgres", "-D", f"{folder}/data", "-k", str(folder), *options),
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        try:
            until = time.monotonic() + 600
            while not (folder / ".s.PGSQL.5432").exists() or _not_ready(bin_folder, folder):
                assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.05)
            run("createdb", "-h", str(folder), "-U", "netlens", "grades")
            yield f"postgresql+psycopg2://netlens:secret@/grades?host={folder}"
        finally:
            run("pg_ctl", "stop", "-D", f"{folder}/data", "-m", "immediate")
            process.wait(timeout=600)


def _not_ready(bin_folder: Path, folder: Path) -> int:
    return subprocess.run([bin_folder / "pg_isready", "-q", "-h", folder]).returncode
