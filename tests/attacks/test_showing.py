"""Attacks on the eyes of whoever reads: escapes, reordering and markup in outputs, messages and pictures."""

from __future__ import annotations

import base64
import json
import re
import struct
import unicodedata
import zlib
from html.parser import HTMLParser

import pytest
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from netlens_core.grading.nbgrader.panel import without_html
from netlens_core.grading.sandbox.limits import Limits

NASTY = "\\x1b]0;owned\\x07\\x1b[2J\\x1b[31mALL PASSED\\x1b[0m\\u202e\\u2066\\u200b\\x00\\x08\\r\\ud800"
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def harmless(text: str) -> bool:
    return all(c in "\n\t" or unicodedata.category(c) not in HARMFUL for c in text)


@pytest.mark.parametrize(
    "source",
    [
        f"print('{NASTY}')",
        f"import sys; print('{NASTY}', file=sys.stderr)",
        f"raise ValueError('{NASTY}')",
        f"type('Bad\\n\\x1b[31m', (Exception,), {{}})\nraise type('Bad\\x1b[31m', (Exception,), {{}})('{NASTY}')",
        f"from IPython.display import display\ndisplay({{'text/plain': '{NASTY}'}}, raw=True)",
        f"class E:\n    def __repr__(self): return '{NASTY}'\nE()",
        f"exec(compile('raise ValueError(1)', '<cell {NASTY}>', 'exec'))",
    ],
)
def test_cell_outputs_are_harmless(strike, source):
    """No control character, bidi override or lone surrogate leaves the sandbox."""
    aftermath = strike(f"{source}\ndef attack(): return 1")
    cell = aftermath.cells[0]
    for text in [cell.error or "", cell.traceback, json.dumps(cell.outputs, ensure_ascii=False).replace("\\n", "")]:
        assert harmless(text), repr(text)


@pytest.mark.parametrize(
    "body",
    [f"raise ValueError('{NASTY}')", f"raise type('{NASTY[:-6]}', (Exception,), {{}})()".replace("\\x00", "")],
)
def test_messages_are_harmless(strike, body):
    """What a student's exception says is shown, not obeyed."""
    outcome = strike(f"def attack(): {body}").outcome
    assert outcome.status == "error"
    assert harmless(outcome.message), repr(outcome.message)


@pytest.mark.parametrize(
    "picture",
    [
        "b'<svg onload=alert(1)>'", "b'GIF89a' + bytes(99)", "b'\\x89PNG\\r\\n\\x1a\\n' + bytes(99)",
        "b'\\x89PNG\\r\\n\\x1a\\n\\0\\0\\0\\rIHDR' + struct.pack('>II', 1 << 31, 1 << 31) + bytes(99)",
        "b'\\x89PNG\\r\\n\\x1a\\n\\0\\0\\0\\rIHDR' + struct.pack('>II', 9, 9) + bytes(2 << 20)", "'text'", "7",
    ],
)  # fmt: skip
def test_only_decent_pictures_leave(strike, picture):
    """A picture that does not start as a PNG of a sane size, or is too large, is left out."""
    source = f"from IPython.display import display\ndisplay({{'image/png': {picture}, 'text/plain': 'x'}}, raw=True)"
    aftermath = strike(f"{source}\ndef attack(): return 1")
    assert [set(output["data"]) for output in aftermath.cells[0].outputs] == [{"text/plain"}]
    text = aftermath.cells[0].outputs[0]["data"]["text/plain"]
    assert text.startswith("x") and ("picture left out" in text or "too large" in text or picture in ("'text'", "7"))


def test_a_picture_bomb_is_bounded_by_its_pixels(strike):
    """Thousands of pictures of 4096 x 4096 pixels fit into few bytes; a browser needs 64 MiB for each."""
    cell = f"""
from IPython.display import display
for _ in range(40): display({{"image/png": {png(side=4096)!r}, "text/plain": "bomb"}}, raw=True)
"""
    aftermath = strike(f"{cell}\ndef attack(): return 1", limits=Limits(call_seconds=9))
    outputs = aftermath.cells[0].outputs
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 100_000_000 // 4096**2 == 5
    left_out = [output["data"]["text/plain"] for output in outputs if "data" in output and output not in pictures]
    told = "bomb (picture left out: all pictures of a notebook together may have 100 million pixels)"
    assert left_out == [told] * (32 - 5)
    assert outputs[-1]["text"] == "(more outputs of this cell are left out: 32 are the most)\n"


def test_what_a_notebook_shows_is_bounded_and_the_rest_told(strike):
    """The bytes of all outputs together, pictures included."""
    source = "import numpy as np\nfrom PIL import Image\n"
    source += "display(*[Image.fromarray(np.random.randint(0, 255, (500, 500, 3), np.uint8)) for _ in range(9)], 'end')"
    outputs = strike(f"{source}\ndef attack(): return 1", limits=Limits(output_mb=2, call_seconds=9)).cells[0].outputs
    assert ["image/png" in output.get("data", {}) for output in outputs] == [True, True, False]
    assert outputs[-1]["text"] == "(the rest is left out: the notebook shows more than is kept)\n"


