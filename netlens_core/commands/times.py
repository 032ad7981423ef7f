"""Where the time of `netlens grade` went: measured seconds that add up to the run's time with all its workers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from netlens_core.grading.grade import Grade


@dataclass
class Times:
    """What one run of `netlens grade` took.

    Attributes:
        stages: name -> seconds of what was done one after another: "preparing", "grading", "reports".
        workers: how many submissions were graded at once while grading.
        grades: those made in this run.
        began: when grading began, on the machine's monotonic clock.
    """

    workers: int = 1
    stages: dict[str, float] = field(default_factory=dict)
    grades: list[Grade] = field(default_factory=list)
    began: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage, also where it is left early."""
        started = time.monotonic()
        if name == "grading":
            self.began = started
        try:
            yield
        finally:
            self.stages[name] = time.monotonic() - started

    def add(self, grade: Grade) -> None:
        """Take note of a grade, without its pictures."""
        self.grades.append(grade.model_copy(update={"pictures": {}, "notebook": b"", "checks": []}))

    def in_one_line(self) -> str:
        """How long the stages took, in one sentence."""
        taken = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.stages.items())
        return f"In all {sum(self.stages.values()):.1f} s: {taken}."

    def as_json(self) -> dict[str, Any]:
        """Everything that the table tells. `exercises`, `starting` and `idle` add up to grading x workers."""
        spent = [_spent(slug, self._of(slug)) for slug in self._slugs()]
        starting, idle = self._starting_and_idle()
        return {
            "seconds": sum(self.stages.values()),
            "stages": self.stages,
            "workers": self.workers,
            "worker_seconds": self.stages.get("grading", 0.0) * self.workers,
            "exercises": spent,
            "starting": starting,
            "idle": idle,
            "by_worker": self._by_worker(),
        }

    def _slugs(self) -> list[str]:
        return sorted({grade.exercise for grade in self.grades})

    def _of(self, slug: str) -> list[Grade]:
        return [grade for grade in self.grades if grade.exercise == slug]

    def _processes(self) -> list[list[Grade]]:
        """The grades of each worker process, in the order of their first; those that no worker made are left out."""
        held: dict[int, list[Grade]] = {}
        for grade in sorted(self.grades, key=lambda grade: grade.began):
            if grade.worker:
                held.setdefault(grade.worker, []).append(grade)
        return list(held.values())

    def _starting_and_idle(self) -> tuple[float, float]:
        """Worker seconds until each worker had its first submission, and those without one later on."""
        busy = sum(grade.seconds for grade in self.grades if grade.worker)
        # A worker that died was followed by another one, which is not waited for by all.
        starting = sum(max(own[0].began - self.began, 0.0) for own in self._processes()[: self.workers])
        return starting, self.stages.get("grading", 0.0) * self.workers - busy - starting

    def _by_worker(self) -> list[dict[str, Any]]:
        grading = self.stages.get("grading", 0.0)
        return [
            {
                "submissions": len(own),
                "seconds": sum(grade.seconds for grade in own),
                "busy": sum(grade.seconds for grade in own) / grading if grading else 0.0,
            }
            for own in self._processes()
        ]


def _spent(slug: str, grades: Sequence[Grade]) -> dict[str, Any]:
    total, own, judging = (
        sum(getattr(grade, name) for grade in grades) for name in ("seconds", "own_seconds", "judging_seconds")
    )
    longest = max(grade.seconds for grade in grades)
    return {
        "exercise": slug,
        "submissions": len(grades),
        "own": own,
        "judging": judging,
        "around": total - own - judging,
        "seconds": total,
        "longest": longest,
    }


def times_table(times: Times) -> Group:
    """Where the time went: a line an exercise in seconds of workers, then what a run takes beside its submissions."""
    known = times.as_json()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Where the time went", no_wrap=True)
    titles = ("works", "own code", "judging", "around", "seconds", "share", "longest")
    for title in titles:
        table.add_column(title, justify="right")
    whole = known["worker_seconds"] or 1.0
    for row in known["exercises"]:
        numbers = [f"{row[name]:.1f}" for name in ("own", "judging", "around", "seconds")]
        share = f"{row['seconds'] / whole:.0%}"
        table.add_row(row["exercise"], str(row["submissions"]), *numbers, share, f"{row['longest']:.1f}")
    for name, title in (("starting", "workers starting"), ("idle", "workers waiting")):
        table.add_row(title, *[""] * 4, f"{known[name]:.1f}", f"{known[name] / whole:.0%}", "")
    together = f"{times.workers} x {times.stages['grading']:.1f} s"
    own, judging, around = (
        f"{sum(row[name] for row in known['exercises']):.1f}" for name in ("own", "judging", "around")
    )
    table.add_row(together, str(len(times.grades)), own, judging, around, f"{known['worker_seconds']:.1f}", "100%", "")
    busy = ", ".join(f"{worker['busy']:.0%}" for worker in known["by_worker"])
    return Group(table, Text(f"Workers were busy for {busy or 'none'} of that time. {times.in_one_line()}"))
