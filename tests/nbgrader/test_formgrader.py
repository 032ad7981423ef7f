"""nbgrader's formgrader on what netlens graded, in a real browser: scores are seen, marks and comments stay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery.formgrader import CHROMIUM, browser, mark, open_list, open_submission, served
from netlens_core.grading.course import Course
from netlens_core.grading.release import release
from tests.nbgrader import sky
from tests.nbgrader.noise_class import MANUAL, POINTS, SLUG, grade, hand_in, nbgrader, noise_course, solved, wrong

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Debian's chromium is missing: apt-get install chromium"),
]
COMMENT = "Right, and *why* would softmax be so sure? <b>Think</b> of 999 others."


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ada is right, ben always gives five categories. Released and graded by netlens; not collected by nbgrader."""
    folder = noise_course(tmp_path_factory.mktemp("formgrader") / "course")
    release(Course(folder), [])
    exchange = folder.parent / "exchange"
    exchange.mkdir()
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.Exchange.root = {str(exchange)!r}\n")
    for student, notebook in {"ada": solved(), "ben": solved(**wrong("ignores_k"))}.items():
        hand_in(folder, student, notebook)
    grade(folder)
    return folder


@pytest.fixture(scope="module")
def address(course: Path) -> Iterator[str]:
    """Of formgrader."""
    with served(course) as address:
        yield address


def shown(page, selector: str, what: str) -> str | None:
    return page.locator(selector).get_attribute(what)


def test_a_person_marks_in_formgrader_and_netlens_regrades(course, address):
    """The way of a mark: into the browser, through a regrade, into netlens's own views and to the student."""
    with browser() as page:
        open_list(page, address, SLUG)
        rows = {text.split()[0]: " ".join(text.split()) for text in page.locator("tbody tr").all_inner_texts()}
        assert {student: row.split()[1] for student, row in rows.items()} == {"ada": "8", "ben": "6"}, rows
        open_submission(page, address, SLUG, "ada")
        for name, points in POINTS.items():
            if name != MANUAL:
                assert shown(page, f"#{name}", "placeholder") == f"{points:g}"
        waiting = "needs_manual_grade"
        assert waiting in (shown(page, f"#{MANUAL}", "class") or "")
        assert pictures(page) and min(pictures(page)) > 50
        assert "largest error of a probability" in page.inner_text("body")
        mark(page, MANUAL, 1.5, COMMENT)

    file = course / "submitted" / "ada" / SLUG / f"{SLUG}.ipynb"
    notebook = json.loads(file.read_bytes())
    notebook["cells"].append({"cell_type": "code", "id": "later", "metadata": {}, "outputs": [], "source": "1 + 1"})
    notebook["cells"][-1]["execution_count"] = None
    file.write_text(json.dumps(notebook))
    before = course / "autograded" / "ada" / SLUG / f"{SLUG}.ipynb"
    assert "1 + 1" not in before.read_text()
    grade(course)
    assert "1 + 1" in before.read_text(), "graded again"

    with browser() as page:
        open_submission(page, address, SLUG, "ada")
        assert page.locator(f"#{MANUAL}").input_value() == "1.5"
        assert page.locator(f"#{MANUAL}-comment").input_value() == COMMENT
        assert shown(page, "#test_what_is_it", "placeholder") == "3"

    kept = json.loads((course / "grades" / "ada" / f"{SLUG}.json").read_text())
    check = next(check for check in kept["checks"] if check["name"] == MANUAL)
    assert (kept["points"], check["points"], check["mark"]["comment"]) == (9.5, 1.5, COMMENT)
    assert "9.5" in (course / "reports" / "ada.html").read_text()


def test_feedback_holds_mark_comment_and_pictures_and_nothing_hidden(course):
    """What nbgrader makes for students of what netlens graded and a person marked."""
    nbgrader(course, "generate_feedback", SLUG)
    nbgrader(course, "release_feedback", SLUG)
    released = list((course.parent / "exchange" / "looking_inside" / "feedback").glob("*.html"))
    assert len(released) == 2
    pages = [page.read_text() for page in released]
    (ada,) = [page for page in pages if "Right, and" in page]
    (ben,) = [page for page in pages if "Right, and" not in page]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", ada))
    assert "(Score: 9.5 / 10.0)" in text and "(Score: 1.5 / 2.0)" in text
    assert "so sure?" in text and "of 999 others" in text
    assert ada.count("data:image/png;base64,") >= 2
    assert "(Score: 0.0 / 2.0)" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", ben))
    grader = (course / "graders" / f"test_{SLUG}.py").read_text()
    hidden = [line.strip() for line in grader.splitlines() if "hidden_" in line]
    secret = (course / ".netlens" / "secret").read_text()
    assert hidden and secret
    for page in pages:
        assert not [line for line in [*hidden, secret] if line in page]


def pictures(page) -> list[int]:
    """How wide the pictures in outputs are that the browser could draw, in pixels."""
    widths: list[int] = page.evaluate("[...document.querySelectorAll('.output img')].map(image => image.naturalWidth)")
    return widths


def test_the_first_page_lists_what_was_graded_also_without_a_release(tmp_path):
    folder = sky.build(tmp_path / "course")
    for student in ("ada", "ben"):
        sky.hand_in(folder, student, "Because.")
    assert not sky.opened(folder).nbgrader.troubles
    sky.opened(folder).write_views()
    with served(folder) as address, browser() as page:
        page.goto(f"{address}/formgrader/")
        page.locator("tbody .name a").first.wait_for()
        cells = page.locator("tbody tr").first.locator("td").all_inner_texts()
        assert cells[0] == "sky" and "2" in cells, cells
