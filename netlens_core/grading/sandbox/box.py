"""The sandbox: owns a warm process and opens sessions in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlens_core.grading.sandbox import levels
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.session import Child, Session
from netlens_core.grading.sandbox.warm_process import WarmProcess

_MOST_CHILDREN = 500  # then a fresh warm process takes over


class Sandbox:
    """One warm process and the sessions that it forks; belongs to one thread of one process.

    Args:
        networks: what submissions find loaded: names for `load_network`.
        level: "full", "reduced" or "none"; `Sandbox.best_level()` tells what works here.

    The warm process starts with the first session, and anew whenever it died. Raises SandboxUnavailableError where
    it does not start.
    """

    def __init__(self, networks: Sequence[str], level: str = "full") -> None:
        if level not in ("full", "reduced", "none"):
            raise ValueError(f"a sandbox is full, reduced or none, not {level!r}")
        self.networks = tuple(networks)
        self.level = level
        self._warm: WarmProcess | None = None
        self._children = 0

    @staticmethod
    def best_level() -> tuple[str, str]:
        """The strongest level that works on this machine, and why not a stronger one ("" for full)."""
        return levels.best_level()

    def session(
        self, cells: Sequence[str], files: Mapping[str, bytes], limits: Limits | None = None, seed: int = 0
    ) -> Session:
        """Run a notebook's code cells, with files in the working folder; to be used as a context manager."""
        limits = limits or Limits()
        return Session(lambda: self._fork(limits), cells, files, limits, seed)

    def _fork(self, limits: Limits) -> Child:
        if self._warm is None or not self._warm.alive or self._children >= _MOST_CHILDREN:
            self.close()
            self._warm, self._children = WarmProcess(self.networks, self.level), 0
        self._children += 1
        return Child(self._warm, limits)

    def close(self) -> None:
        """End the warm process and everything below it."""
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
