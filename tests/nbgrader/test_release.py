"""A release is nbgrader's: every check of a grader is a grade cell with its points, and the gradebook loses nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum, is_locked

from netlens_core.grading.course import Course
from netlens_core.grading.nbgrader.cells import record_cells
from netlens_core.grading.nbgrader.config import course_directory, course_id, load_config, write_config
from netlens_core.grading.nbgrader.database import Database, DatabaseError
from netlens_core.grading.nbgrader.source import source_notebook
from netlens_core.grading.release import release
from netlens_core.grading.sheets import CourseError
from tests.quick_python import quick_python

from . import noise_class, sky

ROOT = Path(__file__).parents[2]


@pytest.fixture
def course(tmp_path) -> Course:
    """A small course whose networks are not looked for."""
    return reopened(sky.build(tmp_path / "course"))


def reopened(folder: Path) -> Course:
    opened = Course(folder)
    opened.__dict__["fingerprints"] = {"a": "weights of a", "b": "weights of b"}
    return opened


@contextmanager
def gradebook(course: Course) -> Iterator[Gradebook]:
    with Database(course).opened() as book:
        yield book


def notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def content(folder: Path, *steps: str) -> dict[Path, str]:
    files = [path for step in steps for path in (folder / step).rglob("*") if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def change_template(course: Course, old: str, new: str) -> Course:
    path = course.template("sky")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return reopened(course.folder)


# -- what is released ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """`noise` released in Czech from the command line, where nobody activated netlens's environment."""
    folder = noise_class.noise_course(tmp_path_factory.mktemp("released"))
    command = [*quick_python(), "-m", "netlens_core.cli", "release", folder, "--language", "cs", "--student", "ada"]
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {str(path) for path in (folder / "release").rglob("*") if path.is_file()}
    return folder


def test_the_release_is_valid_for_nbgrader_and_locked(released):
    made = notebook(released / "release/noise/noise.ipynb")
    nbformat.validate(made)
    MetadataValidator().validate_nb(made)
    named = [cell for cell in made.cells if "nbgrader" in cell.metadata]
    assert {cell.metadata.nbgrader.grade_id for cell in named} >= {*noise_class.POINTS, "setup", "classify", "star"}
    for cell in named:
        about = cell.metadata.nbgrader
        assert about.schema_version == 3 and about.checksum == compute_checksum(cell), about
        assert cell.metadata.deletable is False
        assert cell.metadata.get("editable", True) is not is_locked(cell), about


def test_the_release_says_what_the_template_says(released):
    made, source = notebook(released / "release/noise/noise.ipynb"), notebook(released / "source/noise/noise.ipynb")
    assert [(cell.id, cell.source) for cell in made.cells] == [(cell.id, cell.source) for cell in source.cells]
    assert made.metadata.netlens.language == "cs" and made.cells[0].source.startswith("# Co je to?")
    written = next(cell.source for cell in made.cells if cell.id == "classify")
    assert "The k likeliest categories" in written and 'raise NotImplementedError("classify: logits' in written
    for step in ("source", "release"):
        assert (released / step / "noise" / "what_is_it.png").read_bytes().startswith(b"\x89PNG"), step
    assert not [path for path in (released / "source").rglob("*") if "ada" in path.name]


def test_formgrader_knows_every_check_with_its_points(released):
    with gradebook(Course(released)) as book:
        assert book.course_id == "looking_inside"
        [recorded] = book.find_assignment("noise").notebooks
        assert {cell.name: cell.max_score for cell in recorded.grade_cells} == noise_class.POINTS
        solutions = {cell.name for cell in recorded.solution_cells}
    assert noise_class.MANUAL in solutions and not solutions & (noise_class.POINTS.keys() - {noise_class.MANUAL})


def test_templates_and_graders_of_all_exercises_agree(tmp_path):
    """What is recorded for each of netlens's exercises is what its grader declares."""
    shipped = Course(ROOT)
    with gradebook(reopened(sky.build(tmp_path))) as book:
        for slug in shipped.sheet.exercises:
            record_cells(book, slug, source_notebook(shipped, slug))
            [recorded] = book.find_assignment(slug).notebooks
            checks = shipped.plain_exercise(slug).checks
            assert {c.name: c.max_score for c in recorded.grade_cells} == {c.name: c.points for c in checks}, slug
            solutions = {cell.name for cell in recorded.solution_cells}
            assert {c.name for c in checks if c.name in solutions} == {c.name for c in checks if c.manual}, slug
    assert len(shipped.sheet.exercises) == 8


