"""Text from outside made harmless: for terminals, reports, file names' display and messages."""

from __future__ import annotations

import unicodedata

# Categories that move the cursor, hide, reorder or break text: control, format (bidi, zero width), surrogates,
# private use and unassigned characters, line and paragraph separators.
_HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(text: str, limit: int = 2000) -> str:
    """The text with everything harmful shown as an escape such as `\\x1b`, cut to `limit` characters.

    Line feeds and tabs stay; everything else that is printable stays as it is.
    """
    cut = text[: limit + 1]
    shown = "".join(
        c if c in "\n\t" or unicodedata.category(c) not in _HARMFUL else c.encode("unicode_escape").decode()
        for c in cut.replace("\r\n", "\n")
    )
    return shown if len(shown) <= limit and len(text) <= limit else shown[: limit - 1] + "…"


def one_line(text: str, limit: int = 2000) -> str:
    """As `plain`, with line feeds and tabs as escapes too: names of folders may hold them."""
    return plain(text, limit).replace("\n", "\\n").replace("\t", "\\t")
