"""Wrecked notebooks: each is repaired where that is safe, told in words, and never stops the class.

Every wreck is made from the reference notebook of `noise`, whose eight points are given without a person.
"""

from __future__ import annotations

import base64
import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlens_core.grading.cell_names import added_to, names_of
from netlens_core.grading.course import Course
from netlens_core.grading.decoding import decoded
from netlens_core.grading.exercise import Exercise, Networks
from netlens_core.grading.grade import Grade
from netlens_core.grading.gradebook import Gradebook
from netlens_core.grading.intake import Submission, read_submission
from netlens_core.grading.pipeline import grade
from netlens_core.grading.restoring import as_released, code_of
from netlens_core.grading.sandbox.levels import best_level
from netlens_core.grading.templates import solved_notebook, template_notebook
from netlens_core.grading.trusted import Judges, judged, ran
from netlens_core.languages import speaking
from tests.nbgrader.noise_class import SHEET, with_daisies

ROOT = Path(__file__).parents[2]
SLUG, SEED, FULL = "noise", 5, 8.0
TEMPLATE = ROOT / "assignments" / SLUG / "template.py"
REFERENCE = solved_notebook(TEMPLATE, ROOT / "reference_solutions" / SLUG / "reference.py")
CODE = code_of(TEMPLATE.read_bytes())
WANTED = ("classify", "answers")
JURY = ("efficientnet_lite1", "efficientnet_lite2")

Notebook = dict[str, Any]
WRECKS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {}  # name -> how it is made, what its notes say


def notebook() -> Notebook:
    found: Notebook = json.loads(REFERENCE)
    return found


