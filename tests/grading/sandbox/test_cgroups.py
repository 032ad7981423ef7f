"""Control groups: made where they may be, in force or left out, never in the way; the kernel is played by a folder."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from netlens_core.grading.sandbox import cgroups, warm_process
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.cgroups import V1, V2, Group
from netlens_core.grading.sandbox.limits import Limits

ROOT = Path(__file__).parents[3]
MEMORY = Limits(memory_mb=128, call_seconds=20)
HOARD = "def hoard():\n    keep = []\n    while True: keep.append(bytearray(b'x' * (8 << 20)))\ndef fine(): return 1"


class Kernel:
    """Control groups as plain folders: files appear with a group, processes move, full groups cannot be removed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.top, self.process = folder / "cgroup", folder / "self"
        self.process.mkdir()
        self.version, self.marked = V2, True
        self._mkdir, self._rmdir = Path.mkdir, Path.rmdir
        monkeypatch.setattr(Path, "mkdir", lambda path, *a, **k: self.made(path, *a, **k))
        monkeypatch.setattr(Path, "rmdir", lambda path: self.removed(path))
        monkeypatch.setattr(cgroups, "_written", self.written)
        monkeypatch.setattr(cgroups.os, "getxattr", lambda path, name: b"1" if self.marked else b"0")

    def boot(self, version: cgroups.Version, own: str, processes: str = "7 8") -> Path:
        self.version = version
        kind, options, line = ("cgroup2", "rw", "0::") if version is V2 else ("cgroup", "rw,memory", "4:memory:")
        (self.process / "mountinfo").write_text(
            f"1 1 0:1 / / rw - ext4 x rw\n2 1 0:2 / {self.top} rw - {kind} x {options}\n"
        )
        (self.process / "cgroup").write_text(f"8:pids:/\n{line}{own}\n0::/\n")
        group = self.top / own.lstrip("/")
        group.mkdir(parents=True)
        (group / "cgroup.procs").write_text(processes)
        return group

    def made(self, path: Path, *arguments: object, **options: object) -> None:
        self._mkdir(path, *arguments, **options)
        if self.top in [path, *path.parents]:
            events = {"memory.events": "low 0\noom 0\noom_kill 0\n", "memory.oom_control": "oom_kill 0\n"}
            texts = {"cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.controllers": "cpu memory pids"}
            texts |= {self.version.limit: "max", self.version.used: "1000", "memory.failcnt": "0\n", **events}
            if self.version is V2:
                texts |= {"pids.max": "max", "memory.swap.max": "max"}
            for name, text in texts.items():
                if not (path / name).exists():
                    (path / name).write_text(text)

    def removed(self, path: Path) -> None:
        if (path / "cgroup.procs").read_text():
            raise OSError(errno.EBUSY, "busy")
        shutil.rmtree(path)

    def written(self, path: Path, text: str) -> bool:
        if not path.exists():
            return False
        if path.name == "cgroup.procs":
            for file in self.top.rglob("cgroup.procs"):
                file.write_text(" ".join(number for number in file.read_text().split() if number != text))
            text = f"{path.read_text()} {text}".strip()
        if path.name == "cgroup.subtree_control":
            if (path.parent / "cgroup.procs").read_text():
                return False
            text = text.replace("+", "")
        path.write_text(text)
        return True


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


def test_a_group_that_is_handed_over_gets_limited_groups(kernel):
    """Processes step aside for them; a process that stepped aside before finds the same place."""
    own = kernel.boot(V2, "/user.slice/netlens.scope")
    group, reason = cgroups.new_group(kernel.process)
    assert group is not None and reason == ""
    assert (own / "cgroup.procs").read_text() == "" and (own / "netlens-own" / "cgroup.procs").read_text() == "7 8"
    assert (own / "cgroup.subtree_control").read_text() == "memory pids"
    (kernel.process / "cgroup").write_text("0::/user.slice/netlens.scope/netlens-own\n")
    other, _ = cgroups.new_group(kernel.process)
    assert other is not None and other._path.parent == group._path.parent == own
    group.remove()
    assert not group._path.exists() and other._path.exists()


