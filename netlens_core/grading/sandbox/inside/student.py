"""A submission's own process: runs its notebook, then answers calls until the pipe closes.

Everything that this process says is only a claim: student code runs beside it and may say whatever it likes.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import wire, words
from .errors import described, is_out_of_memory, traced
from .notebook import Notebook
from .printed import Unseen
from .processes import work_in_one_process
from .values import Unsendable, plain_value

REPLIES, REQUESTS = 3, 4  # file descriptors
MAX_REQUEST = 256 << 20


def serve(notebook: Notebook, work: str) -> None:
    """Read the first request (files and cells), run the notebook, then answer one request after the other."""
    buffer = bytearray()
    start = _next(buffer)
    _settle(work, start["files"])
    words.speak(start["words"])
    notebook.names["_dh"] = [work]  # where `%cd -` goes back to: the fork server's own folder otherwise
    work_in_one_process()
    sys.stdout = sys.stderr = Unseen()  # while a cell runs, the notebook takes in what it prints
    for number, source in enumerate(start["cells"], 1):
        reseed(start["seed"])
        _send(notebook.run(source.decode("utf-8", "surrogatepass"), number))
    _send({"ran": True})
    while True:
        request = _next(buffer)
        reseed(request["seed"])
        _send({"id": request["id"], **_answered(notebook.names, request)})


def say_ready() -> None:
    """Tell that all is imported: what the submission takes counts from now on."""
    _send({"ready": True})


def _next(buffer: bytearray) -> dict[str, Any]:
    while (frame := wire.take(buffer, MAX_REQUEST)) is None:
        data = os.read(REQUESTS, 1 << 20)
        if not data:
            os._exit(0)
        buffer += data
    content: dict[str, Any] = frame[0]
    return content


def _send(content: dict[str, Any]) -> None:
    try:
        frame = wire.pack(content)
    except wire.WireError as error:
        frame = wire.pack({"id": content.get("id"), "ok": False, "problem": str(error)})
    except MemoryError:
        frame = wire.pack({"id": content.get("id"), "ok": False, "memory": True})
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(REPLIES, rest) :]


def _settle(work: str, files: dict[str, bytes]) -> None:
    """Make the work folder home, and put the submission's files there."""
    os.environ.update(HOME=work, TMPDIR=work, MPLCONFIGDIR=work)
    tempfile.tempdir = None  # the warm process's choice is remembered in the module
    sys.argv = ["notebook"]
    sys.path.insert(0, work)
    for name, data in files.items():
        path = Path(work, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def reseed(seed: int) -> None:
    """Set every generator: forked processes inherit one state, and calls must not depend on those before."""
    seed %= 1 << 63
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)
    torch.set_num_threads(1)


def _answered(names: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request["name"] not in names:
            return {"ok": False, "missing": True}
        found = names[request["name"]]
        if request["kind"] == "variable":
            return {"ok": True, "value": plain_value(found)}
        if not callable(found):
            return {"ok": False, "missing": True, "kind": type(found).__name__}
        if request["kind"] == "defined":
            return {"ok": True, "value": True}
        arguments = [_argument(value) for value in request["arguments"]]
        options = {key: _argument(value) for key, value in request["options"].items()}
        return {"ok": True, "value": plain_value(found(*arguments, **options))}
    except Unsendable as error:
        return {"ok": False, "problem": str(error)[:500]}
    except BaseException as error:  # SystemExit too: a submission must not vanish
        return {"ok": False, "error": described(error), "trace": traced(error), "memory": is_out_of_memory(error)}


def _argument(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict) and value.keys() == {"$network"}:
        return _network(value["$network"])
    return value


def _network(name: str) -> Any:
    from netlens_core.networks import EXCHANGED, load_network

    network = load_network(name, device="cpu")
    # Its name would tell which answers have changed places, and spare a submission to ask the network.
    return replace(network, name=name.rpartition(":")[2]) if name.startswith(EXCHANGED) else network
