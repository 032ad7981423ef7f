"""English and Czech: nothing is left untranslated, a course is graded the same in both, and mistakes are told."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.grading.course import Course, cache_folder
from netlens_core.grading.exercise import (
    CheckSpec,
    CourseError,
    Exercise,
    ExerciseSheet,
    Networks,
    in_language,
    read_exercise,
)
from netlens_core.grading.grade import CellNote, Check, FigureNote, Grade, Measurement, Sight
from netlens_core.grading.pipeline import grade
from netlens_core.grading.release import release
from netlens_core.grading.report import GradedWork, render_class, render_student
from netlens_core.grading.sandbox.limits import Limits
from netlens_core.grading.sandbox.session import Session
from netlens_core.grading.sandbox.unlocked import UnlockedChild
from netlens_core.grading.self_check import self_check
from netlens_core.grading.templates import languages, template_notebook
from netlens_core.grading.trusted import Judges, judged
from netlens_core.grading.unrun import lost
from netlens_core.images import encode_png
from netlens_core.languages import (
    LOCALE,
    Catalog,
    LanguageError,
    known_languages,
    ngettext,
    own_catalog,
    read_catalog,
    speaking,
    spoken,
    translate,
)
from netlens_core.messages import Found, Text, exercise_texts, own_texts, problems, template_faults, update

ROOT = Path(__file__).parents[1]
OTHERS = [language for language in known_languages() if language != "en"]
SLUGS = sorted({*Course.shipped().sheet.exercises, "noise", "adversarial", "activations", "analysis"})


@pytest.fixture(scope="module")
def own() -> Found:
    """What netlens itself says."""
    return own_texts(ROOT)


# -- nothing is left untranslated ------------------------------------------------------------------------


@pytest.mark.parametrize("language", OTHERS)
def test_all_that_netlens_says_is_translated(own, language):
    assert problems(LOCALE / f"{language}.po", language, own) == []


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("slug", SLUGS)
def test_all_that_an_exercise_says_is_translated(own, slug, language):
    catalog = ROOT / "assignments" / slug / f"{language}.po"
    assert problems(catalog, language, exercise_texts(slug, ROOT), own.texts) == []


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("slug", SLUGS)
def test_templates_say_the_same_in_every_language(slug, language):
    template = ROOT / "assignments" / slug / "template.py"
    assert template_faults(template, language) == []
    assert languages(template) >= {"en", language}


def test_every_literal_that_is_translated_is_found(own):
    """Babel passes over what stands in an f-string, and an f-string cannot be translated at all."""
    for path in [*(ROOT / "netlens_core").rglob("*.py"), *(ROOT / "netlens").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("translate", "ngettext", "N_", "NN_"):
                first = node.args[0]
                assert not isinstance(first, ast.JoinedStr), f"{path}, line {node.lineno}"
                if isinstance(first, ast.Constant):
                    assert first.value in own.texts, f"{path}, line {node.lineno}"


GRADER = '''
from netlens_core.grading.marking import check

AREAS = (("left", 1), ("right", 2))

@check(points=1)
def test_it(submission, expect, figure):
    """It  works
    well."""
    for of, wanted in AREAS:
        expect("a number", submission.paint(), of=of, equal_to=wanted)
    for of in ("above", "below"):
        expect.note("another", 1.0, of=of)
    for value, name in zip((1, 2), ("first", "second")):
        figure(name if value else "none", value)
'''


@pytest.fixture
def course_files(tmp_path) -> Path:
    """A folder with one exercise, `demo`."""
    (tmp_path / "assignments" / "demo").mkdir(parents=True)
    sheet = "title: A demo\nfunctions:\n  paint: {arguments: {}, returns: image}\n"
    (tmp_path / "assignments" / "demo" / "exercise.yaml").write_text(sheet)
    (tmp_path / "graders").mkdir()
    (tmp_path / "graders" / "conftest.py").write_text("")
    (tmp_path / "graders" / "test_demo.py").write_text(GRADER)
    return tmp_path


def test_what_graders_say_is_found_through_loops_over_literals(course_files):
    found = exercise_texts("demo", course_files)
    said = {
        "A demo",
        "It works well.",
        "a number",
        "left",
        "right",
        "above",
        "below",
        "another",
        "first",
        "second",
        "none",
    }
    assert set(found.texts) == said and found.faults == []


@pytest.mark.parametrize(
    "line",
    [
        'expect(f"number {1}", 1, equal_to=1)',
        'figure("a" + "b", None)',
        'expect("x", 1, of=str(3), equal_to=1)',
        "for caption in submission.names(): figure(caption, None)",
    ],
)
def test_names_that_nobody_can_translate_are_faults(course_files, line):
    path = course_files / "graders" / "test_demo.py"
    path.write_text(
        GRADER + f"\n@check(points=1)\ndef test_more(submission, expect, figure):\n    '''More.'''\n    {line}\n"
    )
    assert any("is not written out" in fault for fault in exercise_texts("demo", course_files).faults)


PO = 'msgid ""\nmsgstr ""\n"Language: cs\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("", "no translation of '{count} flower'"),
        ('msgid "{name} sees {what}"\nmsgstr ""\n', "no translation of '{name} sees {what}'"),
        ('#, fuzzy\nmsgid "{name} sees {what}"\nmsgstr "{name}: {what}"\n', "no translation of '{name} sees {what}'"),
        ('msgid "{name} sees {what}"\nmsgstr "{name} vidí {co}"\n', "other {names} in the translation of '{name} sees"),
        ('msgid "gone"\nmsgstr "pryč"\n', "nothing says 'gone' any more"),
        ('msgid "{count} flower"\nmsgstr "{count} květina"\n', "has 1 forms, not 3"),
    ],
)
def test_each_way_to_leave_a_text_untranslated_is_told(tmp_path, entry, said):
    catalog = tmp_path / "cs.po"
    catalog.write_text(PO + entry)
    found = Found({t.one: t for t in (Text("{name} sees {what}"), Text("{count} flower", "{count} flowers"))})
    told = problems(catalog, "cs", found)
    assert any(said in problem and str(catalog) in problem for problem in told), told


def test_updating_keeps_translations_and_drops_what_nobody_says(tmp_path):
    catalog = tmp_path / "cs.po"
    catalog.write_text(PO + '# a remark\nmsgid "a flower"\nmsgstr "květina"\n\nmsgid "gone"\nmsgstr "pryč"\n')
    found = Found({t.one: t for t in (Text("a flower"), Text("{count} flower", "{count} flowers"))})
    update(catalog, "cs", found)
    text = catalog.read_text()
    assert "# a remark" in text and "květina" in text and "gone" not in text and "msgstr[2]" in text
    assert read_catalog(catalog, "cs").messages == {"a flower": ("květina",)}
    update(catalog, "cs", found)
    assert catalog.read_text() == text


# -- speaking --------------------------------------------------------------------------------------------

CZECH = Catalog("cs", "(n==1) ? 0 : (n>=2 && n<=4) ? 1 : 2", {
    "{name} is empty.": ("{name}: prázdný soubor.",),
    "{count} flower": ("{count} květina", "{count} květiny", "{count} květin"),
})  # fmt: skip


def test_texts_are_said_in_the_language_spoken_and_english_where_there_is_no_translation():
    assert (spoken(), translate("{name} is empty.", name="{x}")) == ("en", "{x} is empty.")
    with speaking(CZECH):
        assert (spoken(), translate("{name} is empty.", name="{x}")) == ("cs", "{x}: prázdný soubor.")
        assert translate("unknown {here}") == "unknown {here}"
        with speaking("en"):
            assert translate("{name} is empty.", name="a") == "a is empty."
    assert spoken() == "en"


def test_forms_follow_the_count():
    counts = (0, 1, 2, 4, 5, 22)
    assert [ngettext("{count} flower", "{count} flowers", n) for n in counts[:3]] == [
        "0 flowers",
        "1 flower",
        "2 flowers",
    ]
    with speaking(CZECH):
        said = [ngettext("{count} flower", "{count} flowers", n) for n in counts]
        assert ngettext("{count} bee", "{count} bees", 2) == "2 bees"
    assert said == ["0 květin", "1 květina", "2 květiny", "4 květiny", "5 květin", "22 květin"]


def test_a_language_that_netlens_does_not_speak_is_told_in_one_line(tmp_path):
    with pytest.raises(LanguageError, match=r"does not speak 'de'; it speaks cs, en$"):
        Course.shipped().in_language("de")
    (tmp_path / "course.yaml").write_text((ROOT / "course.yaml").read_text().replace("language: en", "language: de"))
    with pytest.raises(CourseError, match=r"course\.yaml: language: .*does not speak 'de'; it speaks cs, en$"):
        Course(tmp_path)
    command = [sys.executable, "-m", "netlens_core.cli", "release", str(ROOT), "--language", "d\x1be"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "it speaks cs, en" in done.stderr and "\x1b" not in done.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'msgid "a"\nmsgstr nothing\n', b'msgid "a\n'])
def test_a_broken_catalog_is_told(tmp_path, content):
    (tmp_path / "cs.po").write_bytes(content)
    with pytest.raises(LanguageError, match=r"cs\.po"):
        read_catalog(tmp_path / "cs.po", "cs")


def test_english_needs_no_catalog_at_all():
    lines = "import sys\nfrom netlens_core.grading.course import Course\nCourse.shipped().catalog('noise')\n"
    subprocess.run([sys.executable, "-c", lines + "assert 'babel' not in sys.modules"], check=True, timeout=120)


# -- a course in Czech -----------------------------------------------------------------------------------


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


# -- release and a student's own check -------------------------------------------------------------------


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
    command = [sys.executable, "-m", "netlens_core.cli", "check", str(beside / "noise.ipynb")]
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


# -- reports ---------------------------------------------------------------------------------------------


class Words(HTMLParser):
    """What a reader sees of a page, its attributes for readers included."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.language, self._silent = "", False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self._silent = tag == "style"
        found = dict(attrs)
        self.language = self.language or found.get("lang") or ""
        self.words += [found[name] for name in ("title", "alt", "aria-label") if found.get(name)]

    def handle_endtag(self, tag):
        self._silent = False

    def handle_data(self, data):
        if not self._silent:
            self.words.append(data)


