"""The templates' surroundings: everything that they print is made harmless and escaped, unless it is Markup of ours."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from netlens_core.grading.plain_text import plain
from netlens_core.grading.report import numbers, words

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_TEXT = 5000  # characters


def render(template: str, **values: Any) -> str:
    """A page, as HTML."""
    return _environment().get_template(template).render(**values)


def _harmless(value: Any) -> Any:
    return plain(value, LONGEST_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        cut=plain,
        number=numbers.number,
        points=numbers.points,
        percent=numbers.percent,
        share=numbers.share,
        measured=numbers.measured,
        requirement=numbers.requirement,
        partly=numbers.partly,
    )
    environment.globals.update(
        scale_of=numbers.scale_of,
        counted=words.counted,
        check_words=words.CHECK_WORDS,
        grade_words=words.GRADE_WORDS,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
    )
    return environment