def cell(content: Notebook, name: str) -> Notebook:
    return next(c for c in content["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)


def source(content: Notebook, name: str) -> str:
    return "".join(cell(content, name)["source"])


def wreck(*said: str) -> Callable[[Callable[[Notebook], Any]], Callable[[Notebook], Any]]:
    """A wreck that keeps all points: a function that changes the reference's notebook, or gives the file's bytes."""

    def register(change: Callable[[Notebook], Any]) -> Callable[[Notebook], Any]:
        def made() -> bytes:
            content = notebook()
            result = change(content)
            return result if isinstance(result, bytes) else json.dumps(content).encode()

        WRECKS[change.__name__.strip("_")] = made, said
        return change

    return register


# -- doubled, deleted and edited cells -------------------------------------------------------------------


@wreck("The cell “test_what_is_it”, which is locked, was there 2 times; it was run once.", "share an id")
def _doubled_check(content):
    content["cells"].append(copy.deepcopy(cell(content, "test_what_is_it")))


@wreck("The cell “setup”, which is locked, was there 3 times")
def _tripled_setup(content):
    twin = copy.deepcopy(cell(content, "setup"))
    content["cells"] += [{**twin, "id": "setup-2"}, {**twin, "id": "setup-3"}]


@wreck("The cell “classify” is there 2 times; the one that you filled in was run.")
def _doubled_solution_never_filled_in(content):
    untouched = next(c for c in json.loads(template_notebook(TEMPLATE))["cells"] if c["id"] == "classify")
    content["cells"].append({**untouched, "id": "classify-2"})


@wreck("The cell “classify” is there 2 times; all were run, from top to bottom, so that the last one counts.")
def _doubled_solution_first_wrong(content):
    twin = copy.deepcopy(cell(content, "classify"))
    twin |= {"source": "def classify(network, image, k=5):\n    return []", "id": "first"}
    content["cells"].insert(content["cells"].index(cell(content, "classify")), twin)


@wreck("The cell “classify” is there 2 times", "all were run")
def _split_solution(content):
    whole = cell(content, "classify")
    second = {**copy.deepcopy(whole), "id": "second-half", "source": "print('split')"}
    content["cells"].insert(content["cells"].index(whole) + 1, second)


@wreck("was there 2 times", "The cell “test_other_images”, which is locked, was not as handed out")
def _split_check(content):
    whole = cell(content, "test_other_images")
    lines = source(content, "test_other_images").split("\n")
    second = {**copy.deepcopy(whole), "id": "second-half", "source": "\n".join(lines[4:])}
    whole["source"] = "\n".join(lines[:4])
    content["cells"].insert(content["cells"].index(whole) + 1, second)


@wreck("3 locked cells are missing; grading does not need them: test_what_is_it, test_number")
def _deleted_checks(content):
    content["cells"] = [c for c in content["cells"] if not c["id"].startswith("test_") or c["id"] == "test_resembles"]


@wreck("A locked cell was missing; it was put back: setup.")
def _deleted_setup(content):
    content["cells"].remove(cell(content, "setup"))
    cell(content, "classify")["source"] = source(content, "classify").replace("import torch\n", "")


@wreck("2 locked cells are missing", "grading does not need", "look")
def _deleted_what_is_needless(content):
    for name in ("look", "test_other_images"):
        content["cells"].remove(cell(content, name))


@wreck("The cell “test_what_is_it”, which is locked, was not as handed out; the original was run.")
def _edited_check(content):
    cell(content, "test_what_is_it")["source"] = "print('all is well')"


@wreck("The cell “setup”, which is locked, was not as handed out", "What you added there was run", "numpy, sorted_down")
def _edited_setup_that_the_solution_needs(content):
    setup, classify = cell(content, "setup"), cell(content, "classify")
    extra = "import numpy\nsorted_down = lambda values: numpy.argsort(-values)\n"
    setup["source"] = extra + source(content, "setup").replace("efficientnet_lite0", "untrained:resnet18")
    classify["source"] = (
        "def classify(network, image, k=5):\n"
        "    with torch.no_grad():\n"
        "        found = network(image)[0].softmax(dim=0).numpy()\n"
        "    return [(network.categories[n], float(found[n])) for n in sorted_down(found)[:k] if numpy is not None]\n"
    )


@wreck("The cell “test_what_is_it”, which is locked, was not as handed out", "run as a cell of its own: classify.")
def _solution_inside_a_check(content):
    classify, check = cell(content, "classify"), cell(content, "test_what_is_it")
    check["source"] = source(content, "classify") + "\n\n" + source(content, "test_what_is_it")
    content["cells"].remove(classify)


@wreck("The cell “look”, which is locked, was not as handed out")
def _locked_cell_made_markdown(content):
    look = cell(content, "look")
    look["cell_type"] = "markdown"
    del look["outputs"], look["execution_count"]


@wreck()
def _locked_cell_formatted(content):
    setup = cell(content, "setup")
    setup["source"] = source(content, "setup").replace('"', "'") + "\n\n# my notes"


@wreck("The cell “setup”, which is locked, was not as handed out")
def _locked_cell_that_is_no_python(content):
    cell(content, "setup")["source"] = "!pip install torch\nimport torch as\n" + source(content, "setup")


# -- metadata, kernels and versions ----------------------------------------------------------------------


@wreck("cells had lost their names in the notebook's metadata", "setup, look, test_what_is_it")
def _cleared_metadata(content):
    for entry in content["cells"]:
        entry["metadata"] = {}


@wreck("A cell had lost its name", "what stands in it: classify.")
def _renamed_cell(content):
    cell(content, "classify")["metadata"]["nbgrader"]["grade_id"] = "my_cell"


@wreck("nbgrader's metadata in another version than 3")
def _schema_1(content):
    for entry in content["cells"]:
        if about := entry["metadata"].get("nbgrader"):
            entry["metadata"]["nbgrader"] = {
                "schema_version": 1,
                "grade_id": about["grade_id"],
                "grade": about["grade"],
            }


@wreck("nbgrader's metadata in another version than 3")
def _schema_2(content):
    for entry in content["cells"]:
        if about := entry["metadata"].get("nbgrader"):
            about["schema_version"] = 2
            del about["task"]


@wreck("noise.ipynb says that it is for r; it was run as Python.")
def _other_kernel(content):
    content["metadata"] = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}


@wreck()
def _unknown_python_kernel(content):
    content["metadata"]["kernelspec"] = {"name": "my-env", "display_name": "my env"}


@wreck()
def _odd_metadata(content):
    content["metadata"] = []
    for entry in content["cells"]:
        entry["metadata"].update(tags="no list", collapsed="yes", vscode={"languageId": 7})


@wreck("old notebook format")
def _nbformat_3(content):
    old = nbformat.convert(nbformat.reads(json.dumps(content), as_version=4), 3)
    return nbformat.v3.writes_json(old).encode()


@wreck("Cells of noise.ipynb lack outputs or execution counts")
def _missing_outputs(content):
    for entry in content["cells"]:
        entry.pop("outputs", None)
        entry.pop("execution_count", None)


@wreck("Cells of noise.ipynb share an id; each got one of its own.")
def _same_ids(content):
    for entry in content["cells"]:
        entry["id"] = "same"


@wreck()
def _widgets_state(content):
    model = {"model_name": "IntSliderModel", "state": {"value": 7}, "model_module": "@jupyter-widgets/controls"}
    state = {f"{number:032x}": model for number in range(2000)}
    content["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": f"{0:032x}", "version_major": 2}}
    cell(content, "look")["outputs"] = [{"output_type": "display_data", "data": view, "metadata": {}}]


