"""Output where the terminal or the locale does not know every character, such as under LC_ALL=C."""

from __future__ import annotations

import codecs
import contextlib
import sys
from typing import TextIO

_ASCII = {
    "…": "...",
    "·": "-",
    "–": "-",
    "—": "-",
    "→": "->",
    "×": "x",
    "✓": "+",
    "✗": "x",
    "≥": ">=",
    "≤": "<=",
    "„": '"',
    "“": '"',
    "”": '"',
    "’": "'",
    "\N{NO-BREAK SPACE}": " ",
}


def print_everywhere() -> None:
    """From now on, what standard output and error cannot encode is written in ASCII instead of raising an error."""
    codecs.register_error("netlens", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        # Not one that a test put in its place, nor one that cannot be set anew.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors="netlens")  # type: ignore[union-attr]


def is_unicode(stream: TextIO) -> bool:
    """Whether a stream takes every character."""
    return (getattr(stream, "encoding", None) or "").lower().startswith("utf")


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    # Signs by what they look like; letters as escapes, so that two students' names stay two.
    bad = error.object[error.start : error.end]
    return "".join(_ASCII.get(c) or c.encode("ascii", "backslashreplace").decode() for c in bad), error.end