def works() -> list[GradedWork]:
    """Grades in which everything happens that a page tells of; all of their own words are paragraph signs."""
    measured = [
        Measurement(name="§", value=0.5, at_least=0.25, partial_from=0.125, passed=True, credit=1.0),
        Measurement(name="§", value=0.5, at_most=0.25, partial_from=0.75, passed=False, credit=0.5),
        Measurement(name="§", value="§", equal_to="%", passed=False, credit=0.0),
        Measurement(name="§", value=2.0, equal_to=3.0, passed=False, credit=0.0),
        Measurement(name="§", value=2.0, passed=True, credit=1.0),
    ]
    statuses = ("passed", "partial", "failed", "skipped", "needs_manual_grade")
    checks = [
        Check(
            name=f"§{place}",
            description="§",
            points=1,
            max_points=2,
            status=status,
            message="§",
            fault="§" if place == 4 else "",
            answer="§" if place == 4 else "",
            measurements=measured,
            figures=["§.png", "lost"],
        )
        for place, status in enumerate([*statuses, "needs_manual_grade"])
    ]
    sight = Sight(network="§", categories=[("§", 0.5), ("%", 0.0001)])
    shown = encode_png(torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0)))
    made = []
    for student, status in (
        ("§1", "graded"),
        ("§2", "refused"),
        ("§3", "crashed"),
        ("§4", "timed_out"),
        ("§5", "out_of_memory"),
    ):
        graded = Grade(
            exercise="§",
            title="§",
            points=5.5,
            max_points=12,
            status=status,
            message="§§",
            checks=checks,
            notes=["§"],
            cell_errors=[CellNote(number=1, error="§")],
            figure_notes={"§.png": FigureNote(caption="", seen_by=[sight])},
            submission_sha256="0",
            exercise_sha256="1",
            networks={"§": "2"},
            netlens_version="0",
            sandbox="§",
            seed=1,
        )
        made.append(GradedWork(student, graded, lambda name: {"§.png": shown}[name]))
    return made


