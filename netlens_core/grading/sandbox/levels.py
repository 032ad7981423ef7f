"""How strongly submissions can be locked in on this machine, and the command line that does it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/fonts", "/sys/devices/system/cpu")
SANDBOX_UID = 61000  # what root becomes; no account of its own
_UIDS = 184  # from there on; then come those that systemd gives to services
KILLED = (-9, 128 + 9, 256 - 9)  # SIGKILL: itself; below bubblewrap; below the process that waits there
_USER_NAMESPACES = (
    "this kernel or container forbids user namespaces (Ubuntu 24.04: an AppArmor profile for bwrap is needed; "
    "Debian: sysctl kernel.unprivileged_userns_clone=1; Podman: --security-opt unmask=ALL; Docker: --security-opt "
    "seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined)"
)
_READ_ONLY = (
    "what submissions see cannot be made read-only here: that takes the system call mount_setattr, which a container "
    "may forbid (Podman, Docker: a newer one, or --security-opt seccomp=unconfined)"
)
# The very calls that lock a submission in, in their order; then what they are for.
_TRIAL = """
import errno, json, os, sys
from netlens_inside import confine, warm
config = json.loads(sys.argv[1])
warm.enter(config)
confine.unshare(confine.NEWPID)
if pid := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
warm.lock(config["wish"], config)
for place in ("/box", "/tmp", "/dev/shm"):
    os.mkdir(f"{place}/own")
try:
    os.chmod("/kit/netlens_inside", 0o755)
except OSError as error:
    if error.errno == errno.EROFS:
        os._exit(0)
sys.exit("what all submissions see can be changed")
"""
# The user that the reduced sandbox becomes starts this Python, and locks itself in.
_REDUCED_TRIAL = """
import json, os, socket, sys
from inside import confine, syscalls
if os.getuid() == 0:
    confine.open_closed_folders(json.loads(sys.argv[1]))
    confine.become_user(int(sys.argv[2]))
    if os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", ""]):
        os._exit(3)
confine.drop_capabilities()
syscalls.restrict_system_calls(False, confine.landlock([], [], [], []))
for forbidden in (lambda: os.listdir("/"), lambda: socket.socket(socket.AF_UNIX)):
    try:
        forbidden()
    except PermissionError:
        continue
    sys.exit("files and sockets stay open")
os._exit(0)
"""
_OTHERS_PYTHON = 3  # exit status: another user cannot start it


@lru_cache(maxsize=1)
def best_level() -> tuple[str, str]:
    """The strongest level that works here ("full", "reduced", "none"), and why not a stronger one ("" for full).

    Tried, not guessed; takes a few hundred milliseconds, once a process.
    """
    if sys.platform != "linux":
        name = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)
        return "none", (
            f"{name} has nothing to lock submissions in with. `netlens check` works here; grade on Linux, or in the "
            "container image that netlens' Containerfile builds (its first lines tell how)"
        )
    from netlens_core.grading.sandbox.inside import confine, syscalls

    if not syscalls.supported():
        return "none", "the system call filter does not know this processor (x86_64 and aarch64 are known)"
    if confine.landlock_version() < 1:
        return "none", "this kernel has no Landlock (Linux 5.13 and newer have it, where it is switched on)"
    if not (reason := _no_full()):
        return "full", ""
    if hindrance := _no_reduced():
        return "none", f"{reason}; and {hindrance}"
    return "reduced", reason


def _no_full() -> str:
    """Why the full sandbox does not work here; "" where it does."""
    if not shutil.which("bwrap"):
        return "bubblewrap is missing (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)"
    inside = Path(__file__).parent / "inside"
    kit = {f"/kit/netlens_inside/{path.name}": str(path) for path in inside.glob("*.py")}
    wish = {"work": "/box", "memory_bytes": 1 << 30, "disk_bytes": 1 << 20, "files": 16, "processes": 8}
    config = {"level": "full", "uid": SANDBOX_UID, "closed": {}, "readable": [], "listed": [], "folders": []}
    told = json.dumps(config | {"wish": wish | {"cpu_seconds": 60}})
    command = [*bwrap_command(interpreter_paths(), kit), sys.executable, "-s", "-P", "-c", _TRIAL, told]
    try:
        tried = _tried(command, {"PYTHONPATH": "/kit"})
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not work here ({error})"
    if tried.returncode == 0:
        return ""
    said = " ".join(tried.stderr.split()[-30:])
    if "mount_setattr" in said:
        return f"{_READ_ONLY}; it said: {said}"
    return f"{_USER_NAMESPACES}; it said: {said}" if said else _USER_NAMESPACES


def _no_reduced() -> str:
    """Why the reduced sandbox does not work here; "" where it does."""
    closed = json.dumps(closed_folders(interpreter_paths()) if os.getuid() == 0 else {})
    command = [sys.executable, "-s", "-P", "-c", _REDUCED_TRIAL, closed, str(SANDBOX_UID)]
    try:
        tried = _tried(command, {"PYTHONPATH": str(Path(__file__).parent)})
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Landlock and the system call filter could not be tried ({error})"
    if tried.returncode == 0:
        return ""
    if tried.returncode != _OTHERS_PYTHON:
        said = " ".join(tried.stderr.split()[-30:])
        return f"Landlock or the system call filter does not work here; it said: {said}"
    return (
        f"no other user can read this Python ({Path(sys.executable).resolve()}), which locking submissions in without "
        "namespaces needs: use a Python outside of root's home, or do not work as root"
    )


def _tried(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a trial; anew where it was killed from outside, which says nothing about what works here."""
    for _ in range(3):
        tried = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd="/", env=environment)
        if tried.returncode not in KILLED:
            break
    return tried