def test_version_1_needs_no_room(kernel):
    own = kernel.boot(V1, "/batch/one")
    group, _ = cgroups.new_group(kernel.process)
    assert group is not None and group._path.parent == own and (own / "cgroup.procs").read_text() == "7 8"
    assert group.limit(100, 10, 4)
    assert (group._path / "memory.limit_in_bytes").read_text() == str(120 + cgroups._KERNEL_BYTES)
    assert not (group._path / "pids.max").exists()


def test_where_there_are_none_the_reason_is_told(kernel):
    own = kernel.boot(V2, "/session.scope")
    kernel.marked = False
    assert cgroups.new_group(kernel.process) == (None, f"the control group {own} is not this process's own")
    assert (own / "cgroup.procs").read_text() == "7 8"  # and nobody is moved
    (own / "cgroup.controllers").write_text("cpu")
    (kernel.process / "cgroup").write_text("0::/session.scope\n")
    assert cgroups.new_group(kernel.process) == (None, "this system has no control groups that count memory")
    (kernel.process / "cgroup").write_text("gibberish")
    assert "do not work here" in cgroups.new_group(kernel.process)[1]
    (kernel.process / "cgroup").unlink()
    assert "do not work here" in cgroups.new_group(kernel.process)[1]


def test_groups_of_killed_owners_are_removed(kernel):
    """A number of a process that lives, or a group that is still in use, is left alone."""
    own = kernel.boot(V1, "/batch")
    kept, busy, left = (own / f"netlens-{number}-0" for number in (os.getpid(), 99999998, 99999999))
    for path in (kept, busy, left, own / "other"):
        path.mkdir()
    (busy / "cgroup.procs").write_text("5")
    assert cgroups.new_group(kernel.process)[0] is not None
    assert [path.exists() for path in (kept, busy, left, own / "other")] == [True, True, False, True]
    (busy / "cgroup.procs").write_text("")
    cgroups.remove_left(kernel.process)
    assert [path.exists() for path in (kept, busy, own / "other")] == [True, False, True]
    cgroups.remove_left(kernel.process / "missing")  # nothing to do is no fault


def test_limits_leave_room_for_all_that_a_process_may_have_alone(kernel):
    """Warm pages copied, both disks full, the kernel's own share: only more than all of it is too much."""
    kernel.boot(V2, "/a.scope")
    group, _ = cgroups.new_group(kernel.process)
    assert group is not None and not group.warm()  # nobody has entered it
    (group._path / "cgroup.procs").write_text("9")
    assert group.warm()
    assert group.limit(100, 10, 4)
    assert (group._path / "memory.max").read_text() == str(2 * 1000 + 100 + 2 * 10 + cgroups._KERNEL_BYTES)
    assert (group._path / "memory.swap.max").read_text() == "0"
    assert (group._path / "pids.max").read_text() == str(4 + cgroups._HELPERS)


@pytest.mark.parametrize(
    ("version", "hit", "killed"),
    [
        (V2, {"memory.events": "oom 1\noom_kill 1\n"}, {"memory.events": "oom 0\noom_kill 1\n"}),
        (
            V1,
            {"memory.failcnt": "3", "memory.oom_control": "x 0\noom_kill 1\n"},
            {"memory.oom_control": "oom_kill 1\n"},
        ),
    ],
)
def test_a_kill_at_the_limit_is_told_from_one_by_a_full_machine(kernel, version, hit, killed):
    kernel.boot(version, "/a.scope")
    for files, expected in ((hit, True), (killed, False), ({}, False)):
        group, _ = cgroups.new_group(kernel.process)
        assert group is not None
        group.limit(100, 10, 4)
        for name, text in files.items():
            (group._path / name).write_text(text)
        assert group.ran_out() is expected
        group.limit(100, 10, 4)  # what was before the next submission is not the next one's
        assert not group.ran_out()


