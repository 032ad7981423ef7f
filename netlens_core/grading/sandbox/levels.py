"""How strongly submissions can be locked in on this machine, and the command line that does it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from netlens_core.grading.sandbox.inside import confine, syscalls

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/fonts", "/sys/devices/system/cpu")
SANDBOX_UID = 61000  # what root becomes; no account of its own
_USER_NAMESPACES = (
    "this kernel or container forbids user namespaces (on Ubuntu 24.04 an AppArmor profile for bwrap is needed; in "
    "Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined)"
)


@lru_cache(maxsize=1)
def best_level() -> tuple[str, str]:
    """The strongest level that works here ("full", "reduced", "none"), and why not a stronger one ("" for full)."""
    if sys.platform != "linux":
        return "none", "there is no sandbox on this system: grade in a Linux container or virtual machine"
    if not syscalls.supported():
        return "none", "the system call filter does not know this processor (x86_64 and aarch64 are known)"
    if confine.landlock_version() < 1:
        return "none", "this kernel has no Landlock (Linux 5.13 and newer have it, where it is switched on)"
    if not shutil.which("bwrap"):
        return "reduced", "bubblewrap is missing: apt-get install bubblewrap"
    if reason := _refused_by_kernel():
        return "reduced", reason
    return "full", ""


def _refused_by_kernel() -> str:
    """Try the very namespaces that the sandbox uses, nested as it nests them."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from inside import confine as c\n"
        "if os.getuid() == 0: c.mount('proc', '/proc'); c.become_user(int(sys.argv[2]))\n"
        "c.new_user(0, c.NEWNS | c.NEWPID)\n"
        "pid = os.fork()\n"
        "if pid: sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        "c.mount('proc', '/proc'); c.private_world('/box', 1 << 20)\n"
    )
    here = str(Path(__file__).parent)
    command = [*bwrap_command([*interpreter_paths(), here]), sys.executable, "-s", "-c", code, here, str(SANDBOX_UID)]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not work here ({error})"
    if tried.returncode == 0:
        return ""
    said = " ".join(tried.stderr.split()[-30:])
    return f"{_USER_NAMESPACES}; it said: {said}" if said else _USER_NAMESPACES


def interpreter_paths() -> list[str]:
    """Folders that this Python needs: its virtual environment and what that was made from."""
    prefixes = [sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])]
    return [prefix for prefix in dict.fromkeys(prefixes) if not prefix.startswith("/usr/") and prefix != "/usr"]


def bwrap_command(readable: Iterable[str], hidden: Iterable[str] = ()) -> list[str]:
    """bubblewrap with no network, own processes, and a file system in which only `readable` can be seen, read-only.

    Folders in `hidden` are covered with empty ones.
    """
    command = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session"]
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp", "--dir", "/box"]
    if os.getuid() == 0:  # given up again before anything heavy is imported
        command += [word for name in ("SYS_ADMIN", "SETUID", "SETGID") for word in ("--cap-add", f"CAP_{name}")]
    else:
        command += ["--unshare-user"]
    for path in dict.fromkeys([*SYSTEM, *readable]):
        # bubblewrap makes the parents of what it binds readable for root only, unless they are named.
        parents = [str(parent) for parent in reversed(Path(path).parents)][1:]
        command += [word for parent in parents if not parent.startswith("/usr") for word in ("--dir", parent)]
        if Path(path).is_symlink():
            command += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).exists():
            command += ["--ro-bind", path, path]
    for path in hidden:
        command += ["--perms", "0755", "--tmpfs", path]
    return [*command, "--"]
