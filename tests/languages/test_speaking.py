"""Texts are said in the language spoken, and catalogs that are broken or missing are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netlens_core.grading.course import Course, cache_folder
from netlens_core.grading.exercise import (
    CheckSpec,
    CourseError,
    Exercise,
    ExerciseSheet,
    in_language,
)
from netlens_core.languages import (
    Catalog,
    LanguageError,
    ngettext,
    own_catalog,
    read_catalog,
    speaking,
    spoken,
    translate,
)

ROOT = Path(__file__).parents[2]


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
    with pytest.raises(CourseError, match=r"course\.yaml: line 3: language: .*does not speak 'de'; it speaks cs, en$"):
        Course(tmp_path)
    command = [sys.executable, "-m", "netlens_core.cli", "release", str(ROOT), "--language", "d\x1be"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    [told] = [line for line in done.stderr.splitlines() if line.startswith("netlens: ")]  # progress may come before
    assert done.returncode == 2 and done.stderr.endswith(f"{told}\n")
    assert "it speaks cs, en" in told and "\x1b" not in done.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'msgid "a"\nmsgstr nothing\n', b'msgid "a\n'])
def test_a_broken_catalog_is_told(tmp_path, content):
    (tmp_path / "cs.po").write_bytes(content)
    with pytest.raises(LanguageError, match=r"cs\.po"):
        read_catalog(tmp_path / "cs.po", "cs")


def test_english_needs_no_catalog_at_all():
    lines = "import sys\nfrom netlens_core.grading.course import Course\nCourse.shipped().catalog('noise')\n"
    subprocess.run([sys.executable, "-c", lines + "assert 'babel' not in sys.modules"], check=True, timeout=600)


def test_a_course_without_a_catalog_for_an_exercise_falls_back_to_english(tmp_path):
    sheet = ExerciseSheet.model_validate({"title": "Only English", "functions": {}})
    exercise = Exercise("demo", sheet, (CheckSpec("test_it", "It works.", 1.0, False),), {})
    spoken_in_czech = in_language(exercise, own_catalog("cs"))
    assert (spoken_in_czech.sheet.title, spoken_in_czech.checks[0].description) == ("Only English", "It works.")
    assert cache_folder()  # untouched: nothing of this is remembered
