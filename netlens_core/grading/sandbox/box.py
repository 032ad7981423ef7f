"""The sandbox: owns a warm process and opens sessions in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlens_core.grading.sandbox import levels
from netlens_core.grading.sandbox.child import Child
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import Ended, SandboxKilledError, SandboxUnavailableError
from netlens_core.grading.sandbox.session import Session
from netlens_core.grading.sandbox.warm_process import WarmProcess


class Sandbox:
    """One warm process and the sessions that it forks; belongs to one thread of one process.

    Args:
        networks: what submissions find loaded: names for `load_network`.
        level: "full", "reduced" or "none"; `Sandbox.best_level()` tells what works here.

    The warm process starts with the first session, and anew whenever it died. It ends with its owner, and with the
    thread that started it.
    """

    most_children = 500  # then a fresh warm process takes over
    slowdown = 1.0  # how many seconds of this machine are one of the limits' (`reference_speed`)

    def __init__(self, networks: Sequence[str], level: str = "full") -> None:
        if level not in ("full", "reduced", "none"):
            raise ValueError(f"a sandbox is full, reduced or none, not {level!r}")
        self.networks = tuple(networks)
        self.level = level
        self._warm: WarmProcess | None = None
        self._children = 0
        self._in_session = False

    @staticmethod
    def best_level() -> tuple[str, str]:
        """The strongest level that works on this machine, and why not a stronger one ("" for full)."""
        return levels.best_level()

    def session(
        self, cells: Sequence[str], files: Mapping[str, bytes], limits: Limits | None = None, seed: int = 0
    ) -> Session:
        """Run a notebook's code cells, with files in the working folder; to be used as a context manager.

        Entering it runs the notebook. Raises SandboxUnavailableError where the warm process does not start, and
        RuntimeError while another session is open.
        """
        if self._in_session:
            raise RuntimeError("a sandbox has one session at a time: close the other one first")
        limits, self._in_session = limits or Limits(), True
        return Session(lambda: self._fork(limits), cells, files, limits, seed, closed=self._session_closed)

    def _session_closed(self) -> None:
        self._in_session = False

    def _fork(self, limits: Limits) -> Child:
        warm = self._as_when_ready() or self._fresh()
        self._children += 1
        try:
            return Child(warm, limits, self.slowdown)
        except OSError as error:
            raise Ended("fault", f"the sandbox cannot start a submission ({error})") from None

    def _as_when_ready(self) -> WarmProcess | None:
        """The warm process where it may fork another child: alive, and nothing was left in it."""
        if self._warm is None or not self._warm.alive or self._children >= self.most_children:
            return None
        return None if self._children and self._warm.changed() else self._warm

    def _fresh(self) -> WarmProcess:
        self.close()
        try:
            self._warm, self._children = WarmProcess(self.networks, self.level), 0
        except SandboxKilledError as error:  # no fault of this machine's, so worth another try
            raise Ended("fault", str(error)) from None
        except OSError as error:  # no more processes, descriptors, temporary space
            raise SandboxUnavailableError(f"the sandbox does not start: {error}") from None
        return self._warm

    def refresh(self) -> None:
        """Let the next child come from a fresh warm process: nothing that was there before can touch it."""
        self.close()

    def close(self) -> None:
        """End the warm process and everything below it."""
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
