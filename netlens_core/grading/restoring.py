"""Locked cells as they were handed out: put back where a student changed, doubled or deleted them.

A submission that was made from the template is known by its cells' names (`grade_id`), or, where those were lost, by
what stands in the cells. Any other gets only those locked cells that it builds on, as in a student's own check. What is
not the template's stays in its order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from netlens_core.grading.cell_names import added_to, names_of
from netlens_core.grading.intake import Cell, Submission
from netlens_core.grading.plain_text import plain
from netlens_core.languages import ngettext, translate

_MOST_LISTED = 8


@dataclass(frozen=True)
class TemplateCell:
    """A code cell of a template: its name, whether students may change it, and whether it is a check."""

    name: str
    source: str
    locked: bool
    graded: bool


@dataclass
class _Found:
    """A code cell on its way: `part` is the template's cell that it is, `extra` what was kept of another one."""

    cell: Cell
    part: TemplateCell | None = None
    extra: bool = False


def code_of(template: bytes) -> bytes:
    """A template (percent file) without its text: what determines how submissions are restored."""
    cells = re.split(r"(?m)^(?=# %%)", template.decode("utf-8", "replace"))
    return "".join(cell for cell in cells if not re.match(r"# %%.*\[(markdown|md|raw)\]", cell)).encode()


@lru_cache(maxsize=64)
def template_cells(template: bytes) -> tuple[TemplateCell, ...]:
    """The named code cells of a template, in order; each template is read once a process."""
    import jupytext

    found = []
    for cell in jupytext.reads(template.decode(), fmt="py:percent").cells:
        about: dict[str, Any] = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and about.get("grade_id"):
            locked, graded = bool(about.get("locked")), bool(about.get("grade"))
            found.append(TemplateCell(str(about["grade_id"]), cell.source, locked, graded))
    return tuple(found)


def as_released(submission: Submission, template: bytes, wanted: Collection[str], *, whole: bool = False) -> Submission:
    """A submission with its locked cells as they were handed out, and notes that say what was put back.

    Args:
        template: the exercise's template, or only its code; empty where there is none.
        wanted: the names that graders ask for: the exercise's functions, and `answers`.
        whole: put back every locked cell that was deleted. Otherwise only those that the rest of the notebook needs:
            graders call functions, and have checks of their own.
    """
    if submission.refusal or not template:
        return submission
    restoring = _Restoring(template_cells(template), frozenset(wanted))
    cells = restoring.restored(submission.cells, whole)
    return replace(submission, cells=tuple(cells), notes=(*submission.notes, *restoring.notes))


