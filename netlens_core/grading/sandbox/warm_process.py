"""The warm process seen from outside: started under the level's locks, asked to fork, ended with its owner."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import netlens_core
from netlens_core.grading.plain_text import plain
from netlens_core.grading.sandbox import cgroups
from netlens_core.grading.sandbox.counted_time import processor_time_below
from netlens_core.grading.sandbox.levels import (
    KILLED,
    SANDBOX_UID,
    SYSTEM,
    bwrap_command,
    closed_folders,
    interpreter_paths,
    reduced_uid,
)
from netlens_core.grading.sandbox.outcomes import SandboxKilledError, SandboxUnavailableError
from netlens_core.grading.scratch import owned_folder, remove_folder, temporary_files

KIT = (
    *("__init__.py", "networks.py", "images.py", "picture_files.py", "daisies.py", "paintings.py", "digits.py"),
    *("own_inputs.py", "languages.py"),
)
IN_NOTEBOOKS = ("__init__.py", "result.py")  # of the package `netlens`, which notebooks import
# A start takes as long as it takes on a slow, busy machine: it is given up where the process stands still.
START_SECONDS = 120  # without any CPU time
_LONGEST_START = 3600
_LOOK = 5  # seconds between two looks at its CPU time
_ANSWER_SECONDS = 60
_FOLDER = "netlens-sandbox-"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONMALLOC": "malloc",
    # Huge pages halve what forks cost. Memory that was freed stays with the process, instead of being fetched from the
    # kernel, page by page, for each convolution anew: half the time of a forward pass where page faults are dear.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1073741824:"
    "glibc.malloc.trim_threshold=4294967296:glibc.malloc.top_pad=67108864",
    # OpenMP hangs in forked processes unless it was told before its import to use one thread.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "CUDA_VISIBLE_DEVICES": "",
    "NETLENS_OFFLINE": "1",
    "NETLENS_CHECKING": "1",  # `netlens.check` in a notebook does nothing there
}


class WarmProcess:
    """One warm process. Not for several threads at once. Raises SandboxUnavailableError where it does not start."""

    def __init__(self, networks: Sequence[str], level: str) -> None:
        self.level = level
        self._home: Path | None = None  # only where there is no file system of its own
        self._lock: BinaryIO | None = None  # shows others that the home is in use
        self._process: subprocess.Popen[bytes] | None = None
        self.group = cgroups.new_group()[0] if level != "none" else None  # None as well where there are none
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._start(list(networks), theirs)
            self._await_readiness()
        except BaseException:
            self.close()
            raise

    def _start(self, networks: list[str], theirs: socket.socket) -> None:
        weights, torch_home = _weights(networks)
        readable, hidden = [*interpreter_paths(), *weights], [str(path) for path in _installed_netlens()]
        if self.level == "full":
            kit, private = "/kit", "/tmp"
            command = bwrap_command(readable, {f"/kit/{name}": path for name, path in _kit().items()}, hidden)
        else:
            self._home, self._lock = owned_folder(_FOLDER)
            kit, private, command = str(self._home / "kit"), str(self._home / "home"), []
            with temporary_files():
                self._furnish(self._home)
        # Where there is a file system of its own, what is hidden is not there.
        allowed, listed = _without([*SYSTEM, *readable], hidden) if self._home else ([*SYSTEM, *readable], [])
        config = {
            "control": theirs.fileno(),
            "level": self.level,
            "networks": networks,
            "kit": kit,
            "readable": [*allowed, kit],
            "listed": listed,
            "closed": closed_folders([*readable, str(self._home)]) if self._home else {},
            "uid": SANDBOX_UID if self.level == "full" else reduced_uid(),
        }
        own = {"HOME": private, "TMPDIR": private, "IPYTHONDIR": f"{private}/ipython", "TORCH_HOME": torch_home}
        own |= {"MPLCONFIGDIR": f"{private}/matplotlib", "PYTHONPATH": kit}
        command += [sys.executable, "-s", "-P", "-m", "netlens_inside.warm", json.dumps(config)]
        self._process = subprocess.Popen(
            self.group.entered_by(command) if self.group else command,
            cwd="/",
            env=ENVIRONMENT | own,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
        )

    def _furnish(self, home: Path) -> None:
        """Copy what may be seen to a folder of its own, beside a folder to write to."""
        for name, source in _kit().items():
            target = home / "kit" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        for name in ("home", "submissions"):
            (home / name).mkdir()
        for path in [home, *home.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        self._give(home / "home")

    def _give(self, folder: Path) -> None:
        """Let the sandbox's own user have a folder."""
        if os.getuid() == 0 and self.level == "reduced":
            os.chown(folder, reduced_uid(), reduced_uid())

    def _await_readiness(self) -> None:
        if not self._says_ready():
            words = f"the {self.level} sandbox does not start: {self._last_words()}"
            killed = self._process is not None and self._process.returncode in KILLED
            raise SandboxKilledError(words) if killed else SandboxUnavailableError(words)
        if self.group and not self.group.warm():
            self.group.remove()
            self.group = None

    def _says_ready(self) -> bool:
        assert self._process is not None
        began = moved = time.monotonic()
        spent = 0.0
        self.control.settimeout(min(_LOOK, START_SECONDS))
        while True:
            try:
                return bool(self.control.recv(4096))
            except TimeoutError:
                now, spent_now = time.monotonic(), processor_time_below(self._process.pid)
            except OSError:
                return False
            if spent_now > spent:
                moved, spent = now, spent_now
            if now - moved >= START_SECONDS or now - began >= _LONGEST_START:
                told = f"the sandbox did not start: it stood still for {now - moved:.0f} s after {now - began:.0f} s"
                raise SandboxUnavailableError(told)

    def _last_words(self) -> str:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(60)
        self._said.seek(0)
        lines = self._said.read(1 << 20)[-4000:].decode(errors="replace").strip().splitlines()
        return plain(lines[-1], 500) if lines else f"it ended with status {self._process.returncode}"

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def changed(self) -> str:
        """What is no longer as it was when the process was ready; "" where all is. Not while a child lives.

        What one submission left behind must not cost the next one anything: where something is left, a fresh process
        takes over.
        """
        if self.group and (grown := self.group.grown()):
            return f"it holds {grown >> 20} MiB that nothing explains"
        try:
            self.control.settimeout(_ANSWER_SECONDS)
            self.control.send(b"{}")
            answer = self.control.recv(4096)
        except OSError:  # a time-out is one
            answer = b""
        return ", ".join(json.loads(answer)["changed"]) if answer else "it does not answer"

    def fork(self, wish: dict[str, object], descriptors: list[int]) -> None:
        """Ask for a child with these limits and descriptors (requests, replies, log). Raises OSError if it is dead."""
        socket.send_fds(self.control, [json.dumps(wish).encode()], descriptors)

    def new_work_folder(self) -> str:
        """Where the next child works: a memory disk of its own, or a fresh folder where there is none."""
        if self._home is None:
            return "/box"
        work = Path(tempfile.mkdtemp(prefix="work-", dir=self._home / "submissions"))
        self._give(work)
        return str(work)

    def discard(self, work: str) -> None:
        """Remove a child's work folder."""
        if self._home is not None:
            remove_folder(work)

    def close(self) -> None:
        """End the process and everything below it."""
        self.control.close()  # it reads the end of the file, and exits
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(3)
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)  # bubblewrap's death is that of all below it
            self._process.wait()
            self._process = None
        if self.group:
            self.group.remove()
        self._said.close()
        if self._home is not None:
            remove_folder(self._home)
        if self._lock is not None:
            self._lock.close()


