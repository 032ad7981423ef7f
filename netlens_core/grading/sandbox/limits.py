"""What a submission may use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from netlens_core.languages import translate

_Seconds = Annotated[float, Field(gt=0, le=3600)]


@dataclass(frozen=True, config={"extra": "forbid"})
class Limits:
    """Limits of one submission; they stand in `exercise.yaml`.

    Attributes:
        start_seconds: time for running the notebook's cells.
        call_seconds: time for one call of one function.
        total_seconds: time for everything, repeated starts included.
        memory_mb: memory beyond what the warm process already uses, in MiB.
        disk_mb: size of the working folder, in MiB.
        files: files and folders in the working folder.
        processes: processes and threads.
        output_mb: printed text, in MiB.
        reply_mb: what one call may return, in MiB.

    Times are seconds of the reference machine (`reference_speed`) and bound what counts: the CPU time of all threads
    together, or the time that passes without waiting for a processor, whichever is more.
    """

    start_seconds: _Seconds = 60
    call_seconds: _Seconds = 30
    total_seconds: _Seconds = 120
    memory_mb: Annotated[int, Field(ge=64, le=65536)] = 2048
    disk_mb: Annotated[int, Field(ge=1, le=4096)] = 64
    files: Annotated[int, Field(ge=16, le=65536)] = 8192
    processes: Annotated[int, Field(ge=1, le=512)] = 32
    output_mb: Annotated[int, Field(ge=1, le=64)] = 8
    reply_mb: Annotated[int, Field(ge=1, le=256)] = 64


def total_used(what: str, limits: Limits) -> str:
    """Says that `total_seconds` are used up, in `what`."""
    seconds = f"{limits.total_seconds:g}"
    return translate(
        "{what} used up the {seconds} s that the notebook and all calls may take together", what=what, seconds=seconds
    )
