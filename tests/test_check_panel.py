"""`netlens.check` in a notebook: which check is meant, how it went, what the panel shows."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import netlens
from netlens import finding, running
from netlens.finding import CheckError, exercise_of, notebook_file
from netlens.panel import as_html
from netlens_core.grading.public_checks import CheckCell, HandedOut, PublicCheck
from netlens_core.grading.public_course import PublicCourse
from netlens_core.grading.templates import solved_notebook, template_notebook
from netlens_core.images import encode_png, save_image
from netlens_core.languages import speaking

ROOT = Path(__file__).parents[1]
SETUP = "import matplotlib.pyplot as plt\ndef show(x):\n    plt.subplots()[1].imshow([[x, 1]])\n    plt.show()"


class Page(HTMLParser):
    """Tags and attributes of a panel."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def namespace(monkeypatch) -> dict:
    """What stands for the notebook's variables."""
    names: dict = {}
    monkeypatch.setattr(running, "_namespace", lambda: names)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    return names


@pytest.fixture
def one_check(monkeypatch):
    """Make `noise` hand out a cell `setup` and one check of a source."""

    def hand_out(source: str) -> None:
        check = CheckCell("test_it", "the thing works", source, 3.0)
        cells = {"setup": SETUP, "paint": "def paint():\n    raise NotImplementedError", "test_it": source}
        template = HandedOut({"setup": SETUP}, {"test_it": check}, cells)
        monkeypatch.setattr(running, "handed_out", lambda *_: template)
        monkeypatch.setattr(finding, "handed_out", lambda *_: template)

    return hand_out


# -- which exercise is meant -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "exercise", "functions", "file", "meant"),
    [
        ("test_network_is_fooled", "", [], None, "adversarial"),
        ("network_is_fooled", "", [], None, "adversarial"),
        ("other_sizes", "", ["analyze"], None, "analysis"),
        ("other_sizes", "", ["third_layer_activations", "montage"], None, "activations"),
        ("other_sizes", "", [], "analysis.ipynb", "analysis"),
        ("other_sizes", "activations", ["analyze"], "analysis.ipynb", "activations"),
        ("", "", ["classify"], None, "noise"),
        ("", "", [], "cam.ipynb", "cam"),
    ],
)
def test_the_exercise_is_found(name, exercise, functions, file, meant):
    here = dict.fromkeys(functions)
    assert exercise_of(PublicCourse.shipped(), name, exercise, here, Path(file) if file else None) == meant


@pytest.mark.parametrize(
    ("name", "exercise", "functions", "said"),
    [
        ("other_sizes", "", [], r"name it, netlens\.check\('other_sizes', exercise=…\), one of activations, analysis"),
        ("", "", [], r"netlens\.check\(exercise=…\)"),
        ("nothing", "", ["classify"], r"no check 'nothing'; there are noise: test_what_is_it, test_number"),
        ("nothing", "", [], r"there are activations: .*; cam: test_map_fits"),
        ("", "nothing", [], r"'nothing' is no exercise: there are activations, analysis"),
    ],
)
def test_what_is_not_known_is_told_with_what_there_is(name, exercise, functions, said):
    with pytest.raises(CheckError, match=said) as raised:
        exercise_of(PublicCourse.shipped(), name, exercise, dict.fromkeys(functions), None)
    assert raised.value._render_traceback_() == [f"netlens: {raised.value}"]  # no traceback in a notebook


def test_the_notebooks_file_is_known_from_jupyter_and_vs_code(monkeypatch, tmp_path):
    monkeypatch.setenv("JPY_SESSION_NAME", "work/noise.ipynb")
    assert notebook_file({}) == Path("noise.ipynb")
    (tmp_path / "cam.ipynb").write_text("{}")
    assert notebook_file({"__vsc_ipynb_file__": str(tmp_path / "cam.ipynb")}) == tmp_path / "cam.ipynb"
    monkeypatch.delenv("JPY_SESSION_NAME")
    assert notebook_file({}) is None and notebook_file({"__vsc_ipynb_file__": 3}) is None


