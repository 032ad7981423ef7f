"""kill -9 at random moments of the grader, a worker, the warm process, the sandbox, a submission's own process.

At the end nothing is lost, nothing double, no process and no half-written file is left, and every grade is the one of
an undisturbed run, byte for byte. 24 kills fit into every test run; NETLENS_KILLS sets another number (1000 in
`make fuzz`), NETLENS_KILL_SEED other moments.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.small_class import FEW, build, command, descendants, everywhere, graded

KILLS = int(os.environ.get("NETLENS_KILLS", "24"))
SEED = int(os.environ.get("NETLENS_KILL_SEED", "1"))
# The more kills, the more students, so that most kills fall into work and not into starting anew.
STUDENTS = min(60, max(FEW, KILLS // 4))
# The dearer a victim is to bring back, the rarer it is killed: of 200 kills, as many as these.
OF_200 = {"grader": 4, "worker": 4, "warm process": 4, "sandbox": 4, "submission": 184}


def role(pid: int) -> str:
    """What a process below the grader does; "" for those that only help."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        above = Path(f"/proc/{parent}/cmdline").read_bytes()
        beyond = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1]
        higher = Path(f"/proc/{beyond}/cmdline").read_bytes()
    except OSError:
        return ""
    if name == "bwrap":
        return "sandbox"
    if b"netlens_inside.warm" in words:
        # The first of them only waits, the second is the warm process, what is below it are submissions.
        inside = [b"netlens_inside.warm" in line and b"bwrap" not in line.split(b"\0")[0] for line in (above, higher)]
        return ("sandbox", "warm process", "submission")[sum(inside)]
    return "worker" if b"forkserver" in b"".join(words) and b"forkserver" in above else ""


class Run:
    """`netlens grade`, started again whenever it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.starts = 0
        self._start()

    def _start(self) -> None:
        self.starts += 1
        self.said = (self.folder.parent / f"said{self.starts}.txt").open("w+b")
        self.process = subprocess.Popen(command(self.folder, workers=2), stdout=self.said, stderr=self.said)

    def victims(self, wanted: str) -> list[int]:
        if wanted == "grader":
            return [self.process.pid]
        return [pid for pid in descendants(self.process.pid) if role(pid) == wanted]

    def kill(self, wanted: str, rng: random.Random) -> bool:
        """Kill one of a kind if there is one now."""
        victims = self.victims(wanted)
        if not victims:
            return False
        try:
            os.kill(rng.choice(victims), signal.SIGKILL)
        except ProcessLookupError:
            return False
        if wanted == "grader":
            self.process.wait()
            self._start()
        return True

    def ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self.said.seek(0)
        said = self.said.read().decode()
        assert self.process.returncode in (0, 1) and "Traceback" not in said, said
        return True


@pytest.mark.slow
def test_killing_anything_at_any_moment_changes_no_grade(tmp_path, undisturbed, nothing_is_left):
    folder, rng = build(tmp_path / "course", STUDENTS), random.Random(SEED)
    expected = everywhere(undisturbed(STUDENTS))
    plan = [kind for kind, count in OF_200.items() for _ in range(max(1, count * KILLS // 200))]
    rng.shuffle(plan)
    run, killed, finished = Run(folder), dict.fromkeys(OF_200, 0), 0
    deadline = time.monotonic() + 3600  # against waiting for ever, not against slow machines
    while plan:
        assert time.monotonic() < deadline, f"only {killed} after {run.starts} starts"
        wanted = plan[-1]
        time.sleep(rng.uniform(0, 0.2 if wanted == "submission" else 0.5))
        if run.ended():  # before all kills were done: what it found is right so far, and it begins again
            if run.process.returncode:
                graded(folder)
            assert everywhere(folder) == expected
            for part in (".netlens/grades", ".netlens/pictures", ".netlens/notebooks", "grades", "reports"):
                shutil.rmtree(folder / part)
            finished += 1
            run._start()
        if run.kill(wanted, rng):
            killed[plan.pop()] += 1
    while not run.ended():
        time.sleep(0.1)
    graded(folder)  # where the last kills left something for it
    print(f"{killed}, {run.starts} starts, {finished} whole runs in between")
    assert sum(killed.values()) >= 0.95 * KILLS and all(killed.values())
    assert everywhere(folder) == expected
    assert not [path for path in folder.rglob(".*.????????") if path.is_file()]
