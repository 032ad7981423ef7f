"""The panel as browsers show it: in a frame without scripts, as VS Code and Colab do, and in JupyterLab itself."""

from __future__ import annotations

import contextlib
import html
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
import torch

from netlens.panel import as_html
from netlens.result import CheckResult
from netlens_core.grading.public_checks import PublicCheck
from netlens_core.images import encode_png

CHROMIUM = "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="Debian's chromium is missing: apt-get install chromium"
)
ROOT = Path(__file__).parents[1]

# What a student's notebook has, in small: no network is loaded, so that this takes no time.
WORK = """
from types import SimpleNamespace
import matplotlib.pyplot as plt
import netlens

class Network:
    def classify(self, image, k=5):
        return [("daisy", 0.9), ("bee", 0.02)]

def show(pictures):
    plt.subplots()[1].plot([0, 1])
    plt.show()

network, what_is_it, draw_daisy = Network(), None, lambda **look: SimpleNamespace(image=None)
classify = lambda network, image, k=5: network.classify(image)
netlens.check("other_images")
netlens.check("number_of_categories");
"""


@pytest.fixture
def page():
    """A page of headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1000, "height": 900})
        browser.close()


def luminance(color: str) -> float:
    """Relative luminance of a CSS colour `rgb(…)`, as WCAG defines it."""
    parts = [int(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("paper", "ink"), [("rgb(255, 255, 255)", "rgb(33, 33, 33)"), ("rgb(30, 30, 30)", "rgb(212, 212, 212)")]
)
def test_it_needs_no_script_and_no_network_and_can_be_read_on_any_paper(page, paper, ink):
    picture = encode_png(torch.rand(3, 20, 30))
    check = PublicCheck("test_it", "it works", False, 0.0, 2.0, "too dark", "0.5 of 1\n", (picture,))
    body = f'<body style="background:{paper};color:{ink}">{as_html(CheckResult("noise", "What?", (check,)))}</body>'
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(f'<iframe sandbox="" width=900 height=600 srcdoc="{html.escape(body)}"></iframe>')
    frame = page.frame_locator("iframe")
    frame.get_by_text("too dark").wait_for()
    size = frame.get_by_alt_text("it works, picture 1").evaluate("e => [e.naturalWidth, e.naturalHeight]")
    assert size == [30, 20]
    for text in ("too dark", "0.5 of 1", "it works"):
        seen = frame.get_by_text(text, exact=True).evaluate("e => getComputedStyle(e).color")
        lighter, darker = sorted((luminance(seen), luminance(paper)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) > 7, text
    badge = frame.get_by_text("not passed").evaluate("e => getComputedStyle(e).backgroundColor")
    assert 1.05 / (luminance(badge) + 0.05) > 4.5  # white on it
    assert not [url for url in asked if url.startswith(("http", "ws"))]


@contextlib.contextmanager
def jupyter_lab(folder: Path):
    """JupyterLab on a free port; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR")
    }
    (folder / "work").mkdir()
    options = ["--allow-root", "--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--notebook-dir={folder / 'work'}",
               "--IdentityProvider.token=", "--ServerApp.password="]  # fmt: skip
    env = {**os.environ, **own, "PYTHONPATH": str(ROOT)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyter", "lab", *options], env=env, stdout=log, stderr=log)
    try:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + 600
        while time.monotonic() < until and server.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api", timeout=5):
                break
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(300)


@pytest.mark.slow
def test_jupyterlab_shows_it(page, tmp_path):
    with jupyter_lab(tmp_path) as address:
        cells = [nbformat.v4.new_code_cell(WORK)]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"netlens": {"language": "cs"}})
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        (tmp_path / "work" / "noise.ipynb").write_text(nbformat.writes(notebook))
        page.goto(f"{address}/lab/tree/noise.ipynb")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=300_000)
        page.get_by_text("| Idle").first.wait_for(timeout=300_000)  # the kernel is there
        page.get_by_role("menuitem", name="Run").first.click()
        page.get_by_role("menuitem", name="Run All Cells").first.click()
        panels = page.locator(".jp-OutputArea-output div[lang=cs]")
        panels.nth(1).wait_for(timeout=300_000)
        first, second = (panels.nth(place).inner_text() for place in (0, 1))
        shown = panels.first.locator("img").evaluate("e => e.naturalWidth > 100 && e.clientWidth > 100")
        count = panels.count()
    assert "✓ splněno" in first and "jiné obrázky, jiných rozměrů" in first and "3 z 3 bodů" in first and shown
    assert "✗ nesplněno" in second and "1 categories were asked for" in second and "0 z 2 bodů" in second
    assert count == 2  # the last value of a cell is not shown twice
