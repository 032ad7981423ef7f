"""Why a name is not defined: told with the cell that should define it, and what became of that."""

from __future__ import annotations

import json

import pytest

from netlens_core.grading.intake import read_submission
from netlens_core.grading.missing_names import RanNotebook
from netlens_core.grading.restoring import as_released
from netlens_core.grading.sandbox.outcomes import CellRun, Outcome
from netlens_core.languages import own_catalog, speaking
from tests.nbgrader.sky import TEMPLATE

PAINT = TEMPLATE.encode()
RAISED = "NameError: name 'x' is not defined"
ABSENT = Outcome("missing", message="`paint` is missing: define it at the top level of the notebook.")


def entry(source: str, name: str = "", kind: str = "code") -> dict[str, object]:
    about = {"nbgrader": {"grade_id": name, "schema_version": 3}} if name else {}
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": about, **code}


def explained(*entries: dict[str, object], errors: tuple[str | None, ...] = (), name: str = "paint") -> str:
    """What is said of a name in a notebook of these cells; `errors` are those of its code cells, in order."""
    data = json.dumps({"cells": entries, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    submission = read_submission(data, "sky.ipynb", expected="sky")
    runs = [CellRun(error) for error in errors]
    return RanNotebook(submission.cells, runs, PAINT).explained(name, ABSENT).message


DEF = "def paint(image): return image"


@pytest.mark.parametrize(
    ("cells", "errors", "said"),
    [
        ([entry("# Title", kind="markdown"), entry("1"), entry(f"x\n{DEF}", "paint")], (None, RAISED),
         f"`paint` was not defined, because cell 2 (“paint”) raised {RAISED}"),
        ([entry("1"), entry(" "), entry(f"x\n{DEF}")], (None, None, RAISED), f"because cell 2 raised {RAISED}"),
        ([entry(f"{DEF} (", "paint")], ("SyntaxError: invalid syntax",), "because cell 1 (“paint”) raised SyntaxError"),
        ([entry(f"if 1:\n\tx = 1\n        y = 2\n{DEF}")], ("TabError: inconsistent use",), "cell 1 raised TabError"),
        ([entry("paint = (", "other")], ("SyntaxError: '(' was never closed",), "cell 1 (“other”) raised SyntaxError"),
        ([entry("%matplotlib inline\nimport google.colab\n" + DEF, "paint")], ("ModuleNotFoundError: No module",),
         "because cell 1 (“paint”) raised ModuleNotFoundError"),
        ([entry("renamed = 1", "paint")], ("ValueError: no",), "because cell 1 (“paint”) raised ValueError: no"),
        ([entry(DEF, "paint", "markdown")], (), "the cell “paint” is no code cell any more: make it one again"),
        ([entry(f"Text\n\n{DEF}", kind="raw")], (), "the cell “paint” is no code cell any more"),
        ([entry("answers = {}", "test_why")], (None,), "because the cell “paint” is: put it back"),
        ([entry("def outer():\n    def paint(image): return image", "paint")], (None,),
         "cell 1 (“paint”) defines it inside of `outer`"),
        ([entry("class Own:\n    if 1:\n        def paint(self): pass")], (None,), "cell 1 defines it inside of `Own`"),
        ([entry(f"if 0:\n    {DEF}", "paint")], (None,), "only under a condition, which did not hold"),
        ([entry(DEF, "paint"), entry("del paint")], (None, None), "cell 2 deletes it"),
        ([entry("def Paint(image): return image", "paint")], (None,), "cell 1 (“paint”) defines `Paint`"),
        ([entry("def piant(image): return image")], (None,), "cell 1 defines `piant`"),
        ([entry("1", "paint")], (None,), "cell 1 (“paint”) does not define it"),
    ],
)  # fmt: skip
def test_the_cause_of_a_missing_function(cells, errors, said):
    assert said in explained(*cells, errors=errors)


def test_where_nothing_is_known_the_plain_message_stays():
    assert RanNotebook([], [], b"").explained("paint", ABSENT) == ABSENT
    assert explained(entry("1"), errors=(None,), name="nothing_alike") == ABSENT.message


def test_what_is_no_function_is_told_with_the_cell_that_made_it_so():
    submission = read_submission(f"{DEF}\n# %%\npaint = 3".encode(), "sky.py", expected="sky")
    told = Outcome("missing", value="int", message="`paint` is not a function any more, but of the type `int`.")
    found = RanNotebook(submission.cells, [CellRun(), CellRun()], PAINT).explained("paint", told)
    assert found.message == f"{told.message} It was last defined by cell 2."


def test_a_helper_that_is_not_defined_is_explained_as_well():
    source = f"x\ndef helper(): pass\n# %%\n{DEF}"
    submission = read_submission(source.encode(), "sky.py", expected="sky")
    error = Outcome("error", message="`paint` raised NameError: name 'helper' is not defined\ncell 2, line 1")
    ran = RanNotebook(submission.cells, [CellRun(RAISED), CellRun()], PAINT)
    first, second = ran.explained("paint", error).message.splitlines()
    assert first == (
        "`paint` raised NameError: name 'helper' is not defined. "
        f"`helper` was not defined, because cell 1 raised {RAISED}"
    )
    assert second == "cell 2, line 1"
    assert ran.of_error("NameError: name 'helper' is not defined").startswith(
        "`helper` was not defined, because cell 1"
    )
    assert ran.of_error("AssertionError: wrong") == "AssertionError: wrong"


def test_answers_that_matter_are_left_as_they_are():
    right, late = Outcome("ok", value=3), Outcome("timed_out", message="too long")
    ran = RanNotebook([], [], PAINT)
    assert ran.explained("paint", right) is right and ran.explained("paint", late) is late


@pytest.mark.parametrize("source", ["\x00", "(" * 5000, "x = 1\n" * 40_000, "\ud800", "def paint(", "é = '\\d'"])
def test_sources_may_be_anything(source):
    cells = [entry(source.encode("utf-8", "replace").decode(), "paint")]
    assert explained(*cells, errors=(None,))


def test_cells_are_numbered_as_the_student_counts_them_where_one_was_put_back():
    cells = [entry(f"x\n{DEF}", "paint"), entry("answers = {}", "test_why")]  # test_it was deleted
    data = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    whole = as_released(read_submission(data, "sky.ipynb", expected="sky"), PAINT, ("paint", "answers"), whole=True)
    assert [(cell.grade_id, cell.number) for cell in whole.code_cells] == [
        ("paint", 1),
        ("test_it", 0),
        ("test_why", 2),
    ]


def test_it_is_said_in_czech():
    with speaking(own_catalog("cs")):
        told = explained(entry(f"x\n{DEF}", "paint"), errors=(RAISED,))
    assert told == f"`paint` není definováno, protože buňka 1 („paint“) skončila chybou {RAISED}"


# -- restoring: what is told, and what a file of one's own gets ---------------------------------------------

HELPED = TEMPLATE.replace(
    "# %% nbgrader",
    '# %% nbgrader={"grade": false, "grade_id": "help", "locked": true, "solution": false, "schema_version": 3, '
    '"task": false}\nimport math\n\ndef brighter(image):\n    return image * math.tau\n\n# %% nbgrader',
    1,
).encode()


def restored(source: str, whole: bool) -> tuple[list[str], tuple[str, ...]]:
    submission = read_submission(source.encode(), "sky.py", expected="sky")
    found = as_released(submission, HELPED, ("paint", "answers"), whole=whole)
    return [cell.grade_id or cell.source for cell in found.code_cells], found.notes


def test_a_python_file_that_builds_on_a_locked_cell_gets_it_in_the_check_and_in_grading():
    own = "def paint(image): return brighter(image)"
    cells, notes = restored(own, whole=False)
    assert cells == ["help", own] and notes == ("A locked cell was missing; it was put back: help.",)
    assert restored(own, whole=True)[0][:2] == ["help", "paint"]


@pytest.mark.parametrize("own", [DEF, "def brighter(i): return i\ndef paint(image): return brighter(image)", "x = 1"])
def test_a_python_file_that_needs_nothing_is_left_as_it_is(own):
    assert restored(own, whole=False) == ([own], ())


def test_a_cell_that_became_text_is_told():
    cells = [entry(DEF, "paint", "markdown"), entry("assert paint(1) == 1, 'as handed out'", "test_it")]
    data = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    found = as_released(read_submission(data, "sky.ipynb", expected="sky"), PAINT, ("paint",))
    assert "The cell “paint” is no code cell any more, so that it is not run: make it one again." in found.notes
