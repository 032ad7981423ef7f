"""Nothing is left untranslated: what netlens, its exercises and their templates say is found, and has a translation."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from netlens_core.grading.course import Course
from netlens_core.grading.templates import languages
from netlens_core.languages import (
    LOCALE,
    known_languages,
    read_catalog,
)
from netlens_core.messages import Found, Text, exercise_texts, own_texts, problems, template_faults, update

ROOT = Path(__file__).parents[2]
OTHERS = [language for language in known_languages() if language != "en"]
SLUGS = sorted({*Course.shipped().sheet.exercises, "noise", "adversarial", "activations", "analysis"})


@pytest.fixture(scope="module")
def own() -> Found:
    """What netlens itself says."""
    return own_texts(ROOT)


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
