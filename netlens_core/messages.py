"""What is to be translated, found in the sources, and what is; for those who keep the catalogs.

python -m netlens_core.messages             brings every catalog up to date, then tells what still has no translation
python -m netlens_core.messages --check     only tells
"""

from __future__ import annotations

import argparse
import ast
import string
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from netlens_core import NetlensError
from netlens_core.languages import ENGLISH, LOCALE, known_languages

if TYPE_CHECKING:
    from babel.messages import Message

PACKAGE = Path(__file__).parent
_PYTHON = {"translate": None, "N_": None, "ngettext": (1, 2), "NN_": (1, 2)}
_TEMPLATE = {"_": None, "ngettext": (1, 2)}
_HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals={forms}; plural={plural};\\n"

"""


@dataclass(frozen=True)
class Text:
    """A text in English that students read; `many` is its other form, where a count decides."""

    one: str
    many: str = ""
    where: str = ""


@dataclass
class Found:
    """The texts of one catalog, and what keeps others from being found, in words."""

    texts: dict[str, Text] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, text: Text) -> None:
        """Remember a text; a form with a count wins over the same text without."""
        if text.one not in self.texts or text.many:
            self.texts[text.one] = text


# -- what netlens says -----------------------------------------------------------------------------------


def own_texts(root: Path) -> Found:
    """What netlens says: in its code and pages, in the graders' shared part, and the title of the shipped course."""
    import yaml

    found = Found()
    for path in sorted([*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "netlens").glob("*.py")]):
        if "_course" not in path.parts:
            _extract(found, "python", path, _PYTHON)
    for path in sorted(PACKAGE.rglob("templates/*.html")):
        _extract(found, "jinja2.ext:babel_extract", path, _TEMPLATE)
    _read_grader(found, root / "graders" / "conftest.py", root)
    found.add(Text(yaml.safe_load((root / "course.yaml").read_text(encoding="utf-8"))["title"], where="course.yaml"))
    return found


def _extract(found: Found, method: str, path: Path, keywords: Mapping[str, tuple[int, int] | None]) -> None:
    from babel.messages.extract import extract

    where = path.relative_to(PACKAGE.parent).as_posix()
    with path.open("rb") as file:
        for _, message, _, _ in extract(method, file, keywords=keywords, options={"encoding": "utf-8"}):
            one, many = (message, "") if isinstance(message, str) else message[:2]
            found.add(Text(one, many, where))


# -- what an exercise says -------------------------------------------------------------------------------


def exercise_texts(slug: str, root: Path) -> Found:
    """What an exercise says: title, questions and rubrics, checks' docstrings, what its grader expects and shows.

    Raises CourseError where its files are missing or wrong.
    """
    from netlens_core.grading.exercise import read_exercise

    exercise = read_exercise(slug, root / "assignments", root / "graders")
    found, grader = Found(), root / "graders" / f"test_{slug}.py"
    asked = [text for answer in exercise.sheet.answers.values() for text in answer.texts]
    for text in (exercise.sheet.title, *asked):
        found.add(Text(text, where=f"assignments/{slug}/exercise.yaml"))
    for check in exercise.checks:
        found.add(Text(check.description, where=grader.relative_to(root).as_posix()))
    _read_grader(found, grader, root)
    return found


def _read_grader(found: Found, path: Path, root: Path) -> None:
    tree, where = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(root).as_posix()
    constants = _bindings(node for node in tree.body if isinstance(node, ast.Assign))
    for function in tree.body:
        bound = _bindings(ast.walk(function), constants)
        for said in (expression for node in ast.walk(function) for expression in _said(node)):
            for text in _literals(said, bound):
                if text is None:
                    found.faults.append(f"{where}, line {said.lineno}: {ast.unparse(said)} is not written out")
                else:
                    found.add(Text(text, where=where))


