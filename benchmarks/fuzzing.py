"""A million odd inputs for what reads foreign files and bytes: `tests/fuzzing/long_run.py` as a section of results."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    from tests.fuzzing.long_run import main

    sys.exit(main())
