"""What the student kit holds: these files, and of each exercise what students may know.

A file that they import and that is missing here, or one here that nothing imports, fails the tests.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from babel.messages.pofile import read_po, write_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parents[1]
COURSE = "netlens_core/_course"
FILES = (
    # in notebooks: the check, the networks, the pictures
    *("netlens/__init__.py", "netlens/finding.py", "netlens/panel.py", "netlens/result.py", "netlens/running.py"),
    *("netlens_core/__init__.py", "netlens_core/networks.py", "netlens_core/images.py", "netlens_core/daisies.py"),
    *(
        "netlens_core/picture_files.py",
        "netlens_core/paintings.py",
        "netlens_core/digits.py",
        "netlens_core/own_inputs.py",
    ),
    *("netlens_core/languages.py", "netlens_core/locale/cs.po"),
    # the commands
    *("netlens/command.py", "netlens_core/commands/__init__.py", "netlens_core/commands/shared.py"),
    *("netlens_core/progress.py", "netlens_core/commands/displays.py", "netlens_core/commands/encoding.py"),
    *("netlens_core/commands/check.py", "netlens_core/commands/inputs.py", "netlens_core/commands/networks.py"),
    # a student's own check: reading a notebook, putting locked cells back, running it in grading's sandbox
    *(
        f"netlens_core/grading/{name}.py"
        for name in (
            *("__init__", "cell_names", "check_run", "conflicts", "course_folder", "decoding", "executed", "files"),
            *("intake", "missing_names", "notebooks", "other_packages", "plain_text", "public_checks"),
            *("public_course", "reference_speed"),
            *("restoring", "scratch", "self_check", "sheets", "suggestions", "templates", "unzip", "yaml_reading"),
        )
    ),
    *(
        f"netlens_core/grading/sandbox/{name}.py"
        for name in (
            *("__init__", "box", "cgroups", "child", "claims", "counted_time", "levels", "limits", "outcomes"),
            *("session", "unlocked", "warm_process"),
        )
    ),
    *(
        f"netlens_core/grading/sandbox/inside/{name}.py"
        for name in (
            *("__init__", "alone", "confine", "copying", "errors", "notebook", "printed", "processes", "refusals"),
            *("student", "syscalls", "values", "warm", "wire", "words"),
        )
    ),
)


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Names every file of the wheel; those that are made for it lie in a folder of their own meanwhile."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._made = tempfile.TemporaryDirectory(prefix="netlens-kit-")
        files = {str(ROOT / name): name for name in FILES}
        files[str(ROOT / "LICENSE")] = "netlens/LICENSE"
        files[str(ROOT / "course.yaml")] = f"{COURSE}/course.yaml"
        course = yaml.safe_load((ROOT / "course.yaml").read_text(encoding="utf-8"))
        for slug in course["exercises"]:
            source, made = ROOT / "assignments" / slug, Path(self._made.name) / slug
            made.mkdir()
            write_public_sheet(source / "exercise.yaml", made / "exercise.yaml")
            files[str(source / "template.py")] = f"{COURSE}/assignments/{slug}/template.py"
            for catalog in source.glob("*.po"):
                write_public_catalog(catalog, made / catalog.name, source / "exercise.yaml")
            files |= {str(path): f"{COURSE}/assignments/{slug}/{path.name}" for path in made.iterdir()}
        build_data["force_include"] |= files

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._made.cleanup()


def write_public_sheet(source: Path, target: Path) -> None:
    """An exercise's sheet without what graders alone need: hidden inputs, networks beside the target, rubrics."""
    sheet = yaml.safe_load(source.read_text(encoding="utf-8"))
    public = {key: sheet[key] for key in ("title", "functions", "limits") if key in sheet}
    inputs = {name: spec for name, spec in sheet.get("inputs", {}).items() if spec["whose"] != "hidden"}
    answers = sheet.get("answers", {})
    questions = (
        answers
        if isinstance(answers, list)
        else {
            name: {"question": spec["question"]} if spec and "question" in spec else {}
            for name, spec in answers.items()
        }
    )
    public |= {"inputs": inputs, "answers": questions}
    target.write_text(yaml.safe_dump(public, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


def write_public_catalog(source: Path, target: Path, sheet: Path) -> None:
    """The translation of an exercise's title: the others are of what graders say."""
    with source.open("rb") as file:
        catalog = read_po(file, locale=source.stem)
    title = yaml.safe_load(sheet.read_text(encoding="utf-8"))["title"]
    for message in [message for message in catalog if message.id and message.id != title]:
        catalog.delete(message.id)
    with target.open("wb") as file:
        write_po(file, catalog, omit_header=True, no_location=True)