@pytest.mark.parametrize("version", [V1, V2])
def test_what_submissions_left_is_told_from_files_that_were_read(kernel, version):
    """Memory that the kernel drops where it is wanted is nothing that was left."""
    kernel.boot(version, "/a.scope")
    group, _ = cgroups.new_group(kernel.process)
    assert group is not None
    mib = 1 << 20

    def holds(used: int, read: int) -> int:
        (group._path / version.used).write_text(str(used * mib))
        (group._path / "memory.stat").write_text(f"anon 5\ninactive_file {read * mib}\nactive_file {mib}\n")
        return group.grown() // mib

    holds(500, 100)
    group.warm()
    assert holds(500, 100) == 0
    assert holds(560, 100) == 0  # little
    assert holds(900, 480) == 0  # read by one, and kept for the next ones
    assert holds(900, 0) == 500
    (group._path / version.drop[0]).write_text("")
    holds(900, 480)
    assert (group._path / version.drop[0]).read_text() == ""  # nothing had to be dropped
    holds(900, 0)
    assert (group._path / version.drop[0]).read_text() == version.drop[1]


def test_a_group_that_cannot_be_entered_is_left_out(monkeypatch, tmp_path):
    """Half-working control groups cost no grade."""
    monkeypatch.setattr(warm_process.cgroups, "new_group", lambda: (Group(tmp_path / "gone", V2), ""))
    with Sandbox(networks=(), level=Sandbox.best_level()[0]) as box:
        with box.session(cells=[HOARD], files={}, limits=MEMORY) as session:
            assert session.call("fine", []).value == 1
            told = session.call("hoard", [])
        assert box._warm is not None and box._warm.group is None
    assert told.status == "out_of_memory" and told.message.startswith("`hoard` ran out of memory: 128 MiB are allowed.")


@pytest.fixture
def real() -> None:
    if reason := cgroups.hindrance():
        pytest.skip(f"no control groups here: {reason}")


def test_the_kernels_limit_says_what_the_process_own_limit_says(real, monkeypatch):
    """The own one is hit first; where the kernel has to kill, the words are the same, and the warm process lives."""
    with Sandbox(networks=(), level=Sandbox.best_level()[0]) as box:
        with box.session(cells=[HOARD], files={}, limits=MEMORY) as session:
            own = session.call("hoard", [])
        assert box._warm is not None
        group = box._warm.group
        assert group is not None and not group.ran_out() and own.status == "out_of_memory"
        with box.session(cells=[HOARD], files={}, limits=Limits(memory_mb=128 + 2048)) as session:
            used = group._number(group._version.used)
            assert cgroups._written(group._path / group._version.limit, str(used + (64 << 20)))
            group._limits = (0, 0)
            kernels = session.call("hoard", [])
            assert session.call("fine", []).value == 1  # in a new process, with the limits as they were
        assert (kernels.status, box._warm.alive) == ("out_of_memory", True)
        assert own.message.splitlines()[0].replace("128", "2176") == kernels.message
    assert not group._path.exists()


def test_after_memory_was_left_in_the_group_a_fresh_process_takes_over(real, tmp_path):
    """What one submission left in a memory disk, say, is never counted against the next one."""
    with (
        tempfile.NamedTemporaryFile(dir="/dev/shm") as left,
        Sandbox(networks=(), level=Sandbox.best_level()[0]) as box,
    ):

        def fine() -> int:
            with box.session(cells=[HOARD], files={}, limits=MEMORY) as session:
                assert session.call("fine", []).value == 1
            return id(box._warm)

        first = fine()
        assert fine() == first
        assert box._warm is not None and box._warm.group is not None
        filling = ["/bin/sh", "-c", f"head -c {150 << 20} /dev/zero > {left.name}"]
        subprocess.run(box._warm.group.entered_by(filling), check=True)
        assert box._warm.group.grown() > 100 << 20
        old = box._warm
        second = fine()
        assert box._warm is not old and not old.alive
        assert fine() == second


def test_no_group_outlives_a_killed_owner_for_long(real):
    program = f"""
from netlens_core.grading.sandbox.box import Sandbox
box = Sandbox(networks=(), level={Sandbox.best_level()[0]!r})
with box.session(cells=[], files={{}}) as session:
    print(box._warm.group._path, flush=True)
    session.call("wait", [])
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        left = Path(owner.stdout.readline().strip())
        assert left.is_dir() and len((left / "cgroup.procs").read_text().split()) >= 1
        owner.send_signal(signal.SIGKILL)
    Group(left, V1).remove()  # waits until what was in it is gone
    assert not left.exists()
    left.mkdir()
    assert cgroups.hindrance() == "" and not left.exists()
