"""A course in Czech: the very same points, and what students read is Czech, from the release to their own check."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import pytest

from netlens_core.daisies import draw_daisy
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import (
    CourseError,
    Exercise,
    Networks,
    in_language,
    read_exercise,
)
from netlens_core.grading.pipeline import grade
from netlens_core.grading.release import release
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.session import Session
from netlens_core.grading.sandbox.unlocked import UnlockedChild
from netlens_core.grading.self_check import self_check
from netlens_core.grading.templates import template_notebook
from netlens_core.grading.trusted import Judges, judged
from netlens_core.grading.unrun import lost
from netlens_core.images import encode_png
from netlens_core.languages import (
    known_languages,
    speaking,
    spoken,
)
from tests.quick_python import quick_python

ROOT = Path(__file__).parents[2]
OTHERS = [language for language in known_languages() if language != "en"]
SLUGS = sorted({*Course.shipped().sheet.exercises, "noise", "adversarial", "activations", "analysis"})


@pytest.fixture(scope="module")
def english() -> Exercise:
    """`noise`, with daisies in the place of noise, which takes long to forge."""
    pictures = {"what_is_it": draw_daisy(1), "hidden_noise": draw_daisy(2), "hidden_daisy": draw_daisy(3, 320)}
    exercise = read_exercise("noise", ROOT / "assignments", ROOT / "graders")
    return dataclasses.replace(exercise, materials={name: encode_png(d.image) for name, d in pictures.items()})


@pytest.fixture(scope="module")
def czech(english) -> Exercise:
    return in_language(english, Course.shipped().in_language("cs").catalog("noise"))


@pytest.fixture(scope="module")
def judges() -> Judges:
    """Networks that judge, loaded once."""
    return Judges.load("efficientnet_lite0", ["efficientnet_lite1"])


def percent(network, image, k=5):
    return [(category, 100 * probability) for category, probability in network.classify(image, k)]


def nearly(network, image, k=5):
    return [(category, probability + 0.01) for category, probability in network.classify(image, k)]


SOLUTIONS = {
    "right": {"classify": lambda network, image, k=5: network.classify(image, k), "answers": {"resembles": "Ne."}},
    "percent": {"classify": percent, "answers": {"resembles": ""}},
    "nearly": {"classify": nearly, "answers": 7},
    "none": {"classify": lambda network, image, k=5: None},
    "missing": {},
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_grades_in_czech_have_the_very_same_points(english, czech, judges, name):
    (one, _), (two, record) = (judged(exercise, SOLUTIONS[name], judges, seed=1) for exercise in (english, czech))
    assert {n: (c.points, c.status) for n, c in one.items()} == {n: (c.points, c.status) for n, c in two.items()}
    assert czech.catalog.language == czech.language == "cs"
    for check, other in zip(one.values(), two.values(), strict=True):
        assert not check.fault and not other.fault
        assert check.description != other.description
        assert [m.value for m in check.measurements] == [m.value for m in other.measurements]
        assert all(m.name != o.name for m, o in zip(check.measurements, other.measurements, strict=True))
        assert not check.message or check.message.splitlines()[0] != other.message.splitlines()[0]
    assert [note.caption for note in record.notes.values()] == ["what_is_it.png"]


def test_what_students_read_is_czech(czech, judges):
    checks, _ = judged(czech, SOLUTIONS["nearly"] | {"answers": {}}, judges, seed=1)
    names = [m.name for m in checks["test_other_images"].measurements]
    assert names[:2] == ["jiný šum: nejpravděpodobnější kategorie", "jiný šum: počet kategorií na svém místě"]
    assert checks["test_resembles"].message == 'answers["resembles"] je prázdné: napište tam svou odpověď'
    checks, _ = judged(czech, SOLUTIONS["none"], judges, seed=1)
    assert checks["test_what_is_it"].message.startswith("`classify` vrací None (nechybí `return`?); očekává se seznam")


def test_who_marks_reads_question_and_rubric_in_czech(english, czech):
    asked, other = czech.answer_of("test_resembles"), english.answer_of("test_resembles")
    assert asked.question.startswith("Podobá se what_is_it.png kategorii")
    assert [item.points for item in asked.rubric] == [item.points for item in other.rubric] == [0.5, 0.75, 0.75]
    assert not set(asked.texts) & set(other.texts)


def test_the_language_is_part_of_what_determines_a_grade(english, czech):
    assert english.sha256 != czech.sha256
    again = in_language(english, Course.shipped().in_language("cs").catalog("noise"))
    assert again.sha256 == czech.sha256
    other = dataclasses.replace(czech.catalog, messages={**czech.catalog.messages, "a daisy": ("kopretina",)})
    assert in_language(english, other).sha256 != czech.sha256


def test_refusals_and_faults_are_czech(czech):
    networks = Networks("efficientnet_lite0", ("efficientnet_lite1",), {})
    refused = grade(b"{", czech, networks, seed=1, name="noise.ipynb")
    assert refused.status == "refused" and refused.title == "Co je to?"
    assert refused.message.startswith("noise.ipynb není platný notebook (řádek 1")
    assert all(check.message == refused.message for check in refused.checks)
    assert "o nic nepřijdete" in lost("killed", "0" * 64, czech, networks, 1, "full").message
    assert spoken() == "en"


def test_what_is_said_inside_the_sandbox_is_czech():
    limits = Limits(start_seconds=60, call_seconds=30, total_seconds=90)
    cells = [
        "!ls",
        "def complex_number(): return 1j\ndef a_set(): return {1}\ndef fails(): 1/0",
        "def ends(): import os; os._exit(3)",
    ]
    with speaking("cs"), Session(lambda: UnlockedChild(limits), cells, {}, limits, seed=0) as session:
        said = {name: session.call(name, []).message for name in ("complex_number", "a_set", "fails", "absent", "ends")}
    assert "příkazy shellu se zde nespouštějí: ls" in str(session.cells[0].outputs)
    assert (
        said["complex_number"] == "`complex_number` vrací nepřípustnou hodnotu: komplexní číslo; vracejte reálná čísla."
    )
    assert "objekt typu set; vracejte tenzory" in said["a_set"]
    assert said["fails"].startswith("`fails` končí výjimkou ZeroDivisionError")
    assert said["absent"] == "`absent` chybí: definujte v notebooku na nejvyšší úrovni."
    assert said["ends"] == "`ends`: proces byl ukončen zevnitř."


def test_releasing_in_czech_gives_czech_notebooks(tmp_path):
    sheet = (ROOT / "course.yaml").read_text()
    (tmp_path / "course.yaml").write_text(re.sub(r"exercises: .*", "exercises: [activations]", sheet))
    course = Course(tmp_path)
    release(course.in_language("cs"), [])
    notebook = json.loads((tmp_path / "release" / "activations" / "activations.ipynb").read_text())
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert "Kontrola: vaše květina" in text and "Check: your flower" not in text
    assert notebook["metadata"]["netlens"] == {"language": "cs"}
    release(course, [])
    notebook = json.loads((tmp_path / "release" / "activations" / "activations.ipynb").read_text())
    assert notebook["metadata"]["netlens"] == {"language": "en"}


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("slug", SLUGS)
def test_each_template_becomes_a_notebook_with_the_same_code(slug, language):
    template = ROOT / "assignments" / slug / "template.py"
    english, other = (json.loads(template_notebook(template, name))["cells"] for name in ("en", language))
    assert [cell["cell_type"] for cell in english] == [cell["cell_type"] for cell in other]
    code = [[cell["source"] for cell in cells if cell["cell_type"] == "code"] for cells in (english, other)]
    assert code[0] == code[1]


@pytest.fixture
def beside(tmp_path) -> Path:
    """A Czech notebook with a right solution, and its picture."""
    (tmp_path / "what_is_it.png").write_bytes(encode_png(draw_daisy(1).image))
    notebook = json.loads(template_notebook(ROOT / "assignments" / "noise" / "template.py", "cs"))
    for cell in notebook["cells"]:
        if cell["id"] == "classify":
            cell["source"] = "def classify(network, image, k=5):\n    return network.classify(image, 5)\n"
    (tmp_path / "noise.ipynb").write_text(json.dumps(notebook))
    return tmp_path


@pytest.mark.slow
def test_netlens_check_speaks_the_notebooks_language(beside):
    command = [*quick_python(), "-m", "netlens_core.cli", "check", str(beside / "noise.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    assert "Co je to?: vlastní kontrola" in done.stdout and "v pořádku" in done.stdout
    assert "tolik, kolik se žádá" in done.stdout and "Obrázky a notebook po spuštění" in done.stdout
    (beside / "what_is_it.png").unlink()
    done = subprocess.run([*command, "--language", "en"], capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 2 and "what_is_it.png is missing beside the notebook" in done.stderr


@pytest.mark.parametrize(
    "metadata", [{}, {"netlens": 7}, {"netlens": {"language": "de"}}, {"netlens": {"language": [1]}}]
)
def test_a_notebook_that_names_no_language_of_ours_gets_the_courses(beside, metadata):
    (beside / "what_is_it.png").unlink()
    (beside / "noise.ipynb").write_text(json.dumps({"cells": [], "metadata": metadata}))
    with pytest.raises(CourseError, match=r"what_is_it\.png is missing beside the notebook"):
        self_check(Course.shipped(), beside / "noise.ipynb")
    with pytest.raises(CourseError, match=r"what_is_it\.png chybí vedle notebooku"):
        self_check(Course.shipped().in_language("cs"), beside / "noise.ipynb")
