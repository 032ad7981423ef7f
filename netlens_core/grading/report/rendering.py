"""The templates' surroundings: everything that they print is made harmless and escaped, unless it is Markup of ours.

`_("…", name=value)` and `ngettext("{count} check", "{count} checks", count)` say a text in the language that is spoken.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from netlens_core.grading.changes import in_words
from netlens_core.grading.plain_text import plain
from netlens_core.grading.report import numbers, words
from netlens_core.languages import ngettext, spoken, translate

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_TEXT = 5000  # characters


def render(template: str, **values: Any) -> str:
    """A page, as HTML, in the language that is spoken."""
    said = {"language": spoken(), "check_words": words.check_words()}
    return _environment().get_template(template).render(**said, **values)


def _translated(text: str, /, **values: Any) -> Markup:
    return Markup(translate(text)).format(**{name: _harmless(value) for name, value in values.items()})


def _counted(one: str, many: str, count: int, /, **values: Any) -> Markup:
    unfilled = {name: f"{{{name}}}" for name in values}
    text = ngettext(one, many, count, **unfilled)
    return Markup(text).format(**{name: _harmless(value) for name, value in values.items()})


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
        _=_translated,
        ngettext=_counted,
        grade_word=words.grade_word,
        late_words=words.late_words,
        in_words=in_words,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
    )
    return environment