ANSWER, CHECKED = '"points": 2, "solution": true', '"points": 3, "solution": false'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"grade_id": "test_it"', '"grade_id": "test_else"', "check 'test_it' has no cell; give one nbgrader={"),
        ('"grade_id": "test_it"', '"grade_id": "test_else"', "'test_else' gives points, and the grader has no such"),
        ('"points": 3', '"points": 2', "cell 'test_it' gives 2 points, its check 3"),
        (
            '"locked": false, "points": 2, "solution": true',
            '"locked": true, "points": 2, "solution": false',
            "a person",
        ),
        (
            '"locked": true, "points": 3, "solution": false',
            '"locked": false, "points": 3, "solution": true',
            "the grader",
        ),
        ('"grade_id": "paint"', '"grade_id": "test_why"', "two cells are called 'test_why'"),
        ('"schema_version": 3', '"schema_version": 2', "cell 'paint' needs nbgrader's \"schema_version\": 3"),
        ('"points": 3, ', "", "nbgrader does not accept cell 'test_it'"),
    ],
)
def test_a_template_that_is_not_what_the_grader_checks_is_refused(course, old, new, told):
    changed = change_template(course, old, new)
    before = content(course.folder, ".")
    with pytest.raises(CourseError, match=re.escape(told)) as error:
        release(changed, [])
    assert "template.py and graders/test_sky.py do not agree" in str(error.value)
    assert content(course.folder, ".") == before


# -- released again --------------------------------------------------------------------------------------


def with_work(course: Course) -> None:
    """Ada's work in the gradebook, marked by a person."""
    with gradebook(course) as book:
        book.update_or_create_student("ada")
        book.update_or_create_submission("sky", "ada")
        book.find_grade("test_it", "sky", "sky", "ada").auto_score = 2.5
        book.find_grade("test_why", "sky", "sky", "ada").manual_score = 1.5
        book.find_comment("test_why", "sky", "sky", "ada").manual_comment = "well seen"
        book.db.commit()


def work(course: Course) -> tuple[dict[str, tuple[float | None, float | None]], dict[str, str | None]]:
    with gradebook(course) as book:
        [handed_in] = book.find_submission("sky", "ada").notebooks
        grades = {grade.name: (grade.auto_score, grade.manual_score) for grade in handed_in.grades}
        return grades, {comment.name: comment.manual_comment for comment in handed_in.comments}


def test_equal_templates_give_equal_bytes_and_nothing_in_the_gradebook_changes(course):
    release(course, ["ada"])
    with_work(course)
    before, tables = content(course.folder, "source", "release"), sky.tables(course.folder)
    release(course, [])
    assert content(course.folder, "source", "release") == before and sky.tables(course.folder) == tables


def test_what_a_teacher_has_set_and_laid_beside_stays(course):
    settings = "# mine\nc = get_config()\nc.CourseDirectory.course_id = 'mine'\n"
    (course.folder / "nbgrader_config.py").write_text(settings)
    release(course, [])
    beside = course.folder / "release" / "sky" / "read_me.txt"
    beside.write_text("mine")
    release(course, [])
    assert (course.folder / "nbgrader_config.py").read_text() == settings and beside.read_text() == "mine"
    with gradebook(course) as book:
        assert book.find_assignment("sky").course_id == "mine"


def test_new_cells_get_a_place_in_work_that_is_there(course):
    release(course, [])
    with_work(course)
    grader = course.folder / "graders" / "test_sky.py"
    grader.write_text(grader.read_text() + '\n@check(points=1)\ndef test_more(submission):\n    """More."""\n')
    cell = '# %% nbgrader={"grade": true, "grade_id": "test_more", "locked": true, "points": 1, "schema_version": 3, '
    more = change_template(course, "\n# %% [markdown]", f'\n{cell}"solution": false}}\nassert True\n\n# %% [markdown]')
    release(more, [])
    grades, comments = work(more)
    assert grades == {"test_it": (2.5, None), "test_why": (None, 1.5), "test_more": (None, None)}
    assert comments == {"paint": None, "test_why": "well seen"}
    made = notebook(course.folder / "release" / "sky" / "sky.ipynb")
    assert any(cell.id == "test_more" for cell in made.cells)


