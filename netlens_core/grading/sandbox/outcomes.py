"""What comes out of a sandbox, as plain values. Everything in them is only the submission's claim."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from netlens_core import NetlensError

SessionStatus = Literal["ok", "timed_out", "crashed", "out_of_memory", "fault"]
CallStatus = Literal["ok", "missing", "error", "timed_out", "crashed", "out_of_memory", "bad_reply", "fault"]


class SandboxUnavailableError(NetlensError, RuntimeError):
    """The sandbox does not start on this machine; the message tells why."""


class SandboxKilledError(SandboxUnavailableError):
    """The warm process was killed from outside while it started; it may well start the next time."""


@dataclass(frozen=True)
class Ref:
    """Stands for something that the sandbox has of its own: `Ref("network", "efficientnet_lite0")`."""

    kind: Literal["network"]
    name: str


@dataclass(frozen=True)
class Outcome:
    """How one call went.

    Attributes:
        status: "ok"; "missing" (no such function; `value` tells what has its name, where something has); "error" (it
            raised); a limit that was hit; "bad_reply" (a value that has no plain form, or a forged reply); "fault"
            (ours).
        value: plain data: None, bool, int, float, str, lists, dicts with text keys, numpy arrays (read-only). A claim:
            numbers may be NaN or infinite, text may hold any character.
        message: words for the student; empty where status is "ok". Safe to print.
    """

    status: CallStatus
    value: Any = None
    message: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether the machine may have caused it."""
        return self.status in ("fault", "out_of_memory")


@dataclass(frozen=True)
class CellRun:
    """What running one notebook cell gave.

    Attributes:
        error: the exception in one line, None where there was none.
        traceback: where in the notebook it came from.
        outputs: what it showed, in the notebook format's own form (`stream`, `execute_result`, `display_data`), with
            `text/plain` and `image/png` only; bounded, and safe to print.
    """

    error: str | None = None
    traceback: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)


class Ended(Exception):
    """The process that holds a submission is of no more use; `status` and `message` tell why.

    `limit_named` says that the message names the limit that was hit, where one was; `certain` that no machine can have
    caused it; `try_again` that a fault may well be gone in a fresh process.
    """

    def __init__(
        self,
        status: CallStatus,
        message: str,
        *,
        limit_named: bool = False,
        certain: bool = False,
        try_again: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.limit_named = limit_named
        self.certain = certain
        self.try_again = try_again

    @property
    def doubtful(self) -> bool:
        """Whether the machine may have caused it: no memory left, a process killed, no processor for it."""
        return self.status in ("fault", "out_of_memory", "crashed") and not self.certain
