"""How fast a class is graded, and how much of that is netlens: 60 submissions of `noise`, beside nbgrader.

    python benchmarks/grading.py [--submissions 60] [--workers 2] [--others 6]

Prints JSON. The same notebook goes through `netlens grade`, `nbgrader autograde` and a fresh pytest process, all in
this run. "Own compute" is what the submission's cells and calls take in warm processes without any grading, as many at
once as there are workers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
SLUG = "noise"
BIN = Path(sys.executable).parent


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--submissions", type=int, default=60)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--others", type=int, default=6, help="submissions for nbgrader and for fresh processes")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours = netlens(folder / "netlens", arguments.submissions, arguments.workers)
        own = own_compute_side_by_side(arguments.workers)
        theirs = nbgrader(folder / "nbgrader", arguments.others)
        fresh = fresh_pytest(folder / "fresh", min(arguments.others, 3))
    ours["own_compute_s"] = own
    ours["overhead_s"] = ours["median_worker_s"] - own
    print(
        json.dumps(
            {
                "submissions": arguments.submissions,
                "workers": arguments.workers,
                "netlens": ours,
                "nbgrader": theirs,
                "fresh_pytest": fresh,
                "times_nbgrader": theirs["s_per_submission"] / ours["s_per_submission"],
                "times_nbgrader_without_startup": theirs["s_per_submission"] / ours["s_per_submission_steady"],
            },
            indent=1,
        )
    )


# -- netlens ---------------------------------------------------------------------------------------------


def netlens(folder: Path, count: int, workers: int) -> dict[str, float]:
    """`netlens grade` over a class whose notebooks all differ, so that no grade is known before."""
    from netlens_core.grading.sample import build_sample_course

    build_sample_course(folder, [SLUG])
    notebook = json.loads((folder / "submitted" / "ada" / SLUG / f"{SLUG}.ipynb").read_text())
    shutil.rmtree(folder / "submitted")
    place(folder, notebook, 1, prefix="warm")
    run_netlens(folder, 1)  # forges the course's noise, which is kept between runs
    shutil.rmtree(folder / "submitted")
    place(folder, notebook, count, prefix="student")
    with PeakMemory() as peak:
        started = time.perf_counter()
        grades = run_netlens(folder, workers)
        wall = time.perf_counter() - started
    started = time.perf_counter()
    run_netlens(folder, workers)
    again = time.perf_counter() - started
    assert len(grades) == count and all(grade["status"] == "graded" for grade in grades)
    assert not any(check["status"] == "failed" for grade in grades for check in grade["checks"])
    seconds = sorted(grade["seconds"] for grade in grades)
    # A worker's first submission waits for its networks and its warm process: start-up, not overhead.
    steady = seconds[: count - workers]
    return {
        "wall_s": wall,
        "s_per_submission": wall / count,
        "s_per_submission_steady": statistics.mean(steady) / workers,
        "median_worker_s": statistics.median(steady),
        "again_s": again,
        "peak_memory_mib": peak.mib,
    }


def place(folder: Path, notebook: dict, count: int, prefix: str) -> None:
    for number in range(count):
        target = folder / "submitted" / f"{prefix}{number:03d}" / SLUG / f"{SLUG}.ipynb"
        target.parent.mkdir(parents=True)
        notebook["metadata"]["netlens_benchmark"] = f"{prefix} {number}"
        target.write_text(json.dumps(notebook))


def run_netlens(folder: Path, workers: int) -> list[dict]:
    command = [BIN / "netlens", "grade", folder, "--exercise", SLUG, "--workers", str(workers), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def own_compute_side_by_side(processes: int) -> float:
    """As `own_compute`, in as many processes at once as there are workers, since cores share caches and memory."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as executor:
        return statistics.mean(executor.map(own_compute, [7] * processes))


def own_compute(runs: int = 7) -> float:
    """Median seconds of the notebook's cells and of every call that the grader makes, in this warm process."""
    from netlens_core.grading import marking, pipeline
    from netlens_core.grading.course import Course
    from netlens_core.grading.exercise import Networks
    from netlens_core.grading.inputs import all_inputs, released_files
    from netlens_core.grading.intake import read_submission

    os.environ["MPLBACKEND"] = "agg"
    course = Course.shipped()
    exercise, names = course.exercise(SLUG), course.sheet.networks
    networks = Networks(names.target, tuple(names.jury), course.fingerprints)
    notebook = solved(course)
    calls = []
    plain_call = marking.SubmissionProxy._call

    def recorded(self, name, arguments, keywords):
        calls.append((name, arguments, keywords))
        return plain_call(self, name, arguments, keywords)

    marking.SubmissionProxy._call = recorded
    pipeline.grade(notebook, exercise, networks, 1, name=f"{SLUG}.ipynb")
    marking.SubmissionProxy._call = plain_call
    cells = [cell.source for cell in read_submission(notebook, f"{SLUG}.ipynb").code_cells]
    taken = []
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        for name, data in released_files(exercise, all_inputs(exercise, 1)).items():
            Path(name).write_bytes(data)
        for _ in range(runs + 1):
            namespace: dict = {"__name__": "__main__", "display": lambda *_: None}
            started = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                for cell in cells:
                    exec("\n".join(line for line in cell.splitlines() if not line.startswith("%")), namespace)
                    draw_figures()
                for name, arguments, keywords in calls:
                    namespace[name](*arguments, **keywords)
            taken.append(time.perf_counter() - started)
        os.chdir("/")
    return statistics.median(taken[1:])  # the first one also imports what the notebook imports