def test_markup_does_not_leave(strike):
    """Only plain text and PNG are kept of what a cell displays: no HTML, script, SVG, LaTeX, JSON."""
    source = """
from IPython.display import HTML, Javascript, SVG, display
display(HTML("<script>alert(1)</script>"), Javascript("alert(1)"))
display({"text/html": "<b>x</b>", "application/json": {}, "text/latex": "x", "text/plain": "x"}, raw=True)
def attack(): return 1
"""
    outputs = strike(source).cells[0].outputs
    assert {kind for output in outputs for kind in output["data"]} == {"text/plain"}


def png(*more: tuple[bytes, bytes], after: bytes = b"", side: int = 4) -> bytes:
    """A picture with further chunks in it, and something behind its end."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(4 * (1 + 3 * 4))))
    middle = b"".join(chunk(kind, data) for kind, data in more)
    return b"\x89PNG\r\n\x1a\n" + head + middle + rows + chunk(b"IEND", b"") + after


@pytest.mark.parametrize(
    "picture",
    [
        png((b"iCCP", b"x\0\0" + zlib.compress(bytes(64 << 20)))),  # a profile that unpacks to 64 MiB
        png((b"eXIf", b"MM\0*" + b"\xff" * 400)),
        png((b"tEXt", b"Comment\0<script>alert(1)</script>"), (b"zTXt", b"x\0\0" + zlib.compress(bytes(64 << 20)))),
        png(after=b"<html><script>alert(1)</script>"),
        png(after=b"PK\x03\x04" + bytes(99)),
        png((b"acTL", bytes(8)), (b"fcTL", bytes(26)), (b"sPLT", b"x"), (b"iTXt", b"XML:com.adobe.xmp\0")),
    ],
    ids=["profile bomb", "EXIF", "texts", "page behind the end", "archive behind the end", "animation"],
)
def test_pictures_leave_with_nothing_but_their_pixels(strike, picture):
    """Colour profiles, EXIF, texts, animation, and the second half of polyglots stay behind."""
    source = f"from IPython.display import display\ndisplay({{'image/png': {picture!r}}}, raw=True)\ndef attack(): pass"
    [output] = strike(source).cells[0].outputs
    assert base64.b64decode(output["data"]["image/png"]) == png()


@pytest.mark.parametrize(
    "picture",
    [
        png()[:-20],
        png().replace(b"IDAT", b"IDAX"),
        png((b"IHDR", struct.pack(">IIBBBBB", 1 << 30, 1 << 30, 8, 2, 0, 0, 0))),
        png()[:8] + struct.pack(">I", 0xFFFFFFFF) + png()[12:],
    ],
    ids=["cut off", "wrong checksum", "a second, gigantic head", "a length of 4 GiB"],
)
def test_broken_pictures_stay_behind(strike, picture):
    """What does not add up is left out, and the text beside it stays."""
    shown = {"image/png": picture, "text/plain": "x"}
    source = f"from IPython.display import display\ndisplay({shown!r}, raw=True)\ndef attack(): pass"
    [output] = strike(source).cells[0].outputs
    assert set(output["data"]) == {"text/plain"}


MARKDOWN = [
    "[x](javascript:alert(1))", "[x]\n\n[x]: javascript:alert(1)", "[x]:\n  JavaScript:alert(1)\n\n[x]",
    "[x](JaVaScRiPt&#58;alert(1))", "[x](jav&#x09;ascript:alert(1))", "[x](&#x6a;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)", "[x](vbscript:x)", "[x](<javascript:alert(1)>)",
    "<javascript:alert(1)>", "![x](javascript:alert(1))", "![x](http://elsewhere/seen.png)",
    '![x](y "onerror=alert(1)")', '![x" onerror="alert(1)](https://y)', '[x](https://y" onmouseover="alert(1))',
    "$\\href{javascript:alert(1)}{x}$", "$\\let\\a=\\href \\a{javascript:alert(1)}{x}$", "$\\style{a:b}{x}$",
    "<script>alert(1)</script>", "\\<script>alert(1)\\</script>", "&lt;script>alert(1)&lt;/script>",
    "```\n</code><script>alert(1)</script>\n```", "| <b onload=x> |\n|---|\n| <iframe src=//x> |",
    "<img src=x onerror=alert(1)>", "<svg><script>alert(1)</script></svg>", "# <style>@import '//x'</style>",
]  # fmt: skip


class Live(HTMLParser):
    """What a page loads or could run: names of elements, and of attributes with what they hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in [("", ""), *attrs]:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            kind = address.partition(":")[0] if name in ("href", "src", "action", "data") else ""
            calm = tag in ("p", "a", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "h1", "div", "span")
            if not calm or name.startswith("on") or kind not in ("", "https", "http", "#"):
                self.found.append((tag, name, value or ""))


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown_of_a_student_is_only_text_and_web_links(text):
    """What nbgrader's pages make of a student's own Markdown: nothing that runs, and nothing loaded from elsewhere."""
    shown = markdown2html_mistune(without_html(text))
    live = [part for part in Live(shown).found if part[:2] != ("a", "href") or not part[2].startswith("#")]
    assert live == [], shown
    assert not re.search(r"\\(href|style)", shown)


def test_markdown_of_a_student_keeps_its_form():
    shown = markdown2html_mistune(without_html("**bold** [page](https://a.b/c) $a<b$\n\n- one"))
    assert "<strong>bold</strong>" in shown and '<a href="https://a.b/c">' in shown and "<li>one</li>" in shown
