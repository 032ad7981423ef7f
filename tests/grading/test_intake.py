"""Intake never raises: a file becomes cells, or a refusal that tells the student what to do."""

from __future__ import annotations

import io
import json
import os
import stat
import tracemalloc
import zipfile

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlens_core.grading.executed import executed_notebook
from netlens_core.grading.intake import MAX_FILE, find_submission_file, read_submission, read_submission_file
from netlens_core.grading.sandbox.outcomes import CellRun


def notebook(*sources: str, **changes: object) -> bytes:
    cells = [
        {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for source in sources
    ]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **changes}
    return json.dumps(content).encode()


def zipped(*entries: tuple[str, bytes], **options: object) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name) if options.get("plain") else name, data)
    return held.getvalue()


def sources(data: bytes, name: str = "noise.ipynb", expected: str | None = None) -> list[str]:
    submission = read_submission(data, name, expected)
    assert not submission.refusal, submission.refusal
    return [cell.source for cell in submission.code_cells]


# -- what is read ----------------------------------------------------------------------------------------


def test_a_notebook_is_read_in_order():
    assert sources(notebook("a = 1", "b = 2")) == ["a = 1", "b = 2"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + notebook("a"),
        notebook("a").decode().encode("utf-16"),
        notebook("a").replace(b", ", b",\r\n"),
        notebook("a", nbformat_minor=0),
        notebook("a", metadata="none"),
        notebook("a", metadata={"kernelspec": {"language": "python"}, "widgets": {"state": {}}}),
        json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": ["a"]}]}], "nbformat": 3}).encode(),
        json.dumps({"cells": [{"cell_type": "code", "source": ["a"]}, 7, None, {"source": {}}]}).encode(),
        json.dumps({"cells": [{"cell_type": "code", "source": "a", "id": "x", "outputs": "?"}]}).encode(),
    ],
)
def test_wrecked_notebooks_are_read_where_that_is_safe(data):
    assert sources(data) == ["a"]


def test_grade_ids_come_along_and_duplicates_stop_nothing():
    cell = {"cell_type": "code", "source": "a", "metadata": {"nbgrader": {"grade_id": "mix"}}}
    found = read_submission(json.dumps({"cells": [cell, cell]}).encode(), "n.ipynb")
    assert [c.grade_id for c in found.code_cells] == ["mix", "mix"]


def test_python_files_are_split_at_percent_lines():
    text = "import torch\n# %% [markdown]\n# Words.\n# %% one\na = 1\n#%%\nb = 2\n"
    assert sources(text.encode(), "noise.py") == ["import torch", "a = 1", "b = 2"]
    assert sources("# -*- coding: utf-8 -*-\r\nä = 1\r\n".encode(), "noise.py") == ["# -*- coding: utf-8 -*-\nä = 1"]
    assert "Words." in [cell.source for cell in read_submission(text.encode(), "noise.py").cells]


def test_a_zip_from_an_lms_is_looked_into():
    data = zipped(("s_1/noise.ipynb", notebook("a")), ("__MACOSX/s_1/._noise.ipynb", b"\0"), ("s_1/flower.png", b"x"))
    assert sources(data, "s_1.zip") == ["a"]
    assert "noise.ipynb" in read_submission(data, "s_1.zip").notes[0]
    both = zipped(("noise.ipynb", notebook("a")), ("adversarial.ipynb", notebook("b")))
    assert sources(both, "s.zip", "adversarial") == ["b"]
    assert sources(zipped(("noise.ipynb", notebook("a"))), "renamed.ipynb") == ["a"]


def test_half_a_surrogate_does_not_travel_on():
    data = b'{"cells": [{"cell_type": "code", "source": "x = \'\\ud800\'"}]}'
    assert sources(data) == ["x = '?'"]


# -- what is refused -------------------------------------------------------------------------------------


def link_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        entry = zipfile.ZipInfo("noise.ipynb")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    return held.getvalue()


def encrypted_zip() -> bytes:
    data = bytearray(zipped(("noise.ipynb", notebook("a"))))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def wrong_sum() -> bytes:
    data = bytearray(zipped(("noise.ipynb", notebook("a"))))
    at = data.index(b"PK\x01\x02") + 16
    data[at : at + 4] = b"\0\0\0\0"
    return bytes(data)


