"""A submission's process without a warm one before it: speaks through standard input and output, on every system."""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Import and load what notebooks use, move the protocol away from what they print to, refuse, then serve."""
    config = json.loads(sys.argv[1])
    requests, replies = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (requests, replies):
            msvcrt.setmode(descriptor, os.O_BINARY)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)  # both are counted, and kept by nobody
    from netlens_core.networks import load_network

    from . import refusals, student
    from .notebook import Notebook

    for name in config["networks"]:
        load_network(name, device="cpu")
    student.REQUESTS, student.REPLIES = requests, replies
    notebook = Notebook()
    student.say_ready()
    refusals.refuse(config["folder"], config["memory_bytes"], config["disk_bytes"], config["processes"])
    student.serve(notebook, config["work"])


if __name__ == "__main__":
    main()
