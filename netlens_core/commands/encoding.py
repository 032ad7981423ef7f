"""Output where the terminal or the locale does not know every character, such as under LC_ALL=C."""

from __future__ import annotations

import codecs
import contextlib
import os
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


_RESTARTED = "NETLENS_RESTARTED_IN_UTF8"


def restart_in_utf8() -> None:
    """Begin again, once, where Python takes names of files for something else than UTF-8.

    Under `LC_ALL=C PYTHONUTF8=0` or an old Latin locale, a student's name would be another one than anywhere else, and
    so would be what their inputs derive from.
    """
    begun_again = os.environ.pop(_RESTARTED, None)
    if sys.getfilesystemencoding().lower() not in ("utf-8", "utf8") and begun_again is None:
        os.environ |= {"PYTHONUTF8": "1", _RESTARTED: "1"}
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


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