REFUSED = {
    "empty": (b"", "is empty"),
    "blanks": (b" \n\t ", "is empty"),
    "cut off": (notebook("a" * 500)[:300], "cut off"),
    "list": (b"[]", "no notebook"),
    "number": (b"7", "no notebook"),
    "huge number": (b'{"cells": ' + b"9" * 10_000 + b"}", "no valid notebook"),
    "no cells": (b'{"metadata": {}}', "has no cells"),
    "cells of a wrong kind": (b'{"cells": {}}', "has no cells"),
    "deep": (b'{"cells":' + b"[" * 200_000, ""),
    "merge conflict": (
        b'{"cells": [\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> b\n]}',
        "merge conflict that was not resolved (line 2)",
    ),
    "another language": (notebook("a", metadata={"kernelspec": {"language": "R"}}), "netlens runs Python"),
    "binary": (bytes(range(256)), "no text"),
    "zero bytes": (b"a = 1\x00", "no text"),
    "too many cells": (notebook(*["a"] * 2001), "2000 cells"),
    "too much code": (notebook("a" * (3 << 20)), "MiB of code"),
    "too large": (b"a" * (MAX_FILE + 1), "clear its outputs"),
    "zip without notebook": (zipped(("essay.docx", b"x")), "holds no notebook"),
    "zip with two": (zipped(("a.ipynb", notebook("a")), ("b.ipynb", notebook("b"))), "several"),
    "zip in zip": (zipped(("inner.zip", zipped(("a.ipynb", b"")))), "another zip"),
    "zip slip": (zipped(("../../noise.ipynb", notebook("a"))), "outside"),
    "absolute": (zipped(("/etc/noise.ipynb", notebook("a")), plain=True), "outside"),
    "windows drive": (zipped(("C:\\noise.ipynb", notebook("a")), plain=True), "outside"),
    "link": (link_zip(), "link"),
    "password": (encrypted_zip(), "password"),
    "wrong sum": (wrong_sum(), "broken zip"),
    "torn zip": (zipped(("noise.ipynb", notebook("a")))[:60], "broken zip"),
    "bomb": (zipped(("noise.ipynb", bytes(60 << 20))), "unpacks to"),
    "10,000 files": (zipped(*((f"{n}.txt", b"") for n in range(10_000))), "10000 files"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_refused_in_words(name):
    data, said = REFUSED[name]
    submission = read_submission(data, "noise.zip" if "zip" in name else "noise.ipynb", "noise")
    assert said in submission.refusal and submission.refusal
    assert len(submission.refusal) < 500 and not submission.cells
    assert len(submission.sha256) == 64


def test_a_bomb_is_refused_without_being_unpacked():
    bomb = zipped(("noise.ipynb", bytes(60 << 20)))
    tracemalloc.start()
    assert read_submission(bomb, "noise.zip").refusal
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_names_are_made_harmless():
    submission = read_submission(b"", "\x1b[31m\u202enoise\n.ipynb")
    assert "\x1b" not in submission.name + submission.refusal and "\u202e" not in submission.name + submission.refusal


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=400), st.sampled_from(["n.ipynb", "n.py", "n.zip", ""]))
def test_no_bytes_crash_intake(data, name):
    for prefix in (b"", b"{", b'{"cells": [', b"PK\x03\x04"):
        read_submission(prefix + data, name)


VALID = notebook("a = 1", "def f(x):\n    return x", metadata={"kernelspec": {"language": "python"}})
ZIP = zipped(("noise.ipynb", VALID), ("x/y.txt", b"text"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from([VALID, ZIP]), st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
def test_no_mutation_crashes_intake(whole, at, change):
    at %= len(whole)
    read_submission(whole[:at] + change + whole[at + len(change) :], "noise.ipynb", "noise")


# -- from the disk ---------------------------------------------------------------------------------------


def test_the_file_that_is_meant_is_found(tmp_path):
    assert "Nothing was handed in" in find_submission_file(tmp_path, "noise")
    (tmp_path / "flower.png").write_bytes(b"")
    assert "flower.png" in find_submission_file(tmp_path, "noise")
    (tmp_path / "my solution.ipynb").write_bytes(b"{}")
    assert find_submission_file(tmp_path, "noise").name == "my solution.ipynb"
    (tmp_path / "Noise (2).ipynb.txt").write_bytes(b"{}")  # as some browsers save it
    assert find_submission_file(tmp_path, "noise").name == "Noise (2).ipynb.txt"
    (tmp_path / "Noise (2).ipynb.txt").unlink()
    (tmp_path / "other.ipynb").write_bytes(b"{}")
    assert "hand in one, named noise.ipynb" in find_submission_file(tmp_path, "noise")
    (tmp_path / "noise.ipynb").write_bytes(b"{}")
    assert find_submission_file(tmp_path, "noise").name == "noise.ipynb"


def test_links_pipes_devices_and_giants_are_never_opened(tmp_path):
    (tmp_path / "real.ipynb").write_bytes(b"{}")
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "real.ipynb")
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    with (tmp_path / "giant.ipynb").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    assert read_submission_file(tmp_path / "real.ipynb") == b"{}"
    for name in ("link", "pipe", "folder"):
        assert "no plain file" in read_submission_file(tmp_path / f"{name}.ipynb")
    assert "clear its outputs" in read_submission_file(tmp_path / "giant.ipynb")
    assert "cannot be read" in read_submission_file(tmp_path / "missing.ipynb")


# -- the notebook as it ran ------------------------------------------------------------------------------


def test_an_executed_notebook_is_valid_and_the_same_every_time():
    text = "# %% [markdown]\n# Words.\n# %%\nprint(1)\n# %%\n1/0\n# %%\nnever_reached()\n"
    submission = read_submission(text.encode(), "noise.py")
    stream = {"output_type": "stream", "name": "stdout", "text": "1\n"}
    runs = [CellRun(outputs=[stream]), CellRun(error="ZeroDivisionError: division by zero", traceback="cell 2, line 1")]
    data = executed_notebook(submission, runs)
    assert data == executed_notebook(submission, runs)
    written = nbformat.reads(data.decode(), as_version=4)
    nbformat.validate(written)
    markdown, first, second, third = written.cells
    assert markdown.source == "Words."
    assert first.outputs[0].text == "1\n"
    assert (second.outputs[0].ename, second.outputs[0].evalue) == ("ZeroDivisionError", "division by zero")
    assert third.outputs == [] and third.execution_count is None