@wreck("noise.ipynb has 50 MiB, nearly all of it outputs; they were left out.")
def _fifty_megabytes_of_outputs(content):
    picture = base64.b64encode(bytes(range(256)) * 4096).decode()
    output = {"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}}
    cell(content, "look")["outputs"] = [output] * 38


# -- conflicts, line endings, encodings ------------------------------------------------------------------


@wreck("merge conflict that was not resolved (line ", "it does not touch the code.")
def _conflict_in_execution_counts(content):
    count = '   "execution_count": null,'
    text = json.dumps(content, indent=1)
    assert count in text
    return text.replace(count, CONFLICT, 1).encode()


@wreck("merge conflict that was not resolved", "the upper version was run. If the other one is meant")
def _conflict_in_the_code(content):
    line = json.dumps("    values, places = probabilities.topk(k)\n")[1:-1]
    text = json.dumps(content, indent=1)
    assert line in text
    start = text.rindex("\n", 0, text.index(line)) + 1
    end = text.index("\n", start)
    mine, theirs = text[start:end], text[start:end].replace("topk(k)", "topk(1)")
    return (text[:start] + f"<<<<<<< HEAD\n{mine}\n=======\n{theirs}\n>>>>>>> other\n" + text[end + 1 :]).encode()


@wreck("holds a merge conflict that was not resolved; its upper version was run.")
def _conflict_inside_a_cell(content):
    old = source(content, "classify")
    cell(content, "classify")["source"] = f"<<<<<<< local\n{old}\n||||||| base\n=======\nnonsense(\n>>>>>>> remote"


CONFLICT = '<<<<<<< HEAD\n   "execution_count": 1,\n=======\n   "execution_count": 2,\n>>>>>>> 1a2b3c'


@wreck("noise.ipynb has Windows line endings")
def _windows_line_endings(content):
    return json.dumps(content, indent=1).replace("\n", "\r\n").encode()


@wreck()
def _windows_line_endings_in_cells(content):
    for entry in content["cells"]:
        entry["source"] = "".join(entry["source"]).replace("\n", "\r\n")


def with_comment(content: Notebook, text: str) -> str:
    cell(content, "classify")["source"] = source(content, "classify") + f"\n# {text}"
    return json.dumps(content, ensure_ascii=False)


@wreck("saved in UTF-8 with a byte order mark")
def _byte_order_mark(content):
    return with_comment(content, "žluťoučký kůň").encode("utf-8-sig")


@wreck("saved in UTF-16")
def _utf_16(content):
    return with_comment(content, "žluťoučký kůň").encode("utf-16")


@wreck("saved in UTF-16")
def _utf_16_without_its_mark(content):
    return with_comment(content, "žluťoučký kůň").encode("utf-16-le")


@wreck("saved in an old Windows encoding")
def _cp1250(content):
    return with_comment(content, "příliš žluťoučký kůň").encode("cp1250")


@wreck("saved in an old Windows encoding")
def _latin_1(content):
    return with_comment(content, "año, façade, Ålesund").encode("latin-1")


# -- they keep their points ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exercise(tmp_path_factory: pytest.TempPathFactory) -> Exercise:
    folder = tmp_path_factory.mktemp("wrecks") / "course"
    with_daisies(folder)
    (folder / "course.yaml").write_text(SHEET)
    return Course(folder).exercise(SLUG)


@pytest.fixture(scope="module")
def points(exercise: Exercise) -> Iterator[Callable[[bytes], float]]:
    """What a file's functions earn by the real grader, run in this process; the same code is run once."""
    judges, known = Judges.load("efficientnet_lite0", JURY), dict[tuple[str, ...], float]()

    def earned(data: bytes) -> float:
        code = tuple(c.source for c in restored(data).code_cells)
        if code not in known:
            with ran(data, f"{SLUG}.ipynb", exercise, SEED) as names:
                checks, _ = judged(exercise, names, judges, SEED)
            known[code] = sum(check.points for check in checks.values())
        return known[code]

    yield earned


def restored(data: bytes, name: str = f"{SLUG}.ipynb") -> Submission:
    return as_released(read_submission(data, name, expected=SLUG), CODE, WANTED)


def test_the_reference_itself_is_not_touched(points):
    submission = read_submission(REFERENCE, f"{SLUG}.ipynb", expected=SLUG)
    assert as_released(submission, CODE, WANTED) == submission and submission.notes == ()
    assert points(REFERENCE) == FULL


@pytest.mark.parametrize("name", WRECKS)
def test_a_wreck_keeps_its_points_and_is_told(name, points):
    made, said = WRECKS[name]
    data = made()
    submission = restored(data)
    assert submission.refusal == ""
    notes = "\n".join(submission.notes)
    assert [words for words in said if words not in notes] == [] and bool(notes) == bool(said), notes
    assert points(data) == FULL
    assert all(len(note) < 300 for note in submission.notes)


@pytest.mark.parametrize("minor", range(6))
def test_every_minor_version_of_the_format_is_read(minor):
    content = notebook() | {"nbformat_minor": minor}
    for entry in content["cells"]:
        del entry["id"]
    found = restored(json.dumps(content).encode())
    assert found.notes == () and found.cells == restored(REFERENCE).cells


def test_locked_cells_are_there_once_and_as_they_were_handed_out():
    """The cells that formgrader shows: every name once, locked ones with the original source."""
    original = {c.grade_id: c.source for c in restored(REFERENCE).cells if c.grade_id}
    for name, (made, _) in WRECKS.items():
        names = [c.grade_id for c in restored(made()).cells if c.grade_id]
        assert len(names) == len(set(names)), name
        for found in restored(made()).code_cells:
            if found.grade_id in ("setup", "look", "test_what_is_it", "test_number_of_categories", "test_other_images"):
                assert found.source.split() == original[found.grade_id].split(), (name, found.grade_id)


ORIGINAL = {c.grade_id: c.source for c in restored(REFERENCE).cells if c.grade_id}


# -- what cannot be repaired is told ---------------------------------------------------------------------


def test_a_deleted_solution_fails_its_checks_in_clear_words(exercise):
    content = notebook()
    content["cells"].remove(cell(content, "classify"))
    found = restored(json.dumps(content).encode())
    assert found.notes == (
        "The cell “classify” is missing, and nothing else defines classify: the checks of it fail. Put it back, and "
        "hand in again.",
    )
    with ran(json.dumps(content).encode(), "noise.ipynb", exercise, SEED) as names:
        checks, _ = judged(exercise, names, Judges.load("efficientnet_lite0", JURY), SEED)
    assert checks["test_what_is_it"].points == 0
    assert "`classify` is missing: define it at the top level" in checks["test_what_is_it"].message


def test_the_last_of_two_solutions_counts_also_where_it_is_the_wrong_one(points):
    content = notebook()
    twin = {**copy.deepcopy(cell(content, "classify")), "id": "again"}
    twin["source"] = "def classify(network, image, k=5):\n    return []"
    content["cells"].insert(content["cells"].index(cell(content, "classify")) + 1, twin)
    data = json.dumps(content).encode()
    assert points(data) == 0
    assert "so that the last one counts" in restored(data).notes[0]


def test_a_changed_value_is_the_original_again_and_who_uses_it_is_told():
    content = notebook()
    setup = cell(content, "setup")
    setup["source"] = source(content, "setup").replace('load_image("what_is_it.png")', "torch.zeros(3, 224, 224)")
    cell(content, "star")["source"] = "print(what_is_it.mean())"
    [note] = restored(json.dumps(content).encode()).notes
    assert note.endswith("the original was run. Your code uses what_is_it from it, as the original has it.")


def test_a_check_that_only_grew_slower_is_not_run_twice():
    content = notebook()
    check = cell(content, "test_number_of_categories")
    check["source"] = source(content, "test_number_of_categories") + "\nfor k in range(1000):\n    print(k)\n"
    found = restored(json.dumps(content).encode())
    assert [c.source for c in found.code_cells] == [c.source for c in restored(REFERENCE).code_cells]


def test_a_file_that_is_not_made_from_the_template_is_left_alone():
    for path in (ROOT / "reference_solutions" / SLUG).rglob("*.py"):
        submission = read_submission(path.read_bytes(), "noise.py", expected=SLUG)
        assert as_released(submission, CODE, WANTED) == submission


def test_a_python_file_made_from_the_notebook_is_restored_too():
    text = jupytext.writes(nbformat.reads(REFERENCE.decode(), as_version=4), fmt="py:percent")
    setup = source(notebook(), "setup")
    assert setup in text
    found = restored(text.replace(setup, "").encode(), "noise.py")
    assert found.code_cells[0].source == setup
    assert any("it was put back: setup" in note for note in found.notes)


def test_a_conflict_without_its_end_is_refused():
    text = json.dumps(notebook(), indent=1).replace('   "execution_count": null,', CONFLICT[:-14], 1)
    found = read_submission(text.encode(), "noise.ipynb", expected=SLUG)
    assert "merge conflict that was not resolved" in found.refusal and "keep one version" in found.refusal


def test_a_row_of_equals_signs_is_no_conflict():
    found = read_submission(b'"""Title\n=======\n"""\ndef classify(): ...', "noise.py", expected=SLUG)
    assert not found.refusal and not found.notes


def test_another_name_is_told():
    found = restored(REFERENCE, "Untitled (2).ipynb")
    assert found.notes == ("Asked for was noise.ipynb; Untitled (2).ipynb was taken for it.",)
    assert found.cells == restored(REFERENCE).cells


def test_notes_are_told_in_the_courses_language():
    with speaking("cs"):
        notes = restored(WRECKS["edited_check"][0]()).notes
    assert notes == ("Zamčená buňka „test_what_is_it“ nebyla v původní podobě; spustila se původní.",)


EDITS = ("", "x = 1", "def classify(:", "%matplotlib inline\n!ls", "answers = {}", "import torch\nclassify = print")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(["delete", "double", "edit", "nameless", "markdown", "move"]), st.integers(0, 99)),
        max_size=12,
    )
)
def test_whatever_was_done_locked_cells_are_there_once_and_nothing_of_the_students_is_lost(steps):
    content = notebook()
    for what, number in steps:
        cells = content["cells"]
        if not cells:
            break
        at = number % len(cells)
        if what == "delete":
            del cells[at]
        elif what == "double":
            cells.insert(at, copy.deepcopy(cells[at]))
        elif what == "edit":
            cells[at]["source"] = EDITS[number % len(EDITS)]
        elif what == "nameless":
            cells[at]["metadata"] = {}
        elif what == "markdown":
            cells[at]["cell_type"] = "markdown"
        else:
            cells.insert(0, cells.pop(at))
    data = json.dumps(content).encode()
    found, submitted = restored(data), read_submission(data, "noise.ipynb", expected=SLUG)
    locked = [
        c for c in found.cells if c.grade_id in ORIGINAL and c.grade_id not in ("classify", "test_resembles", "star")
    ]
    assert len({c.grade_id for c in locked}) == len(locked)
    assert all(c.source.split() == ORIGINAL[c.grade_id].split() for c in locked) or found.cells == submitted.cells
    own = [c.source for c in submitted.cells if c.grade_id not in ORIGINAL]
    assert [source for source in own if source not in [c.source for c in found.cells]] == []
    assert restored(data) == found


