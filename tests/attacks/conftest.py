"""What every attack is measured with: a shared sandbox, secrets around it, and an honest submission afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from netlens_core.grading.reference_speed import slowdown
from netlens_core.grading.sandbox import levels
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import CellRun, Outcome, Ref

SECRET = "the-secret-of-the-grader-4711"
# What hostile programs start with; `tried(name, f)` gives a line for what succeeded and nothing for what did not.
PRELUDE = '''
import ctypes, errno, os, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, f):
    try:
        return [f"{name}: {str(f())[:100]!r}"]
    except BaseException:
        return []
def called(name, number, *arguments):
    """A system call by its number: a line unless it is refused."""
    ctypes.set_errno(0)
    got = libc.syscall(number, *arguments)
    return [f"{name}: {got}"] if got >= 0 else []
'''
HONEST = """
import torch
def honest(network, image):
    with torch.no_grad():
        return torch.cat([network(image)[0], torch.rand(8), torch.tensor([hash("daisy") % 1e6])])
"""
BRIEF = Limits(start_seconds=20, call_seconds=1, total_seconds=20)


@dataclass(frozen=True)
class Aftermath:
    """What an attack came to: its outcome, how the notebook went, what its cells showed."""

    outcome: Outcome
    status: str
    message: str
    cells: tuple[CellRun, ...]

    @property
    def gains(self) -> object:
        """What the attack says that it reached; empty where nothing."""
        assert self.outcome.status == "ok", self.outcome
        return self.outcome.value


def descendants(pid: int) -> set[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = set(), [pid]
    while todo:
        found.add(one := todo.pop())
        todo += children.get(one, [])
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "also_reduced: an attack that the reduced sandbox promises to hold as well")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "box" in metafunc.fixturenames:
        also = metafunc.definition.get_closest_marker("also_reduced") is not None
        levels = ["full", "reduced"] if also else ["full"]
        metafunc.parametrize("box", levels, indirect=True, scope="session")


@pytest.fixture(scope="session")
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The sandbox that is attacked: the full one, and for what it promises the reduced one too."""
    best, reason = Sandbox.best_level()
    if best not in ("full", request.param):
        pytest.skip(f"the {request.param} sandbox does not work here: {reason}")
    if request.param == "reduced" and (reason := levels._no_reduced()):
        pytest.skip(f"the reduced sandbox does not work here: {reason}")
    with Sandbox(networks=("efficientnet_lite0",), level=request.param) as sandbox:
        sandbox.slowdown = slowdown()
        sandbox.most_children = 100_000  # one warm process has to live through all attacks
        yield sandbox


@pytest.fixture(scope="session")
def honest(box: Sandbox) -> Callable[[], bytes]:
    """Run the honest submission; the bytes of what it returned."""
    image = np.random.default_rng(5).random((3, 224, 224), np.float32)

    def run() -> bytes:
        with box.session(cells=[HONEST], files={}, seed=3) as session:
            assert session.status == "ok", session.message
            outcome = session.call("honest", [Ref("network", "efficientnet_lite0"), image], seed=3)
        assert outcome.status == "ok", outcome.message
        return outcome.value.tobytes()

    first = run()

    def checked() -> bytes:
        again = run()
        assert again == first, "the next honest submission got other bits"
        return again

    return checked


@pytest.fixture
def strike(box: Sandbox, honest: Callable[[], bytes]) -> Iterator[Callable[..., Aftermath]]:
    """Run a hostile notebook and call its `attack`; then an honest one must get the same bits as ever.

    The warm process must have lived through it, and no process may be left over.
    """

    def run(source: str, *arguments: object, limits: Limits = BRIEF, prelude: bool = True) -> Aftermath:
        if box._warm is None:
            honest()
        assert box._warm is not None and box._warm._process is not None
        warm, before = box._warm, descendants(box._warm._process.pid)
        cells = [PRELUDE, source] if prelude else [source]
        with box.session(cells=cells, files={"given.txt": b"given"}, limits=limits, seed=9) as session:
            outcome = session.call("attack", list(arguments), seed=9)
            aftermath = Aftermath(outcome, session.status, session.message, session.cells[1:])
        assert box._warm is warm and warm.alive, "the warm process did not live through the attack"
        assert descendants(warm._process.pid) == before, "processes were left over"
        honest()
        assert box._warm is warm, "something was left behind: a fresh warm process had to take over"
        return aftermath

    yield run


@pytest.fixture(scope="session")
def secret_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A readable folder that plays the grader's disk: a reference solution, a gradebook, another submission."""
    folder = tmp_path_factory.mktemp("grader")
    for name in ("reference.py", "gradebook.sqlite", "submissions/bob.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(SECRET)
    for part in [folder, *folder.parents][:3]:
        part.chmod(part.stat().st_mode | 0o055)
    os.environ["NETLENS_TEST_SECRET"] = SECRET
    return folder


@pytest.fixture(scope="session")
def services(secret_folder: Path) -> Iterator[tuple[int, str, str]]:
    """Servers on this machine that answer whoever reaches them: a TCP port, an abstract and a path Unix socket."""
    tcp = socket.create_server(("127.0.0.1", 0))
    abstract, path = f"netlens-test-{os.getpid()}", str(secret_folder / "socket")
    servers = [tcp]
    for address in (f"\0{abstract}", path):
        server = socket.socket(socket.AF_UNIX)
        server.bind(address)
        server.listen()
        servers.append(server)
    Path(path).chmod(0o777)

    def answer(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # who asked may be gone
                connection.sendall(SECRET.encode())

    for server in servers:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
    yield tcp.getsockname()[1], abstract, path
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def neighbour(box: Sandbox) -> Iterator[None]:
    """Another student's submission, running at the same time in a sandbox of its own."""
    with Sandbox(networks=()) as other:
        marker = "marker-" + "fedcba9876543210" * 2
        source = f"marker = {marker!r}\nkeep = {SECRET!r}\n"
        source += "open('bob.txt', 'w').write(keep)\nopen('/dev/shm/bob', 'w').write(keep)"
        with other.session(cells=[source, "def f(): return keep"], files={"bob.py": SECRET.encode()}) as session:
            assert session.call("f", []).value == SECRET
            yield
            assert session.call("f", []).value == SECRET
