"""The pictures of docs/methods/analysis.md: filters from the weights, and the page as a browser shows it.

The page's picture stays as it is on machines without Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.images import load_image
from netlens_core.methods.analysis import analyze
from netlens_core.methods.analysis.page import as_html, filter_picture
from netlens_core.networks import load_network


def pictures() -> Iterator[tuple[str, Tensor]]:
    squeezenet, lite0 = load_network("squeezenet1_1"), load_network()
    yield (
        "filters",
        torch.cat([tiles(squeezenet.module.features[0].weight), tiles(lite0.module.conv_stem.weight)], dim=2),
    )
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser:
        yield "page", photographed(browser, as_html(analyze(squeezenet, 227)))
    else:
        print("no Chromium: the page's picture is left as it is", file=sys.stderr)


def tiles(weight: Tensor) -> Tensor:
    """Colour filters, each weight a square of pixels, on a common height."""
    picture = filter_picture(weight)[0]
    large = picture.repeat_interleave(10, 1).repeat_interleave(10, 2)
    return functional.pad(large, (10, 10, 10, 330 - large.shape[1]), value=1.0)


def photographed(browser: str, page: str) -> Tensor:
    """The page at 1400 x 820 px while the pointer rests on conv1."""
    hover = (
        """<script>document.querySelector('tr[data-layer="2"]').dispatchEvent(new MouseEvent("mouseenter"))</script>"""
    )
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with tempfile.TemporaryDirectory() as folder:
        file, picture = Path(folder) / "page.html", Path(folder) / "page.png"
        file.write_text(page.replace("</body>", f"{hover}</body>"))
        quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder}/profile"]
        shot = ["--window-size=1400,820", f"--screenshot={picture}", file.as_uri()]
        subprocess.run([browser, "--headless", *quiet, *shot], check=True, capture_output=True, timeout=120)
        return load_image(picture)
