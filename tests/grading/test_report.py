"""Reports tell all that a student may know, load nothing from elsewhere, and take no harm from what they show."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from netlens_core.grading.grade import CellNote, Check, FigureNote, Grade, Measurement, Sight
from netlens_core.grading.report import GradedWork, render_class, render_student, write_reports
from netlens_core.grading.report.names import anchor, page_names
from netlens_core.grading.report.numbers import measured, number, partly, percent, points, requirement, scale_of
from netlens_core.grading.report.pictures import MOST_BYTES

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>{{7*7}}\x1b[2J\u202e\u0000"


def png(size: tuple[int, int] = (224, 224), seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    kept = io.BytesIO()
    Image.fromarray(pixels).save(kept, "PNG")
    return kept.getvalue()


def a_measurement(value: float | str = 0.97, **limits) -> Measurement:
    limits = limits or {"at_least": 0.95, "partial_from": 0.8}
    return Measurement(name="structural similarity", value=value, passed=True, credit=1.0, **limits)


def a_check(**changes) -> Check:
    base = {"name": "test_it", "description": "A person still sees a daisy.", "points": 4, "max_points": 4}
    return Check(**{**base, "status": "passed", "measurements": [a_measurement()], "figures": ["one.png"], **changes})


def a_grade(*checks: Check, **changes) -> Grade:
    checks = checks or (a_check(),)
    sight = Sight(network="lite0", categories=[("flamingo", 0.9), ("daisy", 0.05)])
    base = {
        "exercise": "adversarial",
        "title": "Adversarial images",
        "points": sum(check.points for check in checks),
        "max_points": sum(check.max_points for check in checks),
        "status": "graded",
        "checks": list(checks),
        "figure_notes": {"one.png": FigureNote(caption="your image", seen_by=[sight])},
        "submission_sha256": "0" * 64,
        "exercise_sha256": "1" * 64,
        "networks": {"lite0": "2" * 64},
        "netlens_version": "0",
        "sandbox": "full",
        "seed": 1,
    }
    return Grade(**{**base, **changes})


def a_work(student: str = "ada", grade: Grade | None = None, data: bytes | None = None) -> GradedWork:
    shown = png() if data is None else data
    return GradedWork(student, grade or a_grade(), lambda _name: shown, 1.0)


class Page(HTMLParser):
    """The elements, attributes and text of a page, as a browser would take them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def student_page(grade: Grade, data: bytes | None = None) -> Page:
    return Page(render_student("ada", [a_work(grade=grade, data=data)], "A course"))


def hostile_work() -> GradedWork:
    check = Check(
        name=HOSTILE,
        description=HOSTILE,
        points=1,
        max_points=2,
        status="partial",
        message=HOSTILE,
        answer=HOSTILE,
        fault=HOSTILE,
        measurements=[
            Measurement(name=HOSTILE, value=HOSTILE, equal_to=HOSTILE, passed=False, credit=0),
            Measurement(name="huge", value=1e308, at_least=-1e308, partial_from=-1.7e308, passed=True, credit=1),
        ],
        figures=["one.png", HOSTILE],
    )
    waiting = check.model_copy(update={"name": "test_other", "status": "needs_manual_grade", "fault": ""})
    notes = {"one.png": FigureNote(caption=HOSTILE, seen_by=[Sight(network=HOSTILE, categories=[(HOSTILE, math.nan)])])}
    grade = a_grade(
        check,
        waiting,
        status="crashed",
        exercise=HOSTILE,
        title=HOSTILE,
        message=HOSTILE + "!",
        notes=[HOSTILE],
        cell_errors=[CellNote(number=1, error=HOSTILE)],
        figure_notes=notes,
        networks={HOSTILE: HOSTILE},
    )
    return GradedWork(HOSTILE, grade, lambda name: {"one.png": png()}[name])


# -- what a page may hold --------------------------------------------------------------------------------


def hostile_pages() -> list[str]:
    work = hostile_work()
    return [
        render_student(work.student, [work], HOSTILE, {HOSTILE: 3}),
        render_class([work, a_work()], HOSTILE, {HOSTILE: 2, "adversarial": 4, HOSTILE + "2": 1}),
    ]


@pytest.mark.parametrize("which", [0, 1], ids=["student", "class"])
def test_hostile_text_stays_text(which):
    html = hostile_pages()[which]
    page = Page(html)
    assert not page.all("script")
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert not [image for image in page.all("img") if not image["src"].startswith("data:image/")]
    assert html.count("&lt;script&gt;") >= 5
    assert "\\u202e" in page.text and "{{7*7}}" in page.text
    assert not re.search("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", html)


