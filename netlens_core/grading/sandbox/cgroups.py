"""Control groups: the kernel's own count of all the memory and processes that one sandbox holds.

One group holds one warm process and the one submission at a time that it forks, so that no submission has to be moved.
Its limit is wider than all that a submission may have by the limits of its own process and disks (`confine`), so that
those are hit first: the same submission gets the same grade with groups and without. What only a group counts is what
the kernel holds for a submission (pipes, sockets, tables) and all of it in one sum.

Groups are made below the own one: with version 2 where systemd has handed that over (`Delegate=yes`), with version 1
where root may. Nothing here raises: where a step fails, there is no group, and everything else goes on as before.

Sources: cgroups(7), the kernel's admin-guide/cgroup-v2 and cgroup-v1/memory, systemd's CGROUP_DELEGATION.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_KERNEL_BYTES = 256 << 20  # what the kernel may hold for an honest submission: pipes, page tables, names of files
_LEFT_BYTES = 64 << 20  # that may be left of submissions before a fresh warm process takes over: a part of the above
_HELPERS = 16  # processes and threads of a sandbox beside a submission's own, and room for those that are ending
_OURS = "netlens-own"  # where version 2 wants the processes of a group that has groups below it
_numbers = itertools.count()
# The command becomes a member before it is started, so that nothing it does is missed.
_ENTER = '{ echo 0 > "$0"; } 2> /dev/null; exec "$@"'


@dataclass(frozen=True)
class Version:
    """How a version of control groups names what is used here."""

    used: str
    limit: str
    hits: tuple[str, str]  # file and key of how often the limit was hit; no key: the file is the number
    kills: tuple[str, str]  # the same for processes killed for want of memory
    drop: tuple[str, str]  # file and what to write there for dropping what the kernel can do without


V1 = Version(
    "memory.usage_in_bytes",
    "memory.limit_in_bytes",
    ("memory.failcnt", ""),
    ("memory.oom_control", "oom_kill"),
    ("memory.force_empty", "0"),
)
V2 = Version(
    "memory.current",
    "memory.max",
    ("memory.events", "oom"),
    ("memory.events", "oom_kill"),
    ("memory.reclaim", "64M"),
)


class Group:
    """The control group of one sandbox."""

    def __init__(self, path: Path, version: Version) -> None:
        self._path = path
        self._version = version
        self._held = 0
        self._kept = 0  # the part of it that the kernel cannot drop
        self._limits = self._before = (0, 0)

    def entered_by(self, command: Sequence[str]) -> list[str]:
        """The command line that starts a command in this group, or outside where that fails."""
        return ["/bin/sh", "-c", _ENTER, str(self._path / "cgroup.procs"), *command]

    def warm(self) -> bool:
        """Take note of what the warm process holds, once it is ready; False where it is not in the group."""
        self._held, self._kept = self._number(self._version.used), self._undroppable()
        return bool(self._held and _read(self._path / "cgroup.procs"))

    def limit(self, memory_bytes: int, disk_bytes: int, processes: int) -> bool:
        """Set the limits for the next submission; both its disks are in memory, and it may copy all warm pages.

        False where memory stays without a limit.
        """
        wanted = 2 * self._held + memory_bytes + 2 * disk_bytes + _KERNEL_BYTES, processes + _HELPERS
        if wanted != self._limits and _written(self._path / self._version.limit, str(wanted[0])):
            self._limits = wanted
            _written(self._path / "memory.swap.max", "0")
            _written(self._path / "pids.max", str(wanted[1]))
        self._before = self._counts()
        return wanted == self._limits

    def ran_out(self) -> bool:
        """Whether a process of the present submission was killed since this group's limit was hit."""
        hits, kills = self._counts()
        return hits > self._before[0] and kills > self._before[1]

    def grown(self) -> int:
        """Bytes that submissions left in memory, of the kernel or of disks, by what the group holds more than the warm
        process did when it was ready; 0 where that is little. Not while a submission runs.
        """
        if self._number(self._version.used) - self._held <= _LEFT_BYTES:
            return 0
        for pause in (0.0, 0.02, 0.1):  # the kernel frees some things a little later
            time.sleep(pause)
            if (more := self._undroppable() - self._kept) <= _LEFT_BYTES:
                return 0
            file, text = self._version.drop  # names of files, say, are not told apart where they are counted
            _written(self._path / file, text)
        return more

    def _undroppable(self) -> int:
        """Bytes that the group holds, without files that it read: the kernel drops those where room is wanted."""
        counted = dict(line.split(" ", 1) for line in _read(self._path / "memory.stat").splitlines())
        droppable = ("inactive_file", "active_file", "slab_reclaimable")
        return self._number(self._version.used) - sum(int(counted.get(name, 0)) for name in droppable)

    def remove(self) -> None:
        """Remove the group; its last processes may take some milliseconds to go."""
        _removed(self._path, tries=100)

    def _counts(self) -> tuple[int, int]:
        return self._number(*self._version.hits), self._number(*self._version.kills)

    def _number(self, file: str, key: str = "") -> int:
        for line in _read(self._path / file).splitlines():
            name, _, value = line.rpartition(" ")
            if name == key and value.isdigit():
                return int(value)
        return 0