def _said(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in a call that students read: the name of an expectation or note, a caption, and `of`."""
    if not isinstance(node, ast.Call):
        return
    if ast.unparse(node.func) in ("expect", "expect.note", "figure") and node.args:
        yield node.args[0]
    yield from (keyword.value for keyword in node.keywords if keyword.arg == "of")


_Bound = dict[str, list[ast.expr]]


def _literals(node: ast.expr, bound: _Bound) -> Iterator[str | None]:
    """The texts that an expression may be, one of them or several; None for what is not written out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if node.value:
            yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body, bound)
        yield from _literals(node.orelse, bound)
    elif isinstance(node, ast.Tuple | ast.List):
        for entry in node.elts:
            yield from _literals(entry, bound)
    elif isinstance(node, ast.Subscript):
        yield from _literals(node.value, bound)
    elif isinstance(node, ast.Name) and node.id in bound:
        others = {name: values for name, values in bound.items() if name != node.id}
        for value in bound[node.id]:
            yield from _literals(value, others)
    elif not (isinstance(node, ast.Name) and node.id == "of"):  # a helper's argument: its callers say `of=…`
        yield None


def _bindings(nodes: Iterable[ast.AST], outside: Mapping[str, list[ast.expr]] | None = None) -> _Bound:
    """Name -> what it is bound to, by assignments and by loops over what is written out, here or `outside`."""
    bound: _Bound = {name: list(values) for name, values in (outside or {}).items()}
    loops = []
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            bound.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            loops.append(node)
    for loop in loops:
        parts = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
        for place, part in enumerate(parts):
            if isinstance(part, ast.Name):
                bound.setdefault(part.id, []).extend(_looped(loop.iter, place, len(parts), bound))
    return bound


def _looped(over: ast.expr, place: int, parts: int, bound: _Bound) -> list[ast.expr]:
    """What a loop's variable stands for, the `place`th of several."""
    if isinstance(over, ast.Call) and ast.unparse(over.func) == "zip" and place < len(over.args):
        return _looped(over.args[place], 0, 1, bound)
    if isinstance(over, ast.Name) and parts > 1:
        return [part for value in bound.get(over.id, []) for part in _looped(value, place, parts, {})]
    if isinstance(over, ast.Tuple | ast.List) and parts > 1:
        rows = [row for row in over.elts if isinstance(row, ast.Tuple | ast.List) and place < len(row.elts)]
        return [row.elts[place] for row in rows]
    return [over]


def template_faults(path: Path, language: str) -> list[str]:
    """Where a template's text in a language does not follow its English text, cell by cell and heading by heading."""
    from netlens_core.grading.templates import read_percent

    cells = read_percent(path).cells
    faults = [
        f"{path}: a cell has no language: {_first_line(cell.source)}"
        for cell in cells
        if cell.cell_type == "markdown" and "lang" not in cell.metadata
    ]
    # Places are counted without the cells of the other languages.
    english, other = (
        [(place, cell.source) for place, cell in enumerate(shown) if cell.metadata.get("lang") == wanted]
        for wanted in (ENGLISH.language, language)
        for shown in [[cell for cell in cells if cell.metadata.get("lang") in (None, wanted)]]
    )
    if [place for place, _ in english] != [place for place, _ in other]:
        faults.append(f"{path}: {len(english)} cells in English, {len(other)} in {language}, or in other places")
    faults += [
        f"{path}: other headings in {language} than in {_first_line(one)}"
        for (_, one), (_, two) in zip(english, other, strict=False)
        if _headings(one) != _headings(two)
    ]
    return faults


def _first_line(source: str) -> str:
    return repr(source.partition("\n")[0])


def _headings(source: str) -> list[int]:
    lines = [line for line in source.splitlines() if line.startswith("#")]
    return [len(line) - len(line.lstrip("#")) for line in lines]


# -- catalogs --------------------------------------------------------------------------------------------