@pytest.mark.parametrize("which", [0, 1], ids=["student", "class"])
def test_a_page_loads_nothing_from_elsewhere(which):
    html = hostile_pages()[which]
    for tag, attributes in Page(html).elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        for key in ("src", "href", "srcset", "action", "xlink:href", "background", "poster"):
            if attributes.get(key) is not None:
                assert re.fullmatch(
                    r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+|#[\w-]+|[A-Za-z0-9][\w.-]*\.html(#[\w-]+)?",
                    attributes[key],
                )
        assert "url(" not in (attributes.get("style") or "")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style
    policy = next(meta for meta in Page(html).all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_a_megabyte_of_text_is_cut():
    long = "x" * 2**20
    check = a_check(description=long, message=long, answer=long, status="failed", fault=long)
    grade = a_grade(check, notes=[long] * 50, cell_errors=[CellNote(number=1, error=long)] * 99, message=long + "y")
    works = [GradedWork(long, grade, lambda _: b"")]
    assert len(render_student(long, works, "A course")) < 200_000
    assert len(render_class(works, "A course", {"adversarial": 4})) < 200_000


def test_faults_of_the_grader_are_for_the_staff_only():
    fault = "ZeroDivisionError in test_it"
    works = [a_work(grade=a_grade(a_check(status="needs_manual_grade", fault=fault, points=0)))]
    assert fault not in render_student("ada", works, "A course")
    page = Page(render_class(works, "A course", {}))
    assert fault in page.text and "A grader failed" in page.text


def test_a_student_page_names_no_other_student(tmp_path):
    write_reports([a_work("ada"), a_work("grace")], "A course", tmp_path, {"adversarial": 4})
    assert "grace" not in (tmp_path / "ada.html").read_text()
    assert "index.html" not in (tmp_path / "ada.html").read_text()


# -- what a student reads --------------------------------------------------------------------------------


def test_a_student_reads_points_measurements_requirement_and_what_networks_see():
    page = student_page(a_grade(a_check(points=2.5, status="partial", message="Take smaller steps.")))
    for words in ("Adversarial images", "2.5 of 4", "Partly there", "Take smaller steps.", "structural similarity"):
        assert words in page.text
    assert "0.97 at least 0.95 part of the points above 0.8" in page.text
    assert "flamingo 90.0 %" in page.text and "your image" in page.text
    assert page.all("img")[0]["alt"] == "your image"


def test_a_skipped_and_a_waiting_check_say_so():
    skipped = a_check(status="skipped", points=0, message="Not looked at: first fool the network.")
    waiting = a_check(name="test_answer", status="needs_manual_grade", points=0, answer="It looks like noise.")
    text = student_page(a_grade(skipped, waiting)).text
    assert "Not looked at: first fool the network." in text
    assert "4 of the 8 points still wait for a person" in text and "It looks like noise." in text
    assert "Waits for a person" in text


def test_a_refusal_is_told_once():
    reason = "This is not a notebook."
    checks = [a_check(name=f"test_{n}", status="failed", points=0, message=reason, figures=[]) for n in range(4)]
    text = student_page(a_grade(*checks, status="refused", message=reason)).text
    assert text.count(reason) == 1 and "Refused: the file was not run" in text


def test_headings_descend_and_tables_have_headers():
    page = student_page(a_grade())
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels == [1, 2, 3]
    assert {cell["scope"] for cell in page.all("th")} == {"col", "row"}


def test_a_missing_exercise_is_named_on_both_pages(tmp_path):
    style = a_grade(exercise="style", title="Painting in style", max_points=10)
    works = [a_work("ada"), a_work("grace"), a_work("grace", style)]
    index = write_reports(works, "A course", tmp_path, {"style": 10, "adversarial": 4, "gan": 20})
    ada = Page((tmp_path / "ada.html").read_text()).text
    assert "Painting in style not handed in, of 10" in ada and "gan" not in ada
    assert "not handed in" not in (tmp_path / "grace.html").read_text()
    text = Page(index.read_text()).text
    assert "Painting in styleof 10Adversarial imagesof 4Togetherof 14" in text.replace(" ", " ")
    assert "Nobody has handed in: gan." in text and text.count("not handed in") == 1


# -- numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.97, "0.97"),
        (0.9712345, "0.971"),
        (3.0, "3"),
        (-0.25, "−0.25"),
        (1234567.0, "1\u202f234\u202f567"),
        (0.0004, "0.0004"),
        (1e-7, "1 × 10⁻⁷"),
        (2.5e12, "2.5 × 10¹²"),
        (0.0, "0"),
        (math.nan, "not a number"),
        (math.inf, "infinite"),
        ("daisy", "daisy"),
    ],
)
def test_numbers_as_people_write_them(value, shown):
    assert number(value) == shown