def hindrance() -> str:
    """Why no sandbox gets a control group here; "" where each does. Tried, not guessed."""
    group, reason = new_group()
    if group is None:
        return reason
    limited = group.limit(1 << 30, 1 << 20, 32)
    group.remove()
    return "" if limited else "control groups take no limits here"


def remove_left(process: Path = Path("/proc/self")) -> None:
    """Remove the groups of owners that are gone; workers of a pool, say, that have just ended with their sandboxes."""
    with contextlib.suppress(OSError, ValueError):
        _, own = _own_group(process)
        for left in _left(own) if own else ():
            _removed(left, tries=100)


def new_group(process: Path = Path("/proc/self")) -> tuple[Group | None, str]:
    """A new group below the own one, and "", or None and why there is none. `process` is this one's folder in /proc.

    Groups of owners that are gone, by kill -9 say, are removed.
    """
    try:
        return _new_group(process)
    except (OSError, ValueError) as error:
        return None, f"control groups do not work here ({error})"


def _new_group(process: Path) -> tuple[Group | None, str]:
    version, own = _own_group(process)
    if own is None:
        return None, "this system has no control groups that count memory"
    if version is V2 and not _delegated(own):
        return None, f"the control group {own} is not this process's own"
    if not os.access(own, os.W_OK):
        return None, f"this user cannot make control groups below {own}"
    if version is V2:
        _make_room(own)
    for left in _left(own):
        _removed(left, tries=1)
    path = own / f"netlens-{os.getpid()}-{next(_numbers)}"
    path.mkdir()
    if not (path / version.limit).is_file():
        path.rmdir()
        return None, f"memory is not counted below {own}"
    return Group(path, version), ""


def _left(own: Path) -> list[Path]:
    """Groups below this one whose owners are gone."""
    return [path for path in own.glob("netlens-*-*") if not Path(f"/proc/{path.name.split('-')[1]}").exists()]


def _removed(path: Path, tries: int) -> None:
    for again in range(tries):
        if again:
            time.sleep(0.005)
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            continue
        return


def _own_group(process: Path) -> tuple[Version, Path | None]:
    """Where the group that counts this process's memory is seen."""
    for line in os.fsdecode((process / "cgroup").read_bytes()).splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        version = V1 if controllers else V2
        folder = _seen(process, name, version)
        if folder is not None and folder.name == _OURS:
            folder = folder.parent
        if folder is not None and (version is V1 or "memory" in _read(folder / "cgroup.controllers").split()):
            return version, folder
    return V2, None


def _seen(process: Path, name: str, version: Version) -> Path | None:
    """The folder of the group called `name`."""
    for line in os.fsdecode((process / "mountinfo").read_bytes()).splitlines():
        left, _, right = line.partition(" - ")
        root, place = left.split()[3:5]
        kind, _, options = right.split(" ", 2)
        fits = kind == "cgroup2" if version is V2 else kind == "cgroup" and "memory" in options.strip().split(",")
        if fits and (name == root or root == "/" or name.startswith(f"{root}/")):
            return Path(place) / name.removeprefix(root if root != "/" else "").lstrip("/")
    return None


def _delegated(group: Path) -> bool:
    for mark in ("trusted.delegate", "user.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(group, mark) == b"1":
                return True
    return False


def _make_room(group: Path) -> None:
    """Let groups below this one have limits, which the kernel allows once no process is left in it itself."""
    wanted = [name for name in ("memory", "pids") if name in _read(group / "cgroup.controllers").split()]
    (group / _OURS).mkdir(exist_ok=True)
    for _ in range(50):  # processes may be starting others at this moment
        if set(wanted) <= set(_read(group / "cgroup.subtree_control").split()):
            return
        for number in _read(group / "cgroup.procs").split():
            _written(group / _OURS / "cgroup.procs", number)
        _written(group / "cgroup.subtree_control", " ".join(f"+{name}" for name in wanted))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _written(path: Path, text: str) -> bool:
    if not path.exists():
        return False
    try:
        path.write_text(text)
    except OSError:
        return False
    return True
