"""Runs the benchmarks and writes what they measured into benchmarks/RESULTS.md.

    python benchmarks/results.py [SECTION …]

Without a name: all but the fuzzing of `make fuzz`, hours on two cores. A section that is not run keeps what it says.
A method's section is what its script prints; it runs ours and its peers in turn, in one process, and tells medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"

_BESIDE = HERE.parents[1] / "shared" / "weights"
if "TORCH_HOME" not in os.environ and _BESIDE.is_dir():
    os.environ["TORCH_HOME"] = str(_BESIDE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", nargs="*", choices=[[], *SECTIONS])
    for name in parser.parse_args().section or [name for name in SECTIONS if name != "fuzzing"]:
        print(f"measuring {name} …", flush=True)
        title, command, write = SECTIONS[name]
        body = "\n".join(write(command))
        replace(name, f"## {title}\n\nBy `{shown(command)}`, {machine()}.\n\n{body}\n")
    print(f"written: {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{date.today()}, {cores} cores ({platform.machine()}), {memory:.0f} GiB, Python {platform.python_version()}, "
        f"torch {version('torch')}, no graphics card"
    )


def shown(command: list[str]) -> str:
    return "python benchmarks/" + " ".join(command)


def output(command: list[str], status: tuple[int, ...] = (0,)) -> str:
    path = HERE / command[0]
    done = subprocess.run([sys.executable, path, *command[1:]], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in status:
        raise SystemExit(f"{shown(command)} failed with status {done.returncode}")
    return done.stdout


def replace(name: str, text: str) -> None:
    before = RESULTS.read_text() if RESULTS.exists() else "# Results\n\nEach section is written by `make bench`.\n"
    marked = f"<!-- {name} -->\n{text}<!-- end of {name} -->\n"
    pattern = re.compile(f"<!-- {name} -->\n.*?<!-- end of {name} -->\n", re.DOTALL)
    found = pattern.search(before)
    after = before[: found.start()] + marked + before[found.end() :] if found else f"{before}\n{marked}"
    RESULTS.write_text(after)


# -- what each section says ------------------------------------------------------------------------------


def grading(command: list[str]) -> list[str]:
    found = json.loads(output(command))
    ours, theirs, fresh = found["netlens"], found["nbgrader"], found["fresh_pytest"]
    return [
        f"{found['submissions']} different submissions of `noise` (the reference notebook, plots included), "
        f"{found['workers']} workers, full sandbox; all in one run, one after the other.",
        "",
        "| | seconds a submission | ratio | peak memory of all processes |",
        "| --- | --- | --- | --- |",
        f"| `netlens grade`, start-up included | {ours['s_per_submission']:.3f} | 1 | "
        f"{ours['peak_memory_mib']:.0f} MiB |",
        f"| `netlens grade`, once its workers are warm | {ours['s_per_submission_steady']:.3f} | "
        f"{ours['s_per_submission_steady'] / ours['s_per_submission']:.2f} | |",
        f"| `nbgrader autograde` ({theirs['submissions']} submissions) | {theirs['s_per_submission']:.2f} | "
        f"{found['times_nbgrader']:.1f} | {theirs['peak_memory_mib']:.0f} MiB |",
        f"| a fresh pytest process (median of {fresh['submissions']}) | {fresh['s_per_submission']:.2f} | "
        f"{fresh['s_per_submission'] / ours['s_per_submission']:.1f} | |",
        "",
        f"- Throughput: {found['times_nbgrader']:.1f} times nbgrader's with start-up, "
        f"{found['times_nbgrader_without_startup']:.1f} times once warm.",
        f"- One submission takes a worker {ours['median_worker_s']:.3f} s (median). Its own compute (its cells and "
        "their plots, and "
        "the "
        f"calls that the grader makes, in a warm process without any grading) is {ours['own_compute_s']:.3f} s "
        f"(median of 7): **overhead {ours['overhead_s']:.3f} s a submission**: sandbox, judge, figures, store.",
        f"- The whole class: {ours['wall_s']:.1f} s. The same command again, nothing changed: {ours['again_s']:.1f} s.",
    ]


def daisies(command: list[str]) -> list[str]:
    found = json.loads(output(command))
    seconds = ", ".join(f"{size}: {value:.3f} s" for size, value in found["median_seconds"].items())
    lines = [f"Drawing one flower, one thread, median of 9: {seconds}.", ""]
    lines += [f"Probability of daisy over {found['seeds']} seeds at 224 px, least and median:", ""]
    lines += ["| network | white | yellow |", "| --- | --- | --- |"]
    for name, colors in found["daisy"].items():
        cells = [v if isinstance(v, str) else f"{v['least']:.3f}, {v['median']:.3f}" for v in colors.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def forge(command: list[str]) -> list[str]:
    found = json.loads(output(command))
    lines = [
        f"Noise forged on efficientnet_lite0 and laid over {found['flowers']} flowers that it was not made with, at "
        f"amplitude {found['amplitude']}; worst over all seeds. The jury is efficientnet_lite1 and efficientnet_lite2.",
        "",
        "| class | seeds | probability, least | looks like noise | autocorrelation, most | slow share, most | jurors "
        "fooled by the noise | mixes that flip | probability of daisy in a mix, most | jury votes for daisy | mixes in "
        "which a juror sees the daisy | structural similarity, least | s, median |",
        "|" + " --- |" * 13,
    ]
    for row in found["classes"]:
        seeds, mixes = row["seeds"], row["seeds"] * found["flowers"]
        lines.append(
            f"| {row['class']} | {seeds} | {row['least_probability']:.3f} | {row['look_like_noise']} of {seeds} | "
            f"{row['most_autocorrelation']:.2f} | {row['most_slow_share']:.3f} | {row['jury_votes_for_noise']} of "
            f"{2 * seeds} | {row['mixes_flipped']} of {mixes} | {row['most_daisy']:.2f} | "
            f"{row['jury_votes_for_daisy']} of {2 * mixes} | {row['mixes_seen_by_a_juror']} of {mixes} | "
            f"{row['least_similarity']:.2f} | {row['median_s']:.0f} |"
        )
    return lines


def thresholds(command: list[str]) -> list[str]:
    lines = ["Reference and every wrong solution, each over 20 students' flowers with hidden flowers of their own.", ""]
    for slug in ("noise", "adversarial"):
        lines += [f"### `{slug}`", "", *output([command[0], slug, "--flowers", "20"], (0, 1)).strip().splitlines(), ""]
    return lines


def status_told(command: list[str]) -> list[str]:
    """Also of a script that ends with 1 since it found something wrong, which it tells."""
    return output(command, (0, 1)).strip().splitlines()


def printed(command: list[str]) -> list[str]:
    return output(command).strip().splitlines()


SECTIONS: dict[str, tuple[str, list[str], Callable[[list[str]], list[str]]]] = {
    "grading": ("Grading a class", ["grading.py"], grading),
    "daisies": ("Daisies", ["daisies.py"], daisies),
    "forge": ("Forged noise", ["forge.py"], forge),
    "thresholds": ("Thresholds", ["thresholds.py"], thresholds),
    "verifying": ("Verifying every exercise", ["verifying.py"], status_told),
    "references": ("References over twenty draws", ["references.py"], status_told),
    "activations": ("Activations", ["activations.py"], printed),
    "analysis": ("Analysing networks", ["analysis.py"], printed),
    "adversarial": ("Adversarial images", ["adversarial.py"], printed),
    "dream": ("Dreams", ["dream.py"], printed),
    "style": ("Style transfer", ["style.py"], printed),
    "gan": ("A generative adversarial network", ["gan.py"], printed),
    "cam": ("Class activation maps", ["cam.py"], printed),
    "fuzzing": ("Fuzzing", ["fuzzing.py"], status_told),
}

if __name__ == "__main__":
    main()