def test_nearly_enough_does_not_look_like_enough():
    near = a_measurement(0.94962)
    assert measured(near) == "0.9496" and requirement(near) == "at least 0.95"
    same = a_measurement(0.0156863, at_most=4 / 255, partial_from=16 / 255)
    assert (measured(same), requirement(same)) == ("0.0157", "at most 0.0157")
    assert partly(same) == "part of the points below 0.0627"
    assert percent(0.99996) == "> 99.9 %" and percent(0.0002) == "< 0.1 %" and percent(1.0) == "100 %"
    assert points(0.1 + 0.2) == "0.3" and points(11.375) == "11.38"


def test_words_are_required_exactly():
    word = a_measurement("hen", equal_to="flamingo")
    assert (measured(word), requirement(word)) == ("“hen”", "exactly “flamingo”")
    assert requirement(a_measurement(5.0, equal_to=5.0)) == "exactly 5"


@pytest.mark.parametrize("limits", [{"at_least": 0.95, "partial_from": 0.8}, {"at_most": 0.1}, {"at_least": 2.0}])
@pytest.mark.parametrize("value", [-1e300, -1.0, 0.0, 0.02, 0.9, 1.0, 3.0, 1e300])
def test_a_scale_keeps_value_and_requirement_in_order(value, limits):
    scale = scale_of(a_measurement(value, **limits))
    required = limits.get("at_least", limits.get("at_most"))
    places = (scale.value, scale.required, scale.met_from, scale.met_to, scale.partly_from, scale.partly_to)
    assert all(0 <= place <= 100 for place in places)
    assert (scale.value >= scale.required) == (value >= required)
    if 0 <= value <= 1:  # where shares and probabilities lie
        assert not scale.beyond
    elif abs(value) > 100:
        assert scale.beyond == ("low" if value < 0 else "high")


def test_what_no_scale_can_hold_has_none():
    assert scale_of(a_measurement("infinite", at_least=1.0)) is None
    assert scale_of(a_measurement(5.0, equal_to=5.0)) is None
    assert scale_of(a_measurement(1e308, at_least=-1.7e308)) is None


# -- pictures --------------------------------------------------------------------------------------------


def test_a_small_picture_keeps_its_pixels_sharp():
    assert student_page(a_grade(), png((56, 56))).all("img")[0]["class"] == "pixelated"
    assert "class" not in student_page(a_grade(), png((224, 224))).all("img")[0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a" + b"\0" * 99,
        b"<svg onload=alert(1)>",
        b"\x88" + png()[1:],
        png()[:20],
        png() + b"\0" * MOST_BYTES,
        png()[:16] + b"\xff" * 8 + png()[24:],
    ],
    ids=["empty", "gif", "svg", "other signature", "cut", "large", "absurd size"],
)
def test_only_bounded_png_is_shown(data):
    page = student_page(a_grade(), data)
    assert not page.all("img") and "This picture cannot be shown." in page.text
    assert not Page(render_class([a_work(data=data)], "A course", {})).all("img")


def test_a_lost_picture_leaves_the_rest():
    def lost(name):
        raise FileNotFoundError(name)

    page = Page(render_student("ada", [GradedWork("ada", a_grade(), lost)], "A course"))
    assert "This picture cannot be shown." in page.text and "structural similarity" in page.text


def test_a_damaged_picture_has_no_thumbnail():
    damaged = png()[:2000]
    assert not Page(render_class([a_work(data=damaged)], "A course", {})).all("img")


# -- the class -------------------------------------------------------------------------------------------


def test_the_class_page_tells_what_needs_a_person_and_how_checks_went():
    good, bad = a_check(), a_check(points=0, status="failed")
    waits = a_check(name="test_answer", description="Say why.", status="needs_manual_grade", points=0, answer="Mine.")
    refused = a_grade(a_check(points=0, status="failed"), status="refused", message="Not a notebook.")
    works = [
        a_work("a", a_grade(good)),
        a_work("b", a_grade(good)),
        a_work("c", a_grade(bad, waits)),
        a_work("d", refused),
    ]
    page = Page(render_class(works, "A course", {"adversarial": 8}))
    assert "Say why." in page.text and "Mine." in page.text and "Not a notebook." in page.text
    assert "4 handed in; median 2, mean 2 of 8 points, while 1 still waits for a person." in page.text
    assert "1 refused file is not counted below." in page.text
    bars = [(bar["class"], bar["title"]) for bar in page.all("i") if "title" in bar]
    assert bars[:2] == [("passed", "Passed: 2 of 3"), ("failed", "Not there yet: 1 of 3")]


