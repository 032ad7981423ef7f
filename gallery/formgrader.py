"""nbgrader's formgrader on a course folder, and a browser that looks at it.

    python -m gallery.formgrader

builds a small class, grades it with netlens, and writes docs/nbgrader/formgrader-*.png. Needs Debian's chromium.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "nbgrader"
# formgrader takes MathJax from the internet and waits for it before it listens to keys.
_MATHJAX = "window.MathJax={Hub:{Config(){},Queue(){},Startup:{signal:{Interest(told){setTimeout(told,0,'End')}}}}}"


@contextmanager
def served(course: Path) -> Iterator[str]:
    """A Jupyter server with formgrader for a course folder; gives its address. Raises RuntimeError where it ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as private:
        server = {"port": port, "port_retries": 0, "ip": "127.0.0.1", "open_browser": False, "allow_root": True}
        wanted = {"nbgrader.server_extensions.formgrader": True, "jupyterlab": False, "notebook": False}
        unwanted = {"jupyter_lsp": False, "jupyter_server_terminals": False, "notebook_shim": False, "jupytext": False}
        server |= {"jpserver_extensions": wanted | unwanted, "root_dir": str(course)}
        settings = {"ServerApp": server, "IdentityProvider": {"token": ""}}
        (Path(private) / "jupyter_server_config.json").write_text(json.dumps(settings))
        places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, **dict.fromkeys(places, private), "PATH": path}
        with (Path(private) / "log").open("w+") as log:
            command = [sys.executable, "-m", "jupyter_server"]
            running = subprocess.Popen(command, cwd=course, env=environment, stdout=log, stderr=log)
            try:
                address = f"http://127.0.0.1:{port}"
                _wait_for(address, running, Path(private) / "log")
                yield address
            finally:
                running.terminate()
                running.wait(timeout=20)


def _wait_for(address: str, running: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/formgrader/", timeout=20):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the Jupyter server did not answer:\n{log.read_text()[-3000:]}")


@contextmanager
def browser(width: int = 1200, height: int = 900) -> Iterator[Page]:
    """A page of a headless Chromium that reaches this machine only. An error of a page's own script raises."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        chromium = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(20_000)
        page.route(lambda url: "127.0.0.1" not in url, lambda route: route.abort())
        page.route("**/mathjax/**", lambda route: route.fulfill(body=_MATHJAX, content_type="text/javascript"))
        try:
            yield page
        finally:
            chromium.close()


def open_list(page: Page, address: str, slug: str) -> None:
    """formgrader's list of everybody's work on an exercise, names shown."""
    page.goto(f"{address}/formgrader/gradebook/{slug}/{slug}")
    page.locator("a.name-hidden").first.wait_for()
    page.get_by_text("Show All Names").click()


def open_submission(page: Page, address: str, slug: str, student: str) -> None:
    """A student's notebook, from the list and as a person clicks, all scores loaded."""
    open_list(page, address, slug)
    page.locator("a.name-shown", has_text=student).click()
    page.wait_for_function("window.formgrader && formgrader.grades?.loaded && formgrader.comments?.loaded")
    page.wait_for_function("formgrader.loaded && [...document.images].every(image => image.complete)")


def mark(page: Page, check: str, points: float, comment: str) -> None:
    """What a person does: type points and a comment, leave the field, see that both are saved."""
    for field, text in ((f"#{check}", f"{points:g}"), (f"#{check}-comment", comment)):
        with page.expect_response(lambda answer: answer.request.method == "PUT") as saved:
            page.locator(field).fill(text)
            page.locator(field).blur()
        if not saved.value.ok:
            raise RuntimeError(f"formgrader did not save {field}: {saved.value.status}")


def class_to_show(folder: Path) -> Path:
    """The sample class on `noise`, released and graded by netlens; the one who attacks is left out."""
    from netlens_core.grading.course import Course
    from netlens_core.grading.gradebook import Gradebook
    from netlens_core.grading.release import release
    from netlens_core.grading.sample import build_sample_course

    course = Course(build_sample_course(folder / "course", ["noise"]))
    for student in ("mallory", "emil"):
        shutil.rmtree(course.folder / "submitted" / student)
    release(course, [])
    book = Gradebook(course, "full")
    for _ in book.grade(book.pending(), workers=1):
        pass
    book.write_views()
    return course.folder


def main() -> None:
    """Write the pictures of docs/nbgrader.md."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        course = class_to_show(Path(folder))
        with served(course) as address, browser(width=1000, height=860) as page:
            open_list(page, address, "noise")
            shoot(page, "list")
            open_submission(page, address, "noise", "žofie")
            shoot(page, "check", "#test_what_is_it")
            open_submission(page, address, "noise", "ada")
            mark(page, "test_resembles", 1.5, "Right. And what does softmax have to do with it?")
            shoot(page, "answer", "#test_resembles")


def shoot(page: Page, name: str, field: str = "") -> None:
    """Write the window as a PNG, a field of a score near its top."""
    if field:
        page.evaluate(
            "field => { const at = document.querySelector(field).closest('.cell').getBoundingClientRect();"
            " jQuery('body, html').stop(); window.scrollTo(0, at.top + window.scrollY - 70); }",
            field,
        )
        page.wait_for_timeout(1500)  # formgrader scrolls by itself, and fades what it tells
    few_colours = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(128)
    path = PICTURES / f"formgrader-{name}.png"
    few_colours.save(path, optimize=True)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
