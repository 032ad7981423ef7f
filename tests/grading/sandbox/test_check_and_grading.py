"""What honest code meets, in grading's sandbox and in the plain process of a student's own check: the same words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.outcomes import CellRun
from netlens_core.grading.sandbox.session import Session
from netlens_core.grading.sandbox.unlocked import UnlockedChild

PROCESSES = "no processes are started here: leave out subprocesses, and use num_workers=0 and n_jobs=1"
LIMITS = Limits(start_seconds=120, call_seconds=60, total_seconds=300, memory_mb=512, processes=16, output_mb=2)
# Cell -> what its error says, or what it shows.
CELLS = {
    "import multiprocessing\nmultiprocessing.Pool(2)": PROCESSES,
    "multiprocessing.get_context('spawn').Process(target=abs).start()": PROCESSES,
    "from concurrent.futures import ProcessPoolExecutor\nlist(ProcessPoolExecutor(2).map(abs, [1]))": PROCESSES,
    "import subprocess\nsubprocess.run(['ls'])": PROCESSES,
    "import os\nos.system('ls')": PROCESSES,
    "os.popen('ls')": PROCESSES,
    "os.fork()": PROCESSES,
    "os.posix_spawn('/bin/ls', ['ls'], {})": PROCESSES,
    "from joblib import Parallel, delayed\nprint(Parallel(n_jobs=2)([delayed(abs)(-3)]))": "[3]",
    "from torch.utils.data import DataLoader\n"
    "print([len(b) for b in DataLoader([1, 2, 3], 2, num_workers=2, prefetch_factor=4, persistent_workers=True)])": (
        "DataLoader works without workers"
    ),
    "DataLoader([1], workers=2)": "unexpected keyword argument 'workers'",
    "class Own(DataLoader):\n    def __init__(self, data): super().__init__(data, num_workers=1, timeout=9)\n"
    "print(next(iter(Own([5]))))": "tensor([5])",
    "import urllib.request\nurllib.request.urlopen('http://example.com')": "there is no network here",
    "import threading, time\nfor _ in range(40): threading.Thread(target=time.sleep, args=(1,)).start()": (
        "no more threads are allowed here"
    ),
    "input('Your name: ')": "write the value into the code instead of input()",
    "import getpass\ngetpass.getpass()": "write the value into the code instead of input()",
    "breakpoint()": "leave out breakpoint() and pdb",
    "from google.colab import files": "google.colab exists only on Colab",
    "import my_own_helpers": "only the one file that you hand in",
    "open('data.csv')": "only the notebook and the pictures that came with it",
    "open('OUTSIDE/data.csv')": "only the notebook and the pictures that came with it",
    "open(os.path.expanduser('~/data.csv'))": "only the notebook and the pictures that came with it",
    "os.environ['NETLENS_TEST_SECRET']": "KeyError",
    "bytearray(3 << 30)": "MemoryError",
    "if True:\n\ta = 1\n        b = 2": "TabError",
    "for i in range(20_000): print('\\r', i, '#' * 40, end='')": "19999",
    "for i in range(20_000): print(i)": "more was printed than is kept",
    "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')": "awaited",
    "%%capture hidden\nprint(1)": "",
    "def loud():\n    for _ in range(300): print('x' * 10_000)\n    return 7": "",
    "list = 3": "",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A student's own folder, with a file that is not handed in."""
    made = tmp_path_factory.mktemp("own")
    (made / "data.csv").write_text("1,2")
    return made


def ran(session: Session) -> tuple[list[CellRun], list[str]]:
    with session:
        assert session.status == "ok", session.message
        asked = [session.call(name, []) for name in ("loud", "list", "absent")]
        assert asked[0].value == 7, asked[0].message  # 3 MB of print, where 2 MiB are allowed past Python
        return list(session.cells), [outcome.message for outcome in asked[1:]]


@pytest.fixture(scope="module")
def both(box, folder) -> dict[str, tuple[list[CellRun], list[str]]]:
    cells = [source.replace("OUTSIDE", str(folder)) for source in CELLS]
    os.environ["NETLENS_TEST_SECRET"] = "1"
    try:
        plain = ran(Session(lambda: UnlockedChild(LIMITS, folder=str(folder)), cells, {}, LIMITS, 0))
    finally:
        del os.environ["NETLENS_TEST_SECRET"]
    return {"grading": ran(box.session(cells, {}, LIMITS)), "check": plain}


def test_cells_say_the_same_in_both(both, box):
    if box.level == "none":
        pytest.skip("without a sandbox there are no walls")
    for number, (source, said) in enumerate(CELLS.items()):
        for place, (cells, _) in both.items():
            cell = cells[number]
            shown = "".join(output.get("text", "") for output in cell.outputs)
            assert said in (cell.error or shown), (place, source, cell)
        first, second = (cells[number] for cells, _ in both.values())
        assert (first.error is None) == (second.error is None), source


def test_calls_say_the_same_in_both(both):
    assert both["grading"][1] == both["check"][1]
    assert both["check"][1][0] == "`list` is not a function any more, but of the type `int`."


def test_what_goes_past_python_ends_a_check_as_it_ends_grading():
    source = "import os\nwhile True: os.write(1, bytes(1 << 16))"
    with Session(lambda: UnlockedChild(LIMITS), ["1", source], {}, LIMITS, 0) as session:
        assert (session.status, session.message) == ("crashed", "It printed more than 2 MiB.")
        assert len(session.cells) == 1


def test_a_python_that_does_not_start_is_told():
    with Session(lambda: UnlockedChild(LIMITS, networks=("nosuchnetwork",)), ["1"], {}, LIMITS, 0) as session:
        assert session.status == "fault"
        assert "The notebook cannot be run here" in session.message and "nosuchnetwork" in session.message