def test_two_students_are_too_few_for_a_mean():
    text = Page(render_class([a_work("a"), a_work("b")], "A course", {})).text
    assert "2 handed in." in text and "mean" not in text


def test_nothing_to_do_is_said():
    assert "every submission ran, and every check is marked" in Page(render_class([a_work()], "A course", {})).text


def test_an_empty_class_has_a_page(tmp_path):
    index = write_reports([], "A course", tmp_path, {"adversarial": 4})
    assert "Nobody has handed in: adversarial." in Page(index.read_text()).text


def test_two_hundred_students_fit_a_page_below_five_megabytes():
    grades = [a_grade(exercise=slug, title=slug) for slug in ("noise", "adversarial", "dream", "style")]
    noise = png()  # what compresses worst
    works = [a_work(f"student{n:03}", grade, noise) for n in range(200) for grade in grades]
    html = render_class(works, "A course", {})
    assert len(html.encode()) < 5_000_000
    assert html.count("<img") > 400 and "more pictures are on the students" in html


# -- files -----------------------------------------------------------------------------------------------

NAMES = [
    "../../x",
    "..",
    ".",
    "",
    "/",
    "a/b",
    "a\\b",
    "CON",
    "nul",
    "com1.txt",
    "index",
    "Anna",
    "anna",
    "ANNA",
    "ａnna",
]
NAMES += [
    "аnna",
    "ss",
    "ß",
    "a b",
    "-x",
    "x.",
    ".x",
    "a" * 300,
    "a\0b",
    "\ud800",
    "名前",
    "émile",
    "e\u0301mile",
    HOSTILE,
]


def test_file_names_are_safe_and_differ_even_where_case_does_not_count():
    names = page_names([*NAMES, "ada.lovelace", "s1234567"])
    # A student cannot choose the name that another one's hash gives.
    thief = names["../../x"].removesuffix(".html")
    names = page_names([*names, thief, thief.upper()])
    assert len({name.casefold() for name in names.values()}) == len(NAMES) + 4
    for name in names.values():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\.html", name) and ".." not in name
        assert name.split(".")[0].lower() not in {"con", "nul", "com1", "index"}
    assert names["ada.lovelace"] == "ada.lovelace.html" and names["s1234567"] == "s1234567.html"


def test_anchors_are_safe():
    assert anchor("adversarial") == "exercise-adversarial"
    assert re.fullmatch(r"[\w-]+", anchor(HOSTILE)) and anchor("") == "exercise-unnamed"


def test_every_link_leads_to_a_section(tmp_path):
    works = [a_work(name) for name in ["../../x", "a/b", "ada", "Ada"]]
    index = write_reports(works, "A course", tmp_path / "reports", {"adversarial": 4})
    assert {path.parent for path in tmp_path.rglob("*.html")} == {tmp_path / "reports"}
    assert len(list(tmp_path.rglob("*"))) == 1 + 1 + 4
    for link in Page(index.read_text()).all("a"):
        name, _, section = link["href"].partition("#")
        there = Page((tmp_path / "reports" / name).read_text())
        assert not section or section in [attributes.get("id") for _, attributes in there.elements]


def test_equal_grades_give_equal_bytes_in_any_order(tmp_path):
    works = [hostile_work(), a_work("ada"), a_work("grace")]
    write_reports(works, "A course", tmp_path / "1", {"adversarial": 4})
    slower = [GradedWork(work.student, work.grade, work.picture, 99.0) for work in reversed(works)]
    write_reports(slower, "A course", tmp_path / "2", {"adversarial": 4})
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in "12")
    assert first == second and len(first) == 4


def test_both_tries_of_a_submission_are_told_to_staff_and_not_to_its_student():
    tries = ("`f` ran out of memory: 256 MiB are allowed. <script>alert(1)</script>", "graded")
    works = [replace(a_work("ada"), tries=tries), a_work("ben")]
    page = Page(render_class(works, "Course", {"demo": 4}))
    text = " ".join(page.words)
    assert "Tried twice" in text and tries[0] in text
    assert not any(tag == "script" and not attributes for tag, attributes in page.elements)
    assert "Tried twice" not in render_class([a_work("ben")], "Course", {"demo": 4})
    assert "256 MiB" not in render_student("ada", works[:1], "demo")