def problems(path: Path, language: str, found: Found, elsewhere: Mapping[str, object] | None = None) -> list[str]:
    """What is wrong with a catalog, in words: no translation, one that nobody needs, other `{names}`, too few forms.

    What is translated `elsewhere` need not be again.
    """
    said = [f"{path}: {fault}" for fault in found.faults]
    known = _known(path, language)
    forms = _babel(language).num_plurals
    for text in found.texts.values():
        message = known.pop(text.one, None)
        strings = _strings(message)
        if not strings and text.one in (elsewhere or {}):
            continue
        if not strings or (message and message.fuzzy):
            said.append(f"{path}: no translation of {text.one!r} ({text.where})")
        elif len(strings) != (forms if text.many else 1):
            said.append(f"{path}: {text.one!r} has {len(strings)} forms, not {forms if text.many else 1}")
        elif any(_names(other) != _names(text.many or text.one) for other in strings):
            said.append(f"{path}: other {{names}} in the translation of {text.one!r}")
    said += [f"{path}: nothing says {text!r} any more" for text in known]
    return said


def update(path: Path, language: str, found: Found, elsewhere: Mapping[str, object] | None = None) -> None:
    """Write a catalog anew: every text with its translation, where there is one; nothing else."""
    from babel.messages.pofile import write_po

    known, catalog = _known(path, language), _babel(language)
    for text in found.texts.values():
        old = known.get(text.one)
        if not _strings(old) and text.one in (elsewhere or {}):
            continue
        catalog.add(
            (text.one, text.many) if text.many else text.one,
            old.string if old and bool(text.many) == isinstance(old.id, tuple) else None,
            locations=[(text.where, 0)],
            flags=old.flags & {"fuzzy"} if old else (),
            user_comments=old.user_comments if old else (),
        )
    header = _HEADER.format(language=language, forms=catalog.num_plurals, plural=catalog.plural_expr)
    with path.open("wb") as file:
        file.write(header.encode())
        write_po(file, catalog, width=120, omit_header=True, include_lineno=False)


def _babel(language: str):  # type: ignore[no-untyped-def]
    from babel.messages import Catalog

    return Catalog(locale=language)


def _known(path: Path, language: str) -> dict[str, Message]:
    from babel.messages.pofile import read_po

    if not path.is_file():
        return {}
    with path.open("rb") as file:
        messages = [message for message in read_po(file, locale=language, abort_invalid=True) if message.id]
    return {message.id if isinstance(message.id, str) else message.id[0]: message for message in messages}


def _strings(message: Message | None) -> list[str]:
    if message is None or not message.string:
        return []
    strings = [message.string] if isinstance(message.string, str) else list(message.string)
    return strings if all(strings) else []


def _names(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return {text}


def catalogs(root: Path, language: str) -> Iterator[tuple[Path, Found, dict[str, object]]]:
    """Every catalog of a language: its file, what belongs into it, and what is translated elsewhere already."""
    own = own_texts(root)
    yield LOCALE / f"{language}.po", own, {}
    for path in sorted((root / "assignments").glob("*/exercise.yaml")):
        slug = path.parent.name
        yield path.with_name(f"{language}.po"), exercise_texts(slug, root), dict(own.texts)


def main() -> int:
    """Bring the catalogs up to date, or only check them; 1 where something has no translation."""
    parser = argparse.ArgumentParser(prog="python -m netlens_core.messages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--root", type=Path, default=PACKAGE.parent, help="the folder of assignments and graders")
    options = parser.parse_args()
    said = []
    for language in known_languages():
        if language == ENGLISH.language:
            continue
        for path, found, elsewhere in catalogs(options.root, language):
            if not options.check:
                update(path, language, found, elsewhere)
            said += problems(path, language, found, elsewhere)
        for template in sorted((options.root / "assignments").glob("*/template.py")):
            said += template_faults(template, language)
    print("\n".join(said) if said else "Everything is translated.")
    return 1 if said else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (NetlensError, OSError) as error:
        sys.exit(f"netlens: {error}")