# -- how it goes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "student", "message"),
    [
        ("assert paint() == 1", "def paint(): return 1", ""),
        ("assert paint() == 1, 'not 1'", "def paint(): return 2", "not 1"),
        ("assert paint() == 1", "def paint(): return 2", "An assertion does not hold."),
        ("paint()", "def paint():\n    a = 1\n    return a.b",
         "AttributeError: 'int' object has no attribute 'b' (in paint, line 3 of its cell)"),
        ("paint()", "def paint(): exit()", "SystemExit: None (in paint, line 1 of its cell)"),
        ("show(paint())", "def paint(): return 1",
         "Not there yet: show. Run first the cell that begins with: import matplotlib.pyplot as plt"),
        ("paint()", "", "Not there yet: paint. Run first the cell that begins with: def paint():"),
        ("paint()", "def paint(): return show(1)",
         "Not there yet: show. Run first the cell that begins with: import matplotlib.pyplot as plt"),
        ("paint()", "def paint(): return mine", "NameError: name 'mine' is not defined (in paint, line 1 of its cell)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(namespace, one_check, capsys, source, student, message):
    one_check(source)
    exec(compile(student, "<ipython-input-1>", "exec"), namespace)
    found = netlens.check("it", exercise="noise")
    assert (found.message, found.passed) == (message, not message)
    assert (found.points, found.max_points) == (0.0 if message else 3.0, 3.0)
    assert json.loads(json.dumps(found.as_json()))["checks"][0]["message"] == message
    assert "the thing works" in capsys.readouterr().out  # no notebook here: text is printed


def test_prints_and_figures_are_shown_and_other_figures_stay(namespace, one_check):
    one_check("print('similarity', 0.5)\nshow(0.3)\nleft = 4")
    exec(SETUP, namespace)
    pyplot = namespace["plt"]
    own, show = pyplot.figure(), pyplot.show
    [check] = netlens.check("test_it", exercise="noise").checks
    assert check.printed == "similarity 0.5\n" and [p[:4] for p in check.pictures] == [b"\x89PNG"]
    assert pyplot.get_fignums() == [own.number] and pyplot.show is show
    pyplot.close("all")
    assert namespace["left"] == 4  # as if the cell had been run


def test_the_check_is_the_one_that_was_handed_out(namespace):
    """Whatever a notebook's own cells say: names are the notebook's, the check is the template's."""
    namespace |= {"classify": lambda network, image, k=5: [], "what_is_it": None, "network": Fake()}
    found = netlens.check(exercise="noise")
    assert [check.name for check in found.checks] == [
        "test_what_is_it",
        "test_number_of_categories",
        "test_other_images",
    ]
    assert not found.passed and found.points == 0 and found.max_points == 8
    assert found.checks[1].message == "1 categories were asked for" and "draw_daisy" in found.checks[2].message


class Fake:
    name = "efficientnet_lite0"

    def classify(self, image, k=5):
        return [("daisy", 0.9)] * k


def test_a_language_that_is_not_known_is_told(namespace):
    with pytest.raises(CheckError, match="netlens does not speak 'xx'; it speaks cs, en"):
        netlens.check("it", exercise="noise", language="xx")


def test_nothing_is_run_while_netlens_checks_the_notebook(namespace, monkeypatch, capsys):
    monkeypatch.setenv("NETLENS_CHECKING", "1")
    found = netlens.check("whatever")
    assert not found.passed and found.checks == () and capsys.readouterr().out == "" and "Not run" in found.message


# -- the panel ---------------------------------------------------------------------------------------------


def result(*checks: PublicCheck, language: str = "en") -> netlens.CheckResult:
    return netlens.CheckResult("noise", "What is it?", checks, language)


def public(passed: bool = True, **changes) -> PublicCheck:
    picture = encode_png(__import__("torch").zeros(3, 4, 4))
    known = {"name": "test_it", "title": "`it` works", "message": "", "printed": "0.5\n", "pictures": (picture,)}
    return PublicCheck(passed=passed, points=2.0 * passed, max_points=2.0, **known | changes)


def test_the_panel_stands_alone():
    """No scripts, no style sheets, nothing from elsewhere; colours but for badges are the page's."""
    page = Page(result(public(), public(False, message="too dark"))._repr_html_())
    assert set(page.tags) == {"div", "span", "b", "img"}
    assert {name for name, _ in page.attributes} == {"style", "lang", "alt", "src"}
    source = next(value for name, value in page.attributes if name == "src")
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert not any("url(" in str(value) or "http" in str(value) for name, value in page.attributes)
    for said in ("✓ passed", "✗ not passed", "it works", "2 of 4 points", "too dark", "0.5", "grading looks at more"):
        assert said in page.text
    assert "color:inherit" in str(page.attributes) and "color:#000" not in str(page.attributes)


def test_what_a_student_prints_is_escaped():
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    page = Page(as_html(result(public(False, printed=hostile, message=hostile, title=hostile))))
    assert "script" not in page.tags and page.tags.count("img") == 1 and page.text.count(hostile) == 3


def test_it_speaks_czech():
    czech = result(public(False), language="cs")
    assert "✗ nesplněno" in Page(czech._repr_html_()).text and "nesplněno: it works (0 z 2 bodů; test_it)" in str(czech)
    with speaking("cs"), pytest.raises(CheckError, match="kontrola 'x' neexistuje"):
        exercise_of(PublicCourse.shipped(), "x", "", {}, None)


@pytest.mark.slow
def test_in_a_real_kernel(tmp_path):
    """The reference passes with its pictures, an untouched template is told what is missing, in its language."""
    template, reference = ROOT / "assignments" / "noise" / "template.py", ROOT / "reference_solutions" / "noise"
    save_image(__import__("torch").rand(3, 64, 64), tmp_path / "what_is_it.png")
    solved = nbformat.reads(solved_notebook(template, reference / "reference.py").decode(), as_version=4)
    setup, classify = (next(c.source for c in solved.cells if c.id == name) for name in ("setup", "classify"))
    (tmp_path / "noise.ipynb").write_bytes(template_notebook(template, "cs"))  # beside which the kernel runs
    sources = [
        "import netlens\nnetlens.check('test_what_is_it')",
        setup,
        classify,
        "found = netlens.check('other_images')\nnetlens.check('number_of_categories')\nfound.points",
        "found",
        "netlens.check('test_nothing')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    environment = {"PYTHONPATH": str(ROOT), "NETLENS_CHECKING": "", "JPY_SESSION_NAME": ""}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        NotebookClient(notebook, timeout=600, allow_errors=True, resources={"metadata": {"path": tmp_path}}).execute()
    before, _, _, both, again, unknown = (cell.outputs for cell in notebook.cells)
    assert [output.output_type for output in both] == ["display_data", "display_data", "execute_result"]
    assert "nesplněno" in before[0].data["text/html"] and "Zatím chybí: classify" in before[0].data["text/plain"]
    assert "data:image/png;base64," in both[0].data["text/html"] and "✓ splněno" in both[0].data["text/html"]
    assert both[2].data["text/plain"] == "3.0"
    assert [output.data["text/html"] for output in again] == [both[0].data["text/html"]]
    assert unknown[0].output_type == "error" and len(unknown[0].traceback) == 1