# -- reading what is hostile -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "(" * 90_000,
        "-" * 90_000 + "1",
        "x" + ".a" * 40_000,
        "1+" * 40_000 + "1",
        "lambda:" * 12_000,
        "\0",
        "x = '\ud800'",
    ],
    ids=["open", "minus", "dots", "sum", "lambdas", "zero", "surrogate"],
)
def test_names_of_hostile_sources(text):
    assert names_of(text).bound <= {"x"}
    assert isinstance(added_to("a = 1", text), str)


def test_names_are_those_of_the_notebook():
    names = names_of(
        "%matplotlib inline\nimport a.b as c\ndef f(x, y=d):\n    z = x + e\n    global g\n    g = [h for h in z]"
    )
    assert names.bound == {"c", "f", "g"} and names.needed == {"d", "e"}
    assert added_to("a = 1\nb = 2", "b = 2  # mine\n@d\ndef f():\n    return 'ž'\na = 1; c = 3") == (
        "@d\ndef f():\n    return 'ž'\nc = 3"
    )
    assert added_to('a = "1"', "a = '1'") is None and added_to("a = 1\nb = 2", "a = 1") == ""


def test_old_encodings_keep_their_accents():
    for text in ("příliš žluťoučký kůň úpěl ďábelské ódy", "grün, garçon, ñandú"):
        encoding = "cp1250" if "ř" in text else "cp1252"
        assert decoded(text.encode(encoding))[0] == text
    assert decoded(bytes(range(256))) is None


