"""Takes a picture of a report page: `python benchmarks/screenshot.py FILE.html OUT.png --width 1200 --height 1500`.

Uses whichever Chromium is installed, without its network, its profile or its graphics card.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
NARROWEST = 500  # a headless window cannot be narrower; below that, the page is shown in a frame


def screenshot(page: Path, picture: Path, width: int, height: int, dark: bool = False, scale: float = 1) -> None:
    """Write a PNG of the top `width` x `height` CSS pixels of a page.

    Raises FileNotFoundError without a browser or page, RuntimeError where the browser fails.
    """
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"needs one of {', '.join(BROWSERS)}; on Debian: apt-get install chromium")
    if not page.is_file():
        raise FileNotFoundError(f"{page} is missing")
    with tempfile.TemporaryDirectory() as folder:
        address = page.resolve().as_uri()
        if width < NARROWEST:
            address = _framed(Path(folder), address, width, height)
        scheme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
        command = [browser, *QUIET, *scheme, f"--user-data-dir={folder}/profile", f"--window-size={width},{height}"]
        command += [f"--force-device-scale-factor={scale:g}", f"--screenshot={picture.resolve()}", address]
        picture.unlink(missing_ok=True)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if ended.returncode != 0 or not picture.is_file():
        raise RuntimeError(f"{browser} failed: {ended.stderr[-1000:]}")


def _framed(folder: Path, address: str, width: int, height: int) -> str:
    frame = folder / "frame.html"
    style = f"border:0;width:{width}px;height:{height}px"
    frame.write_text(f'<body style="margin:0"><iframe src="{address}" style="{style}"></iframe>', encoding="utf-8")
    return frame.as_uri()


def main() -> int:
    """The command line; 0 when the picture is written, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path, help="an HTML file")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--width", type=int, default=1200, help="CSS pixels")
    parser.add_argument("--height", type=int, default=1500, help="CSS pixels")
    parser.add_argument("--scale", type=float, default=1, help="device pixels for each CSS pixel")
    parser.add_argument("--dark", action="store_true", help="as a reader sees it who prefers dark pages")
    given = parser.parse_args()
    try:
        screenshot(given.page, given.picture, given.width, given.height, given.dark, given.scale)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
