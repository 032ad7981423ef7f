"""Report pages: no word of them escapes translation."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from netlens_core.grading.grade import CellNote, Check, FigureNote, Grade, Measurement, Sight
from netlens_core.grading.report import GradedWork, render_class, render_student
from netlens_core.images import encode_png
from netlens_core.languages import (
    Catalog,
    known_languages,
    speaking,
)
from netlens_core.messages import Found, own_texts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def own() -> Found:
    """What netlens itself says."""
    return own_texts(ROOT)


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
