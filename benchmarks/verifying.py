"""How long `netlens verify` takes over every exercise, on two target networks.

    python benchmarks/verifying.py [--network NAME …] [--workers N]

Everything is run anew, one network after the other. An exercise's time is that of its trials one after another; its
share of the whole is that divided by the number of workers.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from netlens_core.grading.course import Course
from netlens_core.grading.pool import usable_cores

NETWORKS = ("efficientnet_lite0", "squeezenet1_1")


def verified(network: str, workers: int) -> tuple[dict[str, Any], float]:
    """What `netlens verify --again --json` tells of a course about a network, and how many seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        sheet = Course.shipped().sheet.model_dump(mode="json", exclude_none=True)
        sheet["networks"]["target"] = network
        Path(folder, "course.yaml").write_text(yaml.safe_dump(sheet))
        command = [sys.executable, "-m", "netlens_core.cli", "verify", "--again", "--json"]
        begun = time.perf_counter()
        done = subprocess.run(
            [*command, "--workers", str(workers), "--course", folder], stdout=subprocess.PIPE, text=True, check=False
        )
        seconds = time.perf_counter() - begun
    if not done.stdout:
        raise SystemExit(f"netlens verify failed with status {done.returncode}")
    return json.loads(done.stdout), seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="+", default=NETWORKS)
    parser.add_argument("--workers", type=int, default=usable_cores())
    options = parser.parse_args()
    found = {network: verified(network, options.workers) for network in options.network}
    wrong = 0
    print("| exercise | network | trials | as they must be | seconds of a worker | longest trial, s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for slug in Course.shipped().sheet.exercises:
        for network, (told, _) in found.items():
            own = [trial for trial in told["trials"] if trial["exercise"] == slug]
            right, seconds = sum(not trial["problems"] for trial in own), [trial["seconds"] for trial in own]
            wrong += len(own) - right
            print(f"| `{slug}` | {network} | {len(own)} | {right} | {sum(seconds):.0f} | {max(seconds):.0f} |")
    print()
    for network, (told, seconds) in found.items():
        shrunk = [one for one in told["thresholds"] if one["problems"]]
        wrong += len(shrunk)
        print(
            f"- {network}: {len(told['trials'])} trials in {seconds / 60:.1f} minutes with {options.workers} workers, "
            f"preparing and forging included; {len(told['thresholds'])} calibrated thresholds, {len(shrunk)} of them "
            "nearer than their margin."
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