@dataclass
class _Restoring:
    template: tuple[TemplateCell, ...]
    wanted: frozenset[str]
    notes: list[str] = field(default_factory=list)

    def restored(self, cells: Sequence[Cell], whole: bool) -> list[Cell]:
        found = self._recognised(cells, whole)
        from_template = whole or any(entry.part for entry in found)
        found = self._unlocked_once(self._locked_once(found))
        self._put_back(found, whole, from_template)
        if from_template:
            self._tell_turned(found)
            self._tell_missing(found)
        return [entry.cell for entry in found]

    # -- which cell is which -----------------------------------------------------------------------------

    def _recognised(self, cells: Sequence[Cell], whole: bool) -> list[_Found]:
        by_name = {part.name: part for part in self.template}
        found = [_Found(cell, by_name.get(cell.grade_id or "")) for cell in cells]
        nameless = [entry for entry in found if entry.part is None and entry.cell.kind == "code"]
        present = {entry.part.name for entry in found if entry.part}
        lost = [part for part in self.template if part.name not in present]
        known = [self._claimed(part, nameless) for part in lost if part.locked]
        if whole or present or any(known):  # a file that has nothing of the template but a function is none of ours
            known += [self._claimed(part, nameless) for part in lost if not part.locked]
        names = [name for name in known if name]
        if names and (present or any(part.locked and part.name in names for part in lost)):
            self._say(
                ngettext(
                    "A cell had lost its name in the notebook's metadata; it was known by what stands in it: {cells}.",
                    "{count} cells had lost their names in the notebook's metadata; they were known by what stands in "
                    "them: {cells}.",
                    len(names),
                    cells=_listed(names),
                )
            )
        return found

    def _claimed(self, part: TemplateCell, nameless: list[_Found]) -> str:
        """Find the cell that is a part of the template, though it does not say so; its name, or an empty one."""
        for entry in nameless:
            if part.locked:
                same = _same(entry.cell.source, part.source)
            else:
                same = bool(bound := self._provides(part)) and bound <= names_of(entry.cell.source).bound
            if entry.part is None and same:
                entry.part, entry.cell = part, replace(entry.cell, grade_id=part.name)
                return part.name
        return ""

    def _provides(self, part: TemplateCell) -> frozenset[str]:
        """What graders ask for that stands in one of the cells that students fill in."""
        return names_of(part.source).bound & self.wanted

    # -- locked cells ------------------------------------------------------------------------------------

    def _locked_once(self, found: list[_Found]) -> list[_Found]:
        """Every locked cell once and as it was handed out, with what a student had added beside it."""
        counts = Counter(entry.part.name for entry in found if entry.part and entry.part.locked)
        own = [entry.cell for entry in found if entry.cell.kind == "code" and not (entry.part and entry.part.locked)]
        used = [names_of(cell.source).used for cell in own] if self._any_changed(found) else []
        asked = self.wanted.union(*used)
        kept: list[_Found] = []
        seen: set[str] = set()
        for entry in found:
            part = entry.part
            if part is None or not part.locked:
                kept.append(entry)
                continue
            added = self._added(entry.cell, part, asked, again=part.name in seen)
            number = entry.cell.number
            extra = [_Found(Cell("code", added, number=number), extra=True)] if added else []
            again = [] if part.name in seen else [_Found(Cell("code", part.source, part.name, number), part)]
            seen.add(part.name)
            # What a check calls must be there before it; what was added to other cells may build on them.
            kept += [*extra, *again] if part.graded else [*again, *extra]
        for name, count in counts.items():
            if count > 1:
                self._say(
                    translate(
                        "The cell “{cell}”, which is locked, was there {count} times; it was run once.",
                        cell=name,
                        count=count,
                    )
                )
        return kept

    def _any_changed(self, found: list[_Found]) -> bool:
        return any(e.part and e.part.locked and not _same(e.cell.source, e.part.source) for e in found)

    def _added(self, cell: Cell, part: TemplateCell, asked: frozenset[str], again: bool) -> str:
        """What to keep of a changed cell: the code that was added, where it defines what the rest asks for."""
        if cell.kind == "code" and _same(cell.source, part.source):
            return ""
        added = added_to(part.source, cell.source) if cell.kind == "code" else ""
        if added is None or (again and not added):  # spelt differently but the same; half of a cell that was split
            return ""
        released, theirs = names_of(part.source).bound, names_of(added).bound
        new, changed = (theirs - released) & asked, theirs & released & asked
        said = [
            translate(
                "The cell “{cell}”, which is locked, was not as handed out; the original was run.", cell=part.name
            )
        ]
        if new:
            said.append(translate("What you added there was run as a cell of its own: {names}.", names=_listed(new)))
        if changed:
            said.append(translate("Your code uses {names} from it, as the original has it.", names=_listed(changed)))
        self._say(" ".join(said))
        return added if new else ""

    def _put_back(self, found: list[_Found], whole: bool, from_template: bool) -> None:
        present = {entry.part.name for entry in found if entry.part}
        lost = [part for part in self.template if part.locked and part.name not in present]
        if not lost:
            return
        some_are_there = any(entry.part and entry.part.locked for entry in found)
        back = lost if whole else self._needed(found, lost)
        for part in back:
            self._insert(found, part)
        if back and (some_are_there or not whole):
            self._say(
                ngettext(
                    "A locked cell was missing; it was put back: {cells}.",
                    "{count} locked cells were missing; they were put back: {cells}.",
                    len(back),
                    cells=_listed([part.name for part in back]),
                )
            )
        left = [part.name for part in lost if part not in back]
        if left and from_template and (some_are_there or back):
            self._say(
                ngettext(
                    "A locked cell is missing; grading does not need it: {cells}.",
                    "{count} locked cells are missing; grading does not need them: {cells}.",
                    len(left),
                    cells=_listed(left),
                )
            )

    def _needed(self, found: list[_Found], lost: list[TemplateCell]) -> list[TemplateCell]:
        """Of the deleted cells, those that define what the rest of the notebook uses, or what they use themselves."""
        names = [names_of(entry.cell.source) for entry in found if entry.cell.kind == "code"]
        used = {name for cell in names for name in cell.used}
        bound = {name for cell in names for name in cell.bound}
        chosen: list[TemplateCell] = []
        while True:
            more = [part for part in lost if part not in chosen and names_of(part.source).bound & (used - bound)]
            if not more:
                return [part for part in lost if part in chosen]
            chosen += more
            for part in more:
                used |= names_of(part.source).used
                bound |= names_of(part.source).bound

    def _insert(self, found: list[_Found], part: TemplateCell) -> None:
        """Put a deleted cell behind the one that it followed, and behind whatever defines what it uses."""
        order = [other.name for other in self.template]
        before, needs = set(order[: order.index(part.name)]), names_of(part.source).needed
        place = 0
        for number, entry in enumerate(found, 1):
            follows = entry.part is not None and entry.part.name in before
            defines = entry.cell.kind == "code" and bool(needs & names_of(entry.cell.source).bound)
            if follows or defines:
                place = number
        while place < len(found) and found[place].extra:  # what was added to a cell stays beside it
            place += 1
        found.insert(place, _Found(Cell("code", part.source, part.name), part))

    # -- cells that students fill in ---------------------------------------------------------------------

    def _unlocked_once(self, found: list[_Found]) -> list[_Found]:
        """Copies of a cell: those that were never filled in go, of the others the last one keeps the name."""
        for part in self.template:
            copies = [entry for entry in found if entry.part is part and not part.locked]
            if len(copies) < 2:
                continue
            filled = [entry for entry in copies if not _same(entry.cell.source, part.source)] or copies[-1:]
            defining = [entry for entry in filled if self._provides(part) & names_of(entry.cell.source).bound]
            last = (defining or filled)[-1]
            stay = {id(entry) for entry in filled}
            found = [entry for entry in found if entry.part is not part or id(entry) in stay]
            for entry in filled:
                if entry is not last:
                    entry.part, entry.cell = None, replace(entry.cell, grade_id=None)
            self._say(_told_of_copies(part.name, len(copies), len(filled)))
        return found

    def _tell_missing(self, found: list[_Found]) -> None:
        present = {entry.part.name for entry in found if entry.part}
        lost = [part for part in self.template if not part.locked and part.name not in present]
        if not lost:
            return
        bound = frozenset().union(*(names_of(e.cell.source).bound for e in found if e.cell.kind == "code"))
        for part in lost:
            if missing := self._provides(part) - bound:
                self._say(
                    translate(
                        "The cell “{cell}” is missing, and nothing else defines {names}: the checks of it fail. Put it "
                        "back, and hand in again.",
                        cell=part.name,
                        names=_listed(missing),
                    )
                )

    def _tell_turned(self, found: list[_Found]) -> None:
        """Cells to be filled in that are no code any more: Jupyter's key M is enough."""
        for entry in found:
            if entry.part and not entry.part.locked and entry.cell.kind != "code":
                self._say(
                    translate(
                        "The cell “{cell}” is no code cell any more, so that it is not run: make it one again.",
                        cell=entry.part.name,
                    )
                )

    def _say(self, note: str) -> None:
        self.notes.append(note)


def _told_of_copies(name: str, count: int, filled: int) -> str:
    if filled == 1:
        return translate(
            "The cell “{cell}” is there {count} times; the one that you filled in was run.", cell=name, count=count
        )
    return translate(
        "The cell “{cell}” is there {count} times; all were run, from top to bottom, so that the last one counts.",
        cell=name,
        count=count,
    )


def _same(source: str, released: str) -> bool:
    """Whether two sources are the same but for blanks at the ends of lines."""
    return source == released or _lines(source) == _lines(released)


def _lines(source: str) -> list[str]:
    return [line.rstrip() for line in source.strip().split("\n")]


def _listed(names: Collection[str]) -> str:
    shown = names if isinstance(names, list) else sorted(names)
    listed = ", ".join(plain(name, 60) for name in shown[:_MOST_LISTED])
    return listed + (", …" if len(shown) > _MOST_LISTED else "")
