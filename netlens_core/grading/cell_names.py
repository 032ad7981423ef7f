"""What a cell's source defines and uses, and what was added to it: read, never run.

Sources come from students and may be anything: what is no Python, too long or too deep has no names.
"""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_TOO_LONG = 100_000  # characters of a cell; longer ones are not looked into
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_MAGIC = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)


@dataclass(frozen=True)
class Names:
    """Names of the notebook that a cell binds (by `=`, `def`, `class`, `import`, …), and those that it uses."""

    bound: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()

    @property
    def needed(self) -> frozenset[str]:
        """What must have been bound before."""
        return self.used - self.bound


def names_of(source: str) -> Names:
    """The names of the notebook in a cell's source."""
    for text in _readings(source):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an odd escape in a string is nobody's business here
                return _names(symtable.symtable(text, "cell", "exec"))
        except _UNREADABLE:
            continue
    return Names()


def _readings(source: str) -> Iterator[str]:
    """The source as it is, then without IPython's lines (`%matplotlib inline`, `!ls`)."""
    if len(source) <= _TOO_LONG:
        yield source
        yield _MAGIC.sub(r"\1pass", source)


def _names(top: symtable.SymbolTable) -> Names:
    bound = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    inner = list(top.get_children())
    while inner:
        table = inner.pop()
        inner += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                used.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                bound.add(symbol.get_name())
    return Names(frozenset(bound), frozenset(used))


def parsed(source: str) -> ast.Module | None:
    """A cell's syntax tree; None where it is no Python, too long or too deep."""
    for text in _readings(source):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(text)
        except _UNREADABLE:
            continue
    return None


def added_to(released: str, source: str) -> str | None:
    """The statements of a cell that the released one does not have, as written; None where the two do the same.

    Empty where statements were only taken away, or where the source is no Python.
    """
    theirs, ours = _statements(source), _statements(released)
    if theirs is None or ours is None:
        return ""
    left = Counter(dump for dump, _ in ours)
    if [dump for dump, _ in theirs] == [dump for dump, _ in ours]:
        return None
    added = []
    for dump, text in theirs:
        if left[dump]:
            left[dump] -= 1
        else:
            added.append(text)
    return "\n".join(added)


def _statements(source: str) -> list[tuple[str, str]] | None:
    """The statements at a cell's top level: what they mean, and their text."""
    for text in _readings(source):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                body = ast.parse(text).body
            lines = [line.encode() for line in text.split("\n")]
            return [(ast.dump(statement), _text(lines, statement)) for statement in body]
        except _UNREADABLE:
            continue
    return None


def _text(lines: list[bytes], statement: ast.stmt) -> str:
    decorators = getattr(statement, "decorator_list", [])
    end = statement.end_lineno or statement.lineno
    if decorators:
        return b"\n".join(lines[decorators[0].lineno - 1 : end]).decode()
    chosen = lines[statement.lineno - 1 : end]
    chosen[-1] = chosen[-1][: statement.end_col_offset]
    chosen[0] = chosen[0][statement.col_offset :]
    return b"\n".join(chosen).decode()