def _kit() -> dict[str, str]:
    """All of netlens that a submission can see: the student kit, and what runs the submission. Target -> source."""
    package, inside = Path(netlens_core.__file__).parent, Path(__file__).parent / "inside"
    files = {f"netlens_core/{name}": package / name for name in KIT}
    files |= {f"netlens/{name}": package.parent / "netlens" / name for name in IN_NOTEBOOKS}
    files |= {f"netlens_inside/{path.name}": path for path in sorted(inside.glob("*.py"))}
    return {name: str(path) for name, path in files.items() if path.is_file()}


def _weights(networks: list[str]) -> tuple[list[str], str]:
    """Weight files outside Python's own folders, and the TORCH_HOME under which torch finds them."""
    import torch

    from netlens_core.networks import network_source

    paths = [network_source(name).path.absolute() for name in networks]
    inside = [Path(prefix) for prefix in interpreter_paths()]
    outside = [path for path in paths if not any(path.is_relative_to(prefix) for prefix in inside)]
    return [str(path) for path in outside], str(Path(torch.hub.get_dir()).absolute().parent)


def _installed_netlens() -> list[Path]:
    """Where Python's own folders hold an installed netlens: to be hidden from submissions."""
    folders = [Path(folder) / name for folder in site.getsitepackages() for name in ("netlens", "netlens_core")]
    return [folder for folder in folders if folder.is_dir()]


def _without(readable: Iterable[str], hidden: Iterable[str]) -> tuple[list[str], list[str]]:
    """Hidden folders cut out of readable ones: what may be read then, and which folders may only be listed.

    Landlock can only allow, so what surrounds a hidden folder is named instead. Links are followed, as Landlock does:
    one that leads around the cut (`lib64 -> lib` in virtual environments) must not open it again.
    """
    paths, listed = [Path(path).resolve() for path in readable if Path(path).exists()], list[Path]()
    for cut in [Path(path).resolve() for path in hidden]:
        opened = paths
        paths = []
        for path in opened:
            if not cut.is_relative_to(path):
                paths.append(path)
                continue
            for level in [folder for folder in (cut, *cut.parents) if folder.is_relative_to(path) and folder != cut]:
                listed.append(level)
                beside = [child.resolve() for child in level.iterdir()]
                paths += [child for child in beside if not cut.is_relative_to(child)]
    return _strings(paths), _strings(listed)


def _strings(paths: list[Path]) -> list[str]:
    return list(dict.fromkeys(map(str, paths)))