def reduced_uid() -> int:
    """Whom root's reduced sandboxes become: another user for each grading process, as far as the numbers go.

    The kernel counts threads and pipes by user, so one submission could leave none for another that runs beside it.
    """
    return SANDBOX_UID + os.getpid() % _UIDS


def closed_folders(paths: Iterable[str]) -> dict[str, list[str]]:
    """Folders that not everybody may enter -> what of `paths` lies below them, links followed as well."""
    found: dict[str, list[str]] = {}
    names = dict.fromkeys(name for path in paths for name in (path, os.path.realpath(path)))
    for path in names:
        for parent in reversed(Path(path).parents):
            if parent.is_dir() and not parent.stat().st_mode & 0o001:
                found.setdefault(str(parent), []).append(path)
                break
    return found


def interpreter_paths() -> list[str]:
    """Folders that this Python needs: its virtual environment and what that was made from."""
    prefixes = [sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])]
    return [prefix for prefix in dict.fromkeys(prefixes) if not Path(prefix).is_relative_to("/usr")]


def bwrap_command(readable: Iterable[str], binds: Mapping[str, str], hidden: Iterable[str] = ()) -> list[str]:
    """bubblewrap with no network, own processes, and a file system in which only what is named can be seen, read-only.

    Args:
        readable: files and folders that are seen where they lie.
        binds: target -> source, for files that are seen elsewhere.
        hidden: folders below `readable` that are covered with empty ones.
    """
    command = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session"]
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp", "--dir", "/box"]
    if os.getuid() == 0:  # given up again before anything heavy is imported
        command += [word for name in ("SYS_ADMIN", "SETUID", "SETGID") for word in ("--cap-add", f"CAP_{name}")]
    else:
        command += ["--unshare-user"]
    sources = {path: path for path in [*SYSTEM, *readable]} | dict(binds)
    # bubblewrap makes the parents of what it binds readable for root only, unless they are named.
    parents = {str(parent): None for path in sources for parent in reversed(Path(path).parents)}
    command += [word for parent in parents if not parent.startswith("/usr") for word in ("--dir", parent)]
    for target, source in sources.items():
        if target == source and Path(source).is_symlink():
            command += ["--symlink", str(Path(source).readlink()), target]
        elif Path(source).exists():
            command += ["--ro-bind", source, target]
    for path in hidden:
        command += ["--perms", "0755", "--tmpfs", path]
    return [*command, "--"]
