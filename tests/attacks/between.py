"""Run an honest notebook after hostile ones and beside them: JSON in, JSON out. `test_left_behind.py` runs it.

As a program of its own, so that it can be run as root and as an ordinary user.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.limits import Limits
from tests.attacks.conftest import PRELUDE

# Uses what notebooks use of all that the fork server prepared: kit, figures, fonts, magics, home and /tmp.
HONEST = """
import os, pathlib, tempfile
import matplotlib, torch
from matplotlib import font_manager, pyplot as plt
from netlens_core.daisies import draw_daisy
# %%
%precision 3
plt.plot([0, 1]); plt.title("a title"); plt.show()
def honest():
    for folder in ("~", "/tmp", "/dev/shm", matplotlib.get_configdir(), get_ipython().ipython_dir):
        place = pathlib.Path(folder).expanduser() / "own"
        assert not place.exists(), place
        place.write_bytes(bytes(1 << 18))
        os.utime(place); place.chmod(0o600)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    found = [torch.rand(8), draw_daisy(3, size=32).image.flatten()]
    return [torch.cat(found), sorted(os.listdir("/tmp")), sorted(os.listdir("."))]
"""
LIMITS = Limits(start_seconds=60, call_seconds=60, total_seconds=120, memory_mb=256, disk_mb=16)


def honest(box: Sandbox) -> str:
    """All that an honest notebook shows and returns."""
    with box.session(cells=HONEST.split("# %%"), files={"given.txt": b"x"}, limits=LIMITS, seed=3) as session:
        outcome = session.call("honest", [], seed=3)
    if session.status == "ok" and outcome.status == "ok":
        numbers, *names = outcome.value
        return repr((numbers.tobytes().hex(), names, session.cells))
    return f"{session.status} {session.message} {outcome.status} {outcome.message}"


def main(attacks: dict[str, str], pairs: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """What attacks come to, alone and in pairs that run at the same time, and whether an honest notebook changes."""
    with Sandbox(networks=()) as box, Sandbox(networks=()) as other:
        first = honest(box)
        assert honest(other) == first
        return {
            "honest": first,
            "alone": {name: _alone(box, source, first) for name, source in attacks.items()},
            "pairs": {name: _pair(box, other, *sources, first) for name, sources in pairs.items()},
        }


def _alone(box: Sandbox, attack: str, first: str) -> dict[str, Any]:
    warm = box._warm
    with box.session(cells=[PRELUDE, attack], files={}, limits=LIMITS, seed=9) as session:
        outcome = session.call("attack", [])
    last = honest(box)
    return {
        "status": outcome.status,
        "gains": outcome.value,
        "message": outcome.message,
        "changed": "" if last == first else last,
        "replaced": box._warm is not warm,
    }


def _pair(box: Sandbox, other: Sandbox, attack: str, notice: str, first: str) -> dict[str, Any]:
    """What the second one notices of the first, and an honest notebook beside the first."""
    with box.session(cells=[PRELUDE, attack], files={}, limits=LIMITS, seed=9) as session:
        held = session.call("attack", [])
        with other.session(cells=[PRELUDE, notice], files={}, limits=LIMITS, seed=9) as second:
            noticed = second.call("notice", [])
        last = honest(other)
    return {
        "statuses": [held.status, noticed.status],
        "messages": [held.message, noticed.message],
        "held": held.value,
        "noticed": noticed.value,
        "changed": "" if last == first else last,
    }


if __name__ == "__main__":
    json.dump(main(*json.load(sys.stdin)), sys.stdout)
