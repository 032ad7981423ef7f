"""The notebooks of `autograded/`: cells as handed out, netlens's panel in each check's cell, nothing alive in them."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum

from netlens_core.grading.nbgrader.autograded import autograded_notebook
from netlens_core.grading.nbgrader.handed_out import HandedOut
from netlens_core.grading.nbgrader.panel import in_markdown
from netlens_core.grading.plain_text import plain
from tests.nbgrader.noise_class import nbgrader
from tests.nbgrader.sky import HOSTILE, PNG, build, executed, hand_in, opened, write
from tests.nbgrader.test_book import comment, empty_database, enter  # noqa: F401


@pytest.fixture
def folder(tmp_path, empty_database) -> Path:  # noqa: F811
    folder = build(tmp_path / "course")
    (folder / "gradebook.db").write_bytes(empty_database)
    hand_in(folder, "ada", "Rayleigh.", 1.5)
    hand_in(folder, "emil", ends="refused")
    (folder / "submitted" / "ada" / "sky" / "timestamp.txt").write_text("2030-01-01 00:00:00 UTC\n")
    (folder / "submitted" / "ada" / "sky" / "page.html").write_text("<script>alert(7)</script>")
    return folder


def notebook(folder: Path, student: str = "ada"):
    found = nbformat.read(folder / "autograded" / student / "sky" / "sky.ipynb", as_version=4)
    nbformat.validate(found)
    return found


def named(found) -> dict[str, nbformat.NotebookNode]:
    return {cell.metadata.nbgrader.grade_id: cell for cell in found.cells if "nbgrader" in cell.metadata}


def test_cells_stand_as_handed_out_with_the_students_own_between_them(folder):
    assert write(folder) == []
    found = notebook(folder)
    cells = named(found)
    assert list(cells) == ["paint", "test_it", "test_why"]
    assert cells["test_it"].source == 'assert paint(1) == 1, "as handed out"'
    assert cells["paint"].source == "def paint(image): return image"
    assert cells["test_why"].source == "answers = {'why': 'Rayleigh.'}"
    assert cells["test_it"].metadata.nbgrader.points == 3 and not cells["test_it"].metadata.editable
    assert cells["test_it"].metadata.nbgrader.checksum == compute_checksum(cells["test_it"])
    MetadataValidator().validate_nb(found)
    assert "print('mine')" in [cell.source for cell in found.cells]
    assert found.cells[0].source == "# The sky\n<b>Handed out</b>"
    assert (folder / "autograded" / "ada" / "sky" / "timestamp.txt").read_text() == "2030-01-01 00:00:00 UTC"
    assert not (folder / "autograded" / "ada" / "sky" / "page.html").exists()


def test_a_checks_cell_shows_points_measurements_and_pictures(folder):
    write(folder)
    outputs = named(notebook(folder))["test_it"].outputs
    panel = outputs[0].data["text/html"]
    for text in ("1.5 of 3 points", "Partly there", "It works.", "likeness", "0.5", "at least 1"):
        assert text in panel and text in outputs[0].data["text/plain"] + panel
    assert "a picture &lt;b&gt;" in outputs[1].data["text/html"]
    assert base64.b64decode(outputs[2].data["image/png"]) == PNG
    assert "Rayleigh." in named(notebook(folder))["test_why"].outputs[0].data["text/html"]


def test_nothing_of_a_student_is_alive_in_it(folder):
    write(folder)
    for cell in notebook(folder).cells:
        for output in cell.get("outputs", []):
            kinds = set(output.get("data", {}))
            assert kinds <= {"text/plain", "image/png", "text/html"} and not output.get("metadata")
            alive = Alive(output.get("data", {}).get("text/html", ""))
            assert alive.tags <= {"div", "p", "strong", "table", "tbody", "tr", "td", "em", "br", "blockquote"}
            assert alive.attributes <= {"style"}
        if cell.cell_type == "markdown" and "Handed out" not in cell.source:
            assert "<" not in cell.source
    for text in (
        HOSTILE,
        "_x_ __init__ a_b",
        "1. # - + ~~~ ![x](y)",
        "&lt;script&gt;",
        "\\(x\\) \\[y\\] $$z$$ ~~a~~ |b|",
    ):
        shown = Alive(markdown2html_mistune(f"- It says: {in_markdown(text)}"))
        assert shown.text.strip() == f"It says: {plain(text)}" and shown.tags <= {"ul", "li", "p"}


def test_what_is_missing_is_put_back_and_what_is_double_counts_once(folder):
    handed_out, grade = _ada(folder)
    content = json.loads(executed("Rayleigh."))
    [check] = [cell for cell in content["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == "test_it"]
    content["cells"].append(dict(check))
    found = named(_made(content, grade, handed_out))
    assert list(found) == ["paint", "test_it", "test_why"]
    content["cells"] = [cell for cell in content["cells"] if cell["source"] != check["source"]]
    found = named(_made(content, grade, handed_out))
    assert list(found) == ["paint", "test_it", "test_why"]  # after the cell that it followed
    assert len(found["test_it"].outputs) == 3
    content["cells"] = [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": 1}]
    assert list(named(_made(content, grade, handed_out))) == ["test_it", "test_why"]
    for damaged in (b"{", b"[]", b'{"cells": 3}'):
        assert list(named(_read(autograded_notebook(damaged, grade, handed_out, lambda _: PNG)))) == list(found)


def _ada(folder: Path):
    book = opened(folder)
    [grade] = [grade for entry, grade in book.graded() if entry.student == "ada"]
    return HandedOut(book.course, book.exercises["sky"]), grade


def _made(content, grade, handed_out):
    return _read(autograded_notebook(json.dumps(content).encode(), grade, handed_out, lambda _: PNG))


def _read(data: bytes):
    return nbformat.reads(data.decode(), as_version=4)


def test_a_file_that_was_refused_is_told_in_a_notebook_as_handed_out(folder):
    write(folder)
    found = notebook(folder, "emil")
    assert "Refused" in found.cells[0].source and "<" not in found.cells[0].source
    assert list(named(found)) == ["paint", "test_it", "test_why"]
    assert "0 of 3 points" in named(found)["test_it"].outputs[0].data["text/html"]


def test_equal_grades_give_equal_bytes_and_only_what_changed_is_written(folder):
    write(folder)
    path, other = (folder / "autograded" / name / "sky" / "sky.ipynb" for name in ("ada", "emil"))
    before, stamps = path.read_bytes(), (path.stat().st_mtime_ns, other.stat().st_mtime_ns)
    (folder / ".netlens" / "gradebook.json").unlink()
    write(folder)
    assert path.read_bytes() == before and (path.stat().st_mtime_ns, other.stat().st_mtime_ns) == stamps
    hand_in(folder, "ada", "Another one.", 1.5)
    write(folder)
    assert path.read_bytes() != before and other.stat().st_mtime_ns == stamps[1]
    path.unlink()
    write(folder)
    assert path.exists()


class Alive(HTMLParser):
    """Tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.pictures: list[str] = []
        self.scripts = self.text = ""
        self._in: str = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._in = tag
        self.pictures += [value for name, value in attrs if tag == "img" and name == "src"]

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in in ("script", "style"):
            self.scripts += data
        else:
            self.text += data