def pages() -> dict[str, str]:
    graded = works()
    return {
        "student": render_student("§1", graded[:1], "§", {"%": 3.0}),
        "nothing": render_student("§1", [], "§"),
        "class": render_class(graded, "§", {"§": 12.0, "%": 3.0}),
        "quiet class": render_class(
            [GradedWork("§", works()[0].grade.model_copy(update={"checks": []}), {}.__getitem__)], "§", {"§": 12.0}
        ),
    }


def test_no_word_of_a_report_page_escapes_translation(own):
    """With every known text in brackets, no letter stands outside of them."""
    masked = {
        text.one: tuple(f"⟦{re.sub('[^{}⟦⟧ ]+(?![^{]*})', '·', form)}⟧" for form in (text.one, text.many or text.one))
        if text.many
        else (re.sub(r"[A-Za-z]+(?![^{]*})", "·", text.one),)
        for text in own.texts.values()
    }
    with speaking(Catalog("xx", "n != 1", masked)):
        for name, page in pages().items():
            left = re.findall(r"[A-Za-z]{2,}", " ".join(Words(page).words))
            # What is the same everywhere: addresses of networks, units of hashes, the product's name.
            assert set(left) <= {"netlens"}, (name, left)


def test_report_pages_are_czech():
    with speaking("cs"):
        student, _, group, _ = pages().values()
    shown = Words(student)
    text = " ".join(shown.words)
    assert shown.language == "cs" and Words(group).language == "cs"
    assert "Splněno zčásti" in text and "alespoň 0,25" in text and "část bodů nad 0,125" in text and "5,5" in text
    assert "6 kontrol: 1 splněna" in re.sub(r"\s+", " ", text)
    assert "Pro vyučující" in " ".join(Words(group).words)
    english, *_ = pages().values()
    assert Words(english).language == "en" and "at least 0.25" in " ".join(Words(english).words)


def test_values_on_pages_are_escaped_in_every_language():
    hostile = "<script>{x}\u202e</script>"
    graded = works()[0].grade.model_copy(update={"title": hostile, "sandbox": hostile})
    for language in known_languages():
        with speaking(language):
            page = render_class([GradedWork(hostile, graded, {}.__getitem__)], hostile, {"§": 1.0, hostile: 1.0})
            page += render_student(hostile, [GradedWork(hostile, graded, {}.__getitem__)], hostile, {hostile: 1})
        assert "<script>" not in page and "\u202e" not in page and "{x}" in page


def test_a_course_without_a_catalog_for_an_exercise_falls_back_to_english(tmp_path):
    sheet = ExerciseSheet.model_validate({"title": "Only English", "functions": {}})
    exercise = Exercise("demo", sheet, (CheckSpec("test_it", "It works.", 1.0, False),), {})
    spoken_in_czech = in_language(exercise, own_catalog("cs"))
    assert (spoken_in_czech.sheet.title, spoken_in_czech.checks[0].description) == ("Only English", "It works.")
    assert cache_folder()  # untouched: nothing of this is remembered
