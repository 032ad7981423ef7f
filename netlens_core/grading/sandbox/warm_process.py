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
from collections.abc import Sequence
from pathlib import Path

import netlens_core
from netlens_core.grading.sandbox.levels import SANDBOX_UID, SYSTEM, bwrap_command, interpreter_paths
from netlens_core.grading.sandbox.outcomes import SandboxUnavailableError

KIT = ("__init__.py", "networks.py", "images.py", "daisies.py")
START_SECONDS = 120
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # huge pages: forks cost half
    # OpenMP hangs in forked processes unless it was told before its import to use one thread.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "CUDA_VISIBLE_DEVICES": "",
    "NETLENS_OFFLINE": "1",
}


class WarmProcess:
    """One warm process. Not for several threads at once. Raises SandboxUnavailableError where it does not start."""

    def __init__(self, networks: Sequence[str], level: str) -> None:
        self.level = level
        self._home = Path(tempfile.mkdtemp(prefix="netlens-kit-"))
        try:
            self._copy_kit()
            self._start(list(networks))
        except BaseException:
            self.close()
            raise

    _process: subprocess.Popen[bytes] | None = None
    control: socket.socket

    def _copy_kit(self) -> None:
        """The student kit and our own inside modules: all of netlens that a submission can see."""
        package, here = Path(netlens_core.__file__).parent, Path(__file__).parent
        for source, target in ((package, "netlens_core"), (here / "inside", "netlens_inside")):
            (self._home / target).mkdir()
            for name in KIT if target == "netlens_core" else sorted(path.name for path in source.glob("*.py")):
                if (source / name).is_file():
                    shutil.copyfile(source / name, self._home / target / name)
        for path in [self._home, *self._home.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)

    def _start(self, networks: list[str]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        weights, torch_home = _weights(networks)
        readable = [*interpreter_paths(), str(self._home), *weights]
        packages = [str(path) for path in _installed_netlens()]
        config = {
            "control": theirs.fileno(),
            "kit": str(self._home),
            "level": self.level,
            "networks": networks,
            "readable": [*SYSTEM, *_without(readable, packages)] if self.level == "reduced" else [*SYSTEM, *readable],
            "uid": SANDBOX_UID,
        }
        private = "/tmp" if self.level == "full" else str(self._home / "home")
        if self.level != "full":
            self._make_home(Path(private))
        environment = {**_ENVIRONMENT, "HOME": private, "TMPDIR": private, "IPYTHONDIR": f"{private}/ipython"}
        environment |= {"MPLCONFIGDIR": f"{private}/matplotlib", "TORCH_HOME": torch_home}
        environment["PYTHONPATH"] = str(self._home)
        command = bwrap_command(readable, packages) if self.level == "full" else []
        command += [sys.executable, "-s", "-m", "netlens_inside.warm", json.dumps(config)]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._process = subprocess.Popen(
            command, cwd="/", env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            stdout=self._said, stderr=self._said,
        )  # fmt: skip
        theirs.close()
        self.control.settimeout(START_SECONDS)
        try:
            ready = self.control.recv(4096)
        except TimeoutError:
            raise SandboxUnavailableError(f"the sandbox did not start within {START_SECONDS} s") from None
        if not ready:
            raise SandboxUnavailableError(f"the {self.level} sandbox does not start: {self._last_words()}")

    def _make_home(self, home: Path) -> None:
        home.mkdir()
        if os.getuid() == 0 and self.level != "none":
            os.chown(home, SANDBOX_UID, SANDBOX_UID)

    def _last_words(self) -> str:
        assert self._process is not None
        self._process.wait(10)
        self._said.seek(0)
        lines = self._said.read()[-4000:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with status {self._process.returncode}"

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def fork(self, limits: dict[str, object], descriptors: list[int]) -> None:
        """Ask for a child with these limits and descriptors (requests, replies, log). Raises OSError if it is dead."""
        socket.send_fds(self.control, [json.dumps(limits).encode()], descriptors)

    def new_work_folder(self) -> str:
        """Where the next child works: a memory disk of its own, or a fresh folder where there is none."""
        if self.level == "full":
            return "/box"
        work = tempfile.mkdtemp(prefix="work-", dir=self._home / "home")
        if os.getuid() == 0 and self.level != "none":
            os.chown(work, SANDBOX_UID, SANDBOX_UID)
        return work

    def discard(self, work: str) -> None:
        """Remove a child's work folder."""
        if work != "/box":
            shutil.rmtree(work, ignore_errors=True)

    def close(self) -> None:
        """End the process and everything below it."""
        if self._process is not None:
            self.control.close()  # it reads the end of the file, and exits
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(3)
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            self._said.close()
        shutil.rmtree(self._home, ignore_errors=True)


def _weights(networks: list[str]) -> tuple[list[str], str]:
    """Weight files outside Python's own folders, and the TORCH_HOME under which torch finds them."""
    from netlens_core.networks import network_source

    torch_home = os.environ.get("TORCH_HOME") or str(Path.home() / ".cache" / "torch")
    paths = [network_source(name).path.absolute() for name in networks]
    inside = [Path(prefix) for prefix in interpreter_paths()]
    outside = [path for path in paths if not any(path.is_relative_to(prefix) for prefix in inside)]
    return [str(path) for path in outside], str(Path(torch_home).absolute())


def _installed_netlens() -> list[Path]:
    """Where Python's own folders hold an installed netlens: to be hidden from submissions."""
    folders = [Path(folder) for folder in [*site.getsitepackages(), site.getusersitepackages()]]
    return [folder / "netlens_core" for folder in folders if (folder / "netlens_core").is_dir()]


def _without(readable: list[str], hidden: list[str]) -> list[str]:
    """The same paths with hidden folders cut out: Landlock can only allow, so their siblings are named instead."""
    for cut in hidden:
        expanded = []
        for path in readable:
            if Path(cut).is_relative_to(path):
                level = Path(path)
                for part in Path(cut).relative_to(path).parts:
                    expanded += [str(child) for child in level.iterdir() if child.name != part]
                    level /= part
            else:
                expanded.append(path)
        readable = expanded
    return readable
