"""Merge conflicts that Git (or nbdime) left in a file: both versions of it."""

from __future__ import annotations

import re

_MARKER = re.compile(r"^(?:<{7}|>{7})(?: .*)?$", re.MULTILINE)


def conflict_at(text: str) -> int:
    """The line, from 1, of the first marker of a conflict; 0 where there is none. A lone `=======` may be a heading."""
    found = _MARKER.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def both_versions(text: str) -> tuple[str, str] | None:
    """The text as the upper sides of its conflicts have it (one's own), and as the lower ones do.

    None where markers are missing or out of order.
    """
    upper: list[str] = []
    lower: list[str] = []
    state = "both"
    for line in text.split("\n"):
        marker = line[:7] if line[7:8] in ("", " ") else ""
        if marker == "<<<<<<<" and state == "both":
            state = "upper"
        elif marker == "|||||||" and state == "upper":
            state = "base"
        elif line == "=======" and state in ("upper", "base"):
            state = "lower"
        elif marker == ">>>>>>>" and state == "lower":
            state = "both"
        elif marker in ("<<<<<<<", ">>>>>>>"):
            return None
        else:
            if state in ("both", "upper"):
                upper.append(line)
            if state in ("both", "lower"):
                lower.append(line)
    return ("\n".join(upper), "\n".join(lower)) if state == "both" else None
