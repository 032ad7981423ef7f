"""The sandbox: runs student code where it can reach nothing, and brings back plain data only."""

from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import CellRun, Outcome, Ref, SandboxUnavailableError
from netlens_core.grading.sandbox.session import Session

__all__ = ["CellRun", "Limits", "Outcome", "Ref", "Sandbox", "SandboxUnavailableError", "Session"]
