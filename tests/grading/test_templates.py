"""Templates become notebooks in one language, and references are templates filled in."""

from __future__ import annotations

import json
import re

import pytest

from netlens_core.grading.course import Course, shipped_course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.release import release
from netlens_core.grading.self_check import self_check
from netlens_core.grading.templates import languages, solved_notebook, template_notebook

TEMPLATE = """\
# %% [markdown] lang="en"
# Write `f`.

# %% [markdown] lang="cs"
# Napište `f`.

# %%
import math

# %% nbgrader={"grade": false, "grade_id": "f", "locked": false, "schema_version": 3, "solution": true, "task": false}
def f():
    raise NotImplementedError

# %% nbgrader={"grade": true, "grade_id": "test_f", "locked": true, "solution": false}
assert f() == 1
"""


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "template.py"
    path.write_text(TEMPLATE)
    return path


def sources(notebook):
    return [cell["source"] for cell in json.loads(notebook)["cells"]]


def joined(notebook):
    return ["".join(source) for source in sources(notebook)]


def test_text_in_one_language_code_in_all(template):
    assert languages(template) == {"en", "cs"}
    english, czech = joined(template_notebook(template)), joined(template_notebook(template, "cs"))
    assert english[0] == "Write `f`." and czech[0] == "Napište `f`."
    assert english[1:] == czech[1:] and len(english) == 4
    assert '"lang":' not in template_notebook(template, "cs").decode()


def test_a_language_that_is_not_there_is_told(template):
    with pytest.raises(CourseError, match="not written in 'de': it has cs, en"):
        template_notebook(template, "de")


def test_a_solution_fills_what_is_left_to_the_student(template, tmp_path):
    solution = tmp_path / "reference.py"
    solution.write_text('# %%\nimport math\n\n# %% nbgrader={"grade_id": "f"}\ndef f():\n    return 1\n')
    assert joined(solved_notebook(template, solution))[2] == "def f():\n    return 1"
    solution.write_text('# %% nbgrader={"grade_id": "test_f"}\nassert True\n')
    with pytest.raises(CourseError, match="no solution cell 'test_f'"):
        solved_notebook(template, solution)


def test_a_template_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(CourseError, match=r"template\.py cannot be read"):
        template_notebook(tmp_path / "template.py")
    (tmp_path / "template.py").write_bytes(b"\xff\xfe")
    with pytest.raises(CourseError, match="not UTF-8"):
        template_notebook(tmp_path / "template.py")


def test_a_course_about_another_network_hands_out_and_checks_notebooks_that_load_it(tmp_path):
    sheet = (shipped_course() / "course.yaml").read_text()
    sheet = re.sub("exercises: .*", "exercises: [activations]", sheet)
    (tmp_path / "course.yaml").write_text(sheet.replace("target: efficientnet_lite0", "target: efficientnet_lite2"))
    course = Course(tmp_path)
    release(course, [])
    notebook = tmp_path / "release" / "activations" / "activations.ipynb"
    assert 'load_network(\\"efficientnet_lite2\\")' in notebook.read_text()
    assert "efficientnet_lite0" not in notebook.read_text()

    emptied = tmp_path / "release" / "activations" / "mine.py"
    emptied.write_text("print('all locked cells were deleted')")
    ran = json.loads(self_check(course, emptied, "activations").notebook)
    assert any('load_network("efficientnet_lite2")' in "".join(cell["source"]) for cell in ran["cells"])