@pytest.mark.slow
def test_nbgraders_feedback_has_scores_pictures_and_comments_and_no_hidden_source(folder):
    write(folder)
    enter(folder, "ada", "test_why", 1.25)
    comment(folder, "ada", "test_why", "Good, but *why*?")
    write(folder)
    nbgrader(folder, "generate_feedback", "sky")
    page = (folder / "feedback" / "ada" / "sky" / "sky.html").read_text()
    read = Alive(page)
    for text in (
        "(Score: 2.75 / 5.0)",
        "(Score: 1.5 / 3.0)",
        "(Score: 1.25 / 2.0)",
        "Good, but why?",
        "1.5 of 3 points",
    ):
        assert text in " ".join(read.text.split()), text
    assert "<em>why</em>" in page and any(source.startswith("data:image/png") for source in read.pictures)
    assert "secret_of_the_grader" not in page and "hidden from students" not in page and "submission" not in read.text
    assert "alert(" in read.text and "alert(" not in read.scripts  # shown, never run
    assert not {name for name in read.attributes if name.startswith("on")} and "page.html" not in page
    assert "javascript:" not in "".join(str(source) for source in read.pictures)
    assert "0 / 5" in " ".join((folder / "feedback" / "emil" / "sky" / "sky.html").read_text().split()).replace(
        "0.0", "0"
    )