def test_a_cell_that_a_person_marked_is_not_lost(course):
    release(course, [])
    with_work(course)
    before, marks = content(course.folder, "source", "release"), work(course)
    for path in (course.template("sky"), course.folder / "graders" / "test_sky.py"):
        path.write_text(path.read_text().replace("test_why", "test_because"))
    sheet = course.folder / "assignments" / "sky" / "exercise.yaml"
    sheet.write_text(sheet.read_text().replace("{why: {", "{why: {check: test_because, "))
    with pytest.raises(CourseError, match="sky has no cell 'test_why' any more, and the gradebook holds marks"):
        release(reopened(course.folder), [])
    assert content(course.folder, "source", "release") == before and work(course) == marks


def test_a_cell_that_nobody_marked_goes_with_its_scores(course):
    release(course, [])
    with_work(course)
    release(change_template(course, '"grade_id": "paint"', '"grade_id": "draw"'), [])
    assert work(course)[1] == {"draw": None, "test_why": "well seen"}


def test_a_solution_that_a_teacher_marked_as_such_is_cleared(course):
    """Also in an assignment that is none of netlens's, where whole cells go, as nbgrader does it."""
    release(course, [])
    about = {"grade": False, "grade_id": "own", "locked": False, "schema_version": 3, "solution": True, "task": False}
    own = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": ""}}
    )
    own.cells = [nbformat.v4.new_code_cell("answer = 42", metadata={"nbgrader": about}, id="own")]
    marked = "    ### BEGIN SOLUTION\n    return 42\n    ### END SOLUTION"
    change_template(course, "    raise NotImplementedError", marked)
    (course.folder / "source" / "own").mkdir()
    nbformat.write(own, course.folder / "source" / "own" / "own.ipynb")
    noise_class.nbgrader(course.folder, "generate_assignment", "own")
    assert "42" not in (course.folder / "release" / "own" / "own.ipynb").read_text()
    release(reopened(course.folder), [])
    made = (course.folder / "release" / "sky" / "sky.ipynb").read_text()
    assert "YOUR CODE HERE" in made and "return 42" not in made and "def paint(image)" in made


# -- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "sheet", "expected"),
    [("cnn 2026/27".replace("/", "-"), "", "cnn_2026-27"), ("žů", "", "netlens"), ("a", "id: b-1\n", "b-1")],
)
def test_a_course_has_a_name_that_nbgrader_can_use(tmp_path, folder, sheet, expected):
    built = sky.build(tmp_path / folder)
    (built / "course.yaml").write_text(sheet + (built / "course.yaml").read_text())
    course = Course(built)
    assert course_id(course) == expected
    write_config(course)
    assert load_config(built).CourseDirectory.course_id == expected


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("c = get_config(\n", r"nbgrader_config\.py cannot be loaded: .*never closed"),
        ("import no_such_module", r"nbgrader_config\.py cannot be loaded: No module named 'no_such_module'"),
        ("c = get_config()\nc.CourseDirectory.db_url = 'no url'", "CourseDirectory: Could not parse"),
        ("c = get_config()\nc.CourseDirectory.db_url = 5", r"CourseDirectory: .*db_url"),
    ],
)
def test_settings_that_do_not_work_are_told(course, settings, told):
    (course.folder / "nbgrader_config.py").write_text(settings)
    with pytest.raises(CourseError, match=told):
        release(course, [])


def test_a_database_that_cannot_be_written_is_told_without_its_password(course):
    url = "postgresql+psycopg2://ann:pass4711@127.0.0.1:9/none"
    (course.folder / "nbgrader_config.py").write_text(f"c = get_config()\nc.CourseDirectory.db_url = {url!r}\n")
    with pytest.raises(DatabaseError) as error:
        release(course, [])
    assert "ann:***@127.0.0.1" in str(error.value) and "4711" not in str(error.value)
    assert not (course.folder / "release").exists()


def test_settings_are_read_without_nbgrader(course):
    """What only wants to know where the gradebook is need not wait for it."""
    write_config(course)
    code = (
        "import sys\nfrom pathlib import Path\nfrom netlens_core.grading.nbgrader.config import load_config\n"
        f"config = load_config(Path({str(course.folder)!r}))\n"
        "print(config.CourseDirectory.db_url, 'nbgrader' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout == f"sqlite:///{course.folder}/gradebook.db False False\n", done.stderr


def test_everybodys_own_pictures_stay_out_of_the_exchange(course):
    """nbgrader copies an assignment's folder but for what it ignores."""
    write_config(course)
    ignored = course_directory(course).ignore
    assert "students" in ignored and ".ipynb_checkpoints" in ignored


def test_facts_about_the_release_stay(course):
    release(course, [])
    facts = json.loads((course.folder / "release" / "release.json").read_text())
    assert facts["networks"] == {"a": "weights of a", "b": "weights of b"} and facts["seed"] == 7
