"""The command `netlens`: progress is told from the first second, before libraries are loaded."""

from __future__ import annotations

import sys

from netlens_core.progress import start_heartbeat


def main() -> None:
    """Run the command line."""
    start_heartbeat(sys.argv[1:])
    from netlens_core.cli import main as run

    run()


if __name__ == "__main__":
    main()
