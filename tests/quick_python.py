"""Python processes that begin at once: forks of one that has already imported what takes seconds.

`quick_python()` stands in a command where `sys.executable` would: `[*quick_python(), "-m", "netlens_core.cli", …]`. The
process has the arguments, environment, folder, descriptors, signals and exit status that a new one would have. It is
for tests of what a command does; how Python and netlens start is for tests that start them.

A client, this file run as a script, passes the order on to the server, which forks. Where the client ends, so does what
it asked for. With `quick_kernels()` as JUPYTER_PATH, Jupyter's kernels are such processes as well.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

# Not matplotlib, whose backend follows the environment in which it is imported.
_GRADING = ("pipeline", "judge", "gradebook", "release", "self_check", "nbgrader.preprocessors")
_IMPORTED = (
    *("torch", "torchvision", "timm", "sklearn", "scipy.stats", "jupytext", "nbformat", "nbconvert.exporters"),
    *("ipykernel.kernelapp", "ipykernel.ipkernel", "nbgrader.apps.nbgraderapp", "nbgrader.converters", "sqlalchemy"),
    *("nbgrader.exchange.default", "jinja2", "typer", "rich.table", "pytest"),
    *(f"netlens_core.grading.{name}" for name in _GRADING),
)
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_ASIDE = 300  # no client has as many descriptors
_PASSED_ON = (signal.SIGINT, signal.SIGTERM)


@cache
def quick_python() -> list[str]:
    """The beginning of a command, in the place of `[sys.executable]`. Its server ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="quick-")
    address, program = f"{folder.name}/server", Path(folder.name) / "python"
    command = [sys.executable, "-I", "-S", __file__, address]
    program.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
    program.chmod(0o755)
    kernel = Path(folder.name) / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    launched = [*command, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": launched, "display_name": "Python 3", "language": "python"}))
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", address, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **_THREADS, "PYTHONPATH": os.pathsep.join(filter(None, [_root(), *_python_path()]))},
    )
    assert server.stdin is not None and server.stdout is not None

    def end() -> None:
        server.communicate(b"")
        folder.cleanup()

    atexit.register(end)
    assert server.stdout.readline() == b"ready\n", "the server of quick Python processes does not start"
    return command


def quick_program() -> str:
    """The same as one program, for what takes no longer command."""
    return str(Path(quick_python()[-1]).with_name("python"))


def quick_kernels() -> str:
    """A folder for JUPYTER_PATH."""
    return str(Path(quick_python()[-1]).parent)


def _root() -> str:
    return str(Path(__file__).parents[1])


def _python_path() -> list[str]:
    return list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))


# -- the client ------------------------------------------------------------------------------------------


def ask(address: str, arguments: list[str]) -> int:
    """Pass an order on with all that this process has, and its signals; the exit status of what was done."""
    descriptors = [number for number in _numbers("/proc/self/fd") if _open(number)]
    order = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "umask": os.umask(0o022),
        "cores": sorted(os.sched_getaffinity(0)),
        "descriptors": descriptors,
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(address)
        socket.send_fds(server, [json.dumps(order).encode()], descriptors)
        for number in _PASSED_ON:
            signal.signal(number, lambda number, frame: server.send(str(int(number)).encode()))
        status = int(server.recv(64) or -signal.SIGKILL)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    return status


def _numbers(folder: str) -> list[int]:
    return [int(path.name) for path in Path(folder).iterdir()]


def _open(number: int) -> bool:
    """Whether a descriptor is open, and not that of the folder that was just listed."""
    try:
        return os.fstat(number).st_ino > 0
    except OSError:
        return False


# -- the server ------------------------------------------------------------------------------------------


def serve(address: str) -> dict:
    """Import, then fork for every order. Only returns in the fork that has to carry one out."""
    import gc
    import importlib

    for name in _IMPORTED:
        importlib.import_module(name)
    assert len(_numbers("/proc/self/task")) == 1, "only a process of one thread can be forked"
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(64)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the owner, and with it its end of our standard input
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    print("ready", flush=True)
    while True:
        found, _, _ = select.select([listener, 0], [], [])
        if 0 in found:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return attend(connection)
        connection.close()


def attend(connection: socket.socket) -> dict:
    """Fork once more, and look after that one until it or its client ends. Only returns in the fork."""
    data, received, _, _ = socket.recv_fds(connection, 1 << 20, 250)
    order = json.loads(data)
    pid = os.fork()
    if pid == 0:
        connection.close()
        become(order, received)
        return order
    for descriptor in received:
        os.close(descriptor)
    ended = os.pidfd_open(pid)
    while ended not in (ready := select.select([ended, connection], [], [])[0]):
        assert ready
        number = connection.recv(64)
        os.kill(pid, int(number or signal.SIGKILL))
        if not number:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        connection.send(str(status).encode())
    finally:
        os._exit(0)


def become(order: dict, received: list[int]) -> None:
    """Take on all that the client had."""
    aside = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _ASIDE) for descriptor in received]
    os.closerange(0, _ASIDE)
    for descriptor, number in zip(aside, order["descriptors"], strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.sched_setaffinity(0, order["cores"])
    os.umask(order["umask"])
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    if "JPY_PARENT_PID" in os.environ:  # a kernel ends where its parent is another one
        os.environ["JPY_PARENT_PID"] = str(os.getppid())


def carry_out(arguments: list[str]) -> None:
    """What `python arguments…` does, but for the interpreter's own options."""
    import runpy
    import types

    while arguments[0].startswith("-") and arguments[0] not in ("-m", "-c"):
        arguments = arguments[1:]
    sys.path[:] = [path for path in sys.path if path != str(Path(__file__).parent)]
    sys.path[:0] = _python_path()
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    kind, *rest = arguments
    if kind in ("-m", "-c"):
        what, *rest = rest
        sys.argv = [what if kind == "-m" else kind, *rest]
        sys.path.insert(0, str(Path.cwd()) if kind == "-m" else "")
        runpy.run_module(what, run_name="__main__", alter_sys=True) if kind == "-m" else exec(what, main.__dict__)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(kind).parent.resolve()))
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        import multiprocessing.spawn

        multiprocessing.spawn.set_executable(sys.argv[3])  # pools begin as quickly
        carry_out(serve(sys.argv[2])["arguments"])
    else:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