# -- in the sandbox, and in a class ----------------------------------------------------------------------

needs_sandbox = pytest.mark.skipif(best_level()[0] != "full", reason=str(best_level()[1]))


@needs_sandbox
@pytest.mark.slow
def test_the_sandbox_runs_what_was_handed_out_and_the_same_file_gives_the_same_bits(exercise):
    networks = Networks("efficientnet_lite0", JURY, Course.shipped().fingerprints)
    data = WRECKS["solution_inside_a_check"][0]()
    first, again = (grade(data, exercise, networks, SEED, name="noise.ipynb") for _ in range(2))
    assert first.points == FULL and first.cell_errors == []
    assert any("run as a cell of its own: classify" in note for note in first.notes)
    assert first.model_dump() == again.model_dump()
    assert (first.pictures, first.notebook) == (again.pictures, again.notebook)


@needs_sandbox
@pytest.mark.slow
def test_a_class_with_a_wreck_goes_on_and_everybody_is_told(tmp_path, exercise):
    (tmp_path / "course.yaml").write_text(
        "title: A class\nseed: 2026\nexercises: [noise]\n"
        "networks: {target: efficientnet_lite0, jury: [efficientnet_lite1, efficientnet_lite2]}\n"
    )
    for student, data in {
        "ada": WRECKS["doubled_check"][0](),
        "ben": WRECKS["edited_setup_that_the_solution_needs"][0](),
        "eve": b"{",
    }.items():
        path = tmp_path / "submitted" / student / SLUG / "noise.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    course, shipped = Course(tmp_path), Course.shipped()
    assert exercise.materials and course.sheet.seed == shipped.sheet.seed
    shutil.copytree(shipped.hidden_folder / "inputs", course.hidden_folder / "inputs")  # noise is forged for long
    (course.hidden_folder / "secret").write_text(shipped.secret)
    book = Gradebook(course, "full")
    grades: dict[str, Grade] = {entry.student: found for entry, found in book.grade(book.entries, 1)}
    assert {student: found.points for student, found in grades.items()} == {"ada": FULL, "ben": FULL, "eve": 0}
    assert grades["eve"].status == "refused"
    page = book.write_views().read_text()
    assert "was not as handed out; the original was run." in page and "was there 2 times; it was run once." in page
    told = json.loads((tmp_path / "grades" / "ada" / "noise.json").read_text())["notes"]
    assert told == list(grades["ada"].notes) != []
