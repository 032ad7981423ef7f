"""results.json has the fields that Gradescope documents, and nothing in it is markup of a student's."""

from __future__ import annotations

import base64
import io
import json
import re

import pytest
from PIL import Image

from netlens_core.grading.exports.gradescope import MOST_PICTURES, exported_results, results, results_bytes
from tests.grading.exports.conftest import HOSTILE

TOP = {
    "score", "execution_time", "output", "output_format", "test_output_format", "test_name_format", "visibility",
    "stdout_visibility", "extra_data", "tests", "leaderboard",
}  # fmt: skip
TEST = {
    "score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "tags", "visibility",
    "extra_data",
}  # fmt: skip
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}


def as_gradescope_reads(data: bytes) -> dict:
    """The content, refused where a field is none that is documented or has another type."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    content = json.loads(data, parse_constant=refuse)
    assert set(content) <= TOP and content["output_format"] in FORMATS and content["visibility"] in VISIBILITIES
    assert isinstance(content["score"], float | int) and isinstance(content["output"], str)
    assert content["stdout_visibility"] in VISIBILITIES and content["test_name_format"] in FORMATS
    for test in content["tests"]:
        assert set(test) <= TEST and test["status"] in ("passed", "failed") and test["visibility"] in VISIBILITIES
        assert isinstance(test["score"], float | int) and isinstance(test["max_score"], float | int)
        assert all(isinstance(test[name], str) for name in ("name", "number", "output"))
        assert test["output_format"] in FORMATS and all(isinstance(tag, str) for tag in test["tags"])
    return content


def png(size: int, noise: bool = False) -> bytes:
    held = io.BytesIO()
    image = Image.effect_noise((size, size), 90) if noise else Image.new("RGB", (size, size), "green")
    image.save(held, "PNG")
    return held.getvalue()


@pytest.mark.parametrize("visibility", sorted(VISIBILITIES))
def test_fields_are_those_documented(scored, visibility):
    work = scored("ada", 3.25, late=0.25)
    content = as_gradescope_reads(results_bytes(results(work, {}.__getitem__, visibility)))
    [test] = content["tests"]
    assert content["score"] == 3.0 and "taken off" in content["output"]
    assert (test["score"], test["max_score"], test["status"]) == (3.25, 5.0, "failed")
    assert test["visibility"] == content["visibility"] == visibility and content["stdout_visibility"] == "hidden"
    assert "probability: 0.25, at least 0.9" in test["output"] and "Nearly <there>." in test["output"]
    assert test["output_format"] == "text"
    assert [m["name"] for m in test["extra_data"]["measurements"]] == ["probability", "distance", "category"]


def test_hostile_words_are_text_or_escaped(scored):
    plain = results(scored("eve", message=HOSTILE), {}.__getitem__)["tests"][0]
    assert plain["output_format"] == "text" and "\x1b" not in plain["output"] and "\u202e" not in plain["output"]
    with_picture = results(scored("eve", message=HOSTILE, figures=["a.png"]), {"a.png": png(8)}.__getitem__)["tests"][0]
    assert with_picture["output_format"] == "html"
    assert set(re.findall(r"<\s*/?\s*(\w+)", with_picture["output"])) == {"p", "br", "img"}
    assert "&lt;script&gt;" in with_picture["output"]


def test_pictures_are_small_png_of_ours_and_lost_ones_do_no_harm(scored):
    figures = [f"{number}.png" for number in range(12)]
    files = {name: png(900, noise=True) for name in figures} | {"1.png": b"<svg onload=alert(1)>"}
    files.pop("2.png")
    [test] = results(scored("ada", figures=figures), files.__getitem__)["tests"]
    shown = [base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', test["output"])]
    assert 2 <= len(shown) < 10 and sum(map(len, shown)) <= MOST_PICTURES
    assert all(max(Image.open(io.BytesIO(data)).size) <= 320 for data in shown)
    assert "img" not in results(scored("ada", figures=figures), files.__getitem__, pictures=False)["tests"][0]["output"]


def test_every_submission_has_a_file_of_its_own(scored, tmp_path):
    works = [scored("ada"), scored("Žofie"), scored("ada", exercise="cam")]
    paths = exported_results(works, {}.__getitem__).write(tmp_path / "out")
    assert {path.relative_to(tmp_path).as_posix() for path in paths} == {
        "out/ada/noise/results.json",
        "out/Žofie/noise/results.json",
        "out/ada/cam/results.json",
    }
    assert all(as_gradescope_reads(path.read_bytes())["score"] == 3.25 for path in paths)
    [only] = exported_results(works[:1], {}.__getitem__).write(tmp_path / "only")
    assert only == tmp_path / "only/ada/noise/results.json"