def draw_figures() -> None:
    """Draw what a cell plotted, as any notebook does: plots are the submission's own work."""
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        pyplot.figure(number).savefig(io.BytesIO(), format="png", dpi=72, bbox_inches="tight")
    pyplot.close("all")


class PeakMemory:
    """Peak of the proportional set size (shared pages counted once) of all child processes, every 0.2 s."""

    def __enter__(self) -> PeakMemory:
        self.mib, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            self.mib = max(self.mib, sum(map(pss_mib, descendants(os.getpid()))))


def descendants(pid: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return sorted(found)


def pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


# -- the others ------------------------------------------------------------------------------------------

TESTS = """
from netlens_core.images import load_image
from netlens_core.networks import load_network
_network, _image = load_network("efficientnet_lite0"), load_image("what_is_it.png")
for _k in (5, 1):
    _mine, _theirs = _network.classify(_image, _k), classify(_network, _image, _k)
    assert [name for name, _ in _mine] == [name for name, _ in _theirs]
    assert max(abs(a - b) for (_, a), (_, b) in zip(_mine, _theirs)) < 1e-3
"""


def nbgrader(folder: Path, count: int) -> dict[str, float]:
    """`nbgrader autograde` over the same notebook, its checks as one grade cell."""
    import nbformat

    notebook, picture = reference_notebook()
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.metadata = {}
        cell.metadata["nbgrader"] = nbgrader_cell(f"solution{number}", solution=True)
    tests = nbformat.v4.new_code_cell(TESTS, metadata={"nbgrader": nbgrader_cell("tests", grade=True)})
    notebook.cells.append(tests)
    source = folder / "source" / SLUG
    source.mkdir(parents=True)
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'bench'\n")
    nbformat.write(notebook, source / f"{SLUG}.ipynb")
    (source / "what_is_it.png").write_bytes(picture)
    run_nbgrader(folder, "generate_assignment", SLUG)
    for number in range(count):
        shutil.copytree(folder / "release" / SLUG, folder / "submitted" / f"student{number:03d}" / SLUG)
    with PeakMemory() as peak:
        started = time.perf_counter()
        run_nbgrader(folder, "autograde", SLUG)
        wall = time.perf_counter() - started
    assert len(list((folder / "autograded").glob(f"*/{SLUG}/{SLUG}.ipynb"))) == count
    return {"submissions": count, "wall_s": wall, "s_per_submission": wall / count, "peak_memory_mib": peak.mib}


def nbgrader_cell(grade_id: str, grade: bool = False, solution: bool = False) -> dict:
    cell = {"grade_id": grade_id, "schema_version": 3, "grade": grade, "solution": solution, "locked": grade}
    return {**cell, "task": False, **({"points": 4} if grade else {})}


def run_nbgrader(folder: Path, *command: str) -> None:
    path = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}  # it calls alembic by name
    done = subprocess.run(
        [BIN / "nbgrader", *command], cwd=folder, capture_output=True, text=True, env={**os.environ, **path}
    )
    if done.returncode:
        raise SystemExit(f"nbgrader {' '.join(command)} failed:\n{done.stderr[-3000:]}")


def solved(course):
    from netlens_core.grading.templates import solved_notebook

    solution = course.root(SLUG) / "reference_solutions" / SLUG / "reference.py"
    return solved_notebook(course.template(SLUG), solution)


def reference_notebook():
    import nbformat

    from netlens_core.grading.course import Course

    course = Course.shipped()
    notebook = nbformat.reads(solved(course).decode(), as_version=4)
    picture = next(
        course.exercise(SLUG).materials[name]
        for name, spec in course.exercise(SLUG).sheet.inputs.items()
        if spec.file == "what_is_it.png"
    )
    return notebook, picture


def fresh_pytest(folder: Path, count: int) -> dict[str, float]:
    """The same checks in a new pytest process for each submission: no sandbox, no notebook."""
    folder.mkdir()
    notebook, picture = reference_notebook()
    (folder / "what_is_it.png").write_bytes(picture)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    body = "\n".join(f"    {line}" for line in TESTS.strip().splitlines())
    (folder / "test_it.py").write_text(f"{code}\n\ndef test_it():\n{body}\n")
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "test_it.py"], cwd=folder, check=True, capture_output=True
        )
        taken.append(time.perf_counter() - started)
    return {"submissions": count, "s_per_submission": statistics.median(taken)}


if __name__ == "__main__":
    main()
