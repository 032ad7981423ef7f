"""Suggestions for misspelt names: "did you mean …?"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from netlens_core.languages import translate


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name that a wrong one is most like, case and hyphens apart; None where none is near."""
    names = {_folded(name): name for name in known}
    close = difflib.get_close_matches(_folded(wrong), names, 1, cutoff=0.6)
    if close:
        return names[close[0]]
    inside = [name for folded, name in names.items() if len(folded) > 2 and folded in _folded(wrong)]
    return max(inside, key=len, default=None)  # such as `noise` in "hw3-noise"


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean 'noise'?` to end a message with; empty where no known name is near."""
    found = nearest(wrong, known)
    return translate("; did you mean {name}?", name=repr(found)) if found else ""


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")
