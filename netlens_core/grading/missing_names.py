"""Why a name that graders or public checks ask for is not there: which cell should define it, and what became of it.

Read from the notebook's source and from how its cells ran; sources may be anything, and are never run here.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netlens_core.grading.cell_names import names_of, parsed
from netlens_core.grading.intake import Cell
from netlens_core.grading.plain_text import plain
from netlens_core.grading.restoring import template_cells
from netlens_core.grading.sandbox.outcomes import CellRun, Outcome
from netlens_core.languages import translate

_NOT_DEFINED = re.compile(r"NameError: name '(\w{1,80})' is not defined")
_SIMILAR = 0.75


@dataclass(frozen=True)
class RanNotebook:
    """A notebook with how its cells ran.

    Attributes:
        cells: all of its cells, those with text included.
        runs: how the code cells ran, in their order, as far as they did.
        template: the exercise's template, or only its code; empty where there is none.
    """

    cells: Sequence[Cell]
    runs: Sequence[CellRun]
    template: bytes

    def explained(self, name: str, outcome: Outcome) -> Outcome:
        """The answer to a request for `name`; where that or something that it uses is not defined, with the cause."""
        if outcome.status not in ("missing", "error"):
            return outcome
        message = outcome.message
        if outcome.status == "missing":
            message = self._no_function(name, message) if outcome.value else self.why_missing(name) or message
        elif not_defined := _NOT_DEFINED.search(message.partition("\n")[0]):
            first, line_feed, trace = message.partition("\n")
            why = self.why_missing(not_defined[1])
            message = f"{first}. {why}{line_feed}{trace}" if why else message
        return Outcome(outcome.status, message=message)

    def of_error(self, error: str) -> str:
        """An error of a check's cell; where it is about a name that is not defined, the cause instead."""
        found = _NOT_DEFINED.match(error)
        return (self.why_missing(found[1]) if found else "") or error

    def why_missing(self, name: str) -> str:
        """Why a name is not defined, in a sentence for the student; empty where nothing tells."""
        what = f"`{plain(name, 80)}`"
        meant = [part.name for part in template_cells(self.template) if name in names_of(part.source).bound]
        code = [(cell, run) for cell, run in self._ran() if _defines(cell.source, name)]
        code += [(cell, run) for cell, run in self._ran() if cell.grade_id in meant]
        for cell, run in code:
            if run is not None and run.error:
                return translate(
                    "{name} was not defined, because {cell} raised {error}",
                    name=what,
                    cell=_place(cell),
                    error=run.error,
                )
        return self._by_source(name, what) or self._by_template(name, what, meant)

    def _ran(self) -> list[tuple[Cell, CellRun | None]]:
        code = [cell for cell in self.cells if cell.kind == "code"]
        return list(zip(code, [*self.runs, *[None] * len(code)], strict=False))

    def _by_source(self, name: str, what: str) -> str:
        """What the code cells say, all of which ran without an error as far as they matter."""
        others: dict[str, Cell] = {}
        for cell, _ in reversed(self._ran()):
            tree = parsed(cell.source)
            if tree is None:
                continue
            if any(isinstance(n, ast.Delete) and name in map(_deleted, n.targets) for n in ast.walk(tree)):
                return translate("{name} is missing: {cell} deletes it.", name=what, cell=_place(cell))
            if name in names_of(cell.source).bound:
                return translate(
                    "{name} is missing: {cell} defines it only under a condition, which did not hold.",
                    name=what,
                    cell=_place(cell),
                )
            if outer := next((outer for inner, outer in _inner_functions(tree) if inner == name), ""):
                return translate(
                    "{name} is missing: {cell} defines it inside of `{outer}`. Define it at the top level of the cell.",
                    name=what,
                    cell=_place(cell),
                    outer=plain(outer, 80),
                )
            others |= dict.fromkeys(names_of(cell.source).bound, cell)
        ours = {bound for part in template_cells(self.template) for bound in names_of(part.source).bound}
        if other := _similar(name, [bound for bound in others if bound not in ours]):
            return translate(
                "{name} is missing: {cell} defines `{other}`. Names have to be as they were handed out.",
                name=what,
                cell=_place(others[other]),
                other=plain(other, 80),
            )
        return ""

    def _by_template(self, name: str, what: str, meant: Sequence[str]) -> str:
        """What became of the cell that was handed out for it."""
        for cell in self.cells:
            if cell.kind != "code" and (cell.grade_id in meant or _defines(cell.source, name)):
                return translate(
                    "{name} was not defined, because {cell} is no code cell any more: make it one again, and run it.",
                    name=what,
                    cell=translate("the cell “{cell}”", cell=cell.grade_id or name),
                )
        for cell in self.cells:
            if cell.grade_id in meant:
                return translate("{name} is missing: {cell} does not define it.", name=what, cell=_place(cell))
        for lost in meant:
            return translate(
                "{name} is missing, because the cell “{cell}” is: put it back, or define it in a cell of your own.",
                name=what,
                cell=lost,
            )
        return ""

    def _no_function(self, name: str, message: str) -> str:
        for cell, _ in reversed(self._ran()):
            if name in names_of(cell.source).bound:
                last = translate("It was last defined by {cell}.", cell=_place(cell))
                return f"{message} {last}"
        return message


def _place(cell: Cell) -> str:
    """A cell as a student finds it: by its number among the code cells, and the name it was handed out with."""
    name = plain(cell.grade_id, 60) if cell.grade_id else ""
    if not cell.number:
        return translate("the cell “{cell}”", cell=name) if name else translate("a cell")
    if not name:
        return translate("cell {number}", number=cell.number)
    return translate("cell {number} (“{name}”)", number=cell.number, name=name)


def _defines(source: str, name: str) -> bool:
    """Whether a cell was meant to define a name: read as Python, else as text."""
    if parsed(source) is not None:
        return name in names_of(source).bound
    wanted = re.escape(name)
    return bool(re.search(rf"^\s*(?:(?:async\s+)?def|class)\s+{wanted}\b|^{wanted}\s*[:=]", source, re.MULTILINE))


def _deleted(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else ""


def _inner_functions(tree: ast.AST, outer: str = "") -> Iterator[tuple[str, str]]:
    """(function, the function or class that it stands in) for all functions that do."""
    for node in ast.iter_child_nodes(tree):
        name = (
            getattr(node, "name", "") if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) else ""
        )
        if name and outer:
            yield name, outer
        yield from _inner_functions(node, name or outer)


def _similar(name: str, others: Sequence[str]) -> str:
    """The name that was most likely meant; empty where none is alike."""
    same = [other for other in others if other.casefold().replace("_", "") == name.casefold().replace("_", "")]
    return next(iter(same or difflib.get_close_matches(name, others, 1, _SIMILAR)), "")
