"""The command line in this process, in an empty folder."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from netlens_core import cli


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path) -> Callable[..., tuple[int, str, str]]:
    """`shell("attack", "daisy:7")` gives exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["netlens", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
            sys.exit(0)
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run
