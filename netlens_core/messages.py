"""What is to be translated, found in the sources, and what is; for those who keep the catalogs.

python -m netlens_core.messages             brings every catalog up to date, then tells what still has no translation
python -m netlens_core.messages --check     only tells
"""

from __future__ import annotations

import argparse
import ast
import string
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

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
    for path in sorted(PACKAGE.rglob("*.py")):
        if "_course" not in path.relative_to(PACKAGE).parts:
            _extract(found, "python", path, _PYTHON)
    for path in sorted(PACKAGE.rglob("templates/*.html")):
        _extract(found, "jinja2.ext:babel_extract", path, _TEMPLATE)
    _read_grader(found, root / "graders" / "conftest.py", root)
    found.add(Text(yaml.safe_load((root / "course.yaml").read_text(encoding="utf-8"))["title"], where="course.yaml"))
    return found


def _extract(found: Found, method: str, path: Path, keywords: Mapping[str, tuple[int, int] | None]) -> None:
    from babel.messages.extract import extract

    where = f"netlens_core/{path.relative_to(PACKAGE).as_posix()}"
    with path.open("rb") as file:
        for _, message, _, _ in extract(method, file, keywords=keywords, options={"encoding": "utf-8"}):
            one, many = (message, "") if isinstance(message, str) else message[:2]
            found.add(Text(one, many, where))


# -- what an exercise says -------------------------------------------------------------------------------


def exercise_texts(slug: str, root: Path) -> Found:
    """What an exercise says: its title, its checks' docstrings, and what its grader expects, shows, and of what.

    Raises CourseError where its files are missing or wrong.
    """
    from netlens_core.grading.exercise import read_exercise

    exercise = read_exercise(slug, root / "assignments", root / "graders")
    found, grader = Found(), root / "graders" / f"test_{slug}.py"
    found.add(Text(exercise.sheet.title, where=f"assignments/{slug}/exercise.yaml"))
    for check in exercise.checks:
        found.add(Text(check.description, where=grader.relative_to(root).as_posix()))
    _read_grader(found, grader, root)
    return found


def _read_grader(found: Found, path: Path, root: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    where, bound = path.relative_to(root).as_posix(), _bindings(tree)
    for node in ast.walk(tree):
        for said in _said(node):
            for text in _literals(said, bound):
                if isinstance(text, str):
                    found.add(Text(text, where=where))
                else:
                    found.faults.append(f"{where}, line {said.lineno}: {ast.unparse(said)} is no literal")


def _said(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in a call that students read: the name of an expectation or note, a caption, and `of`."""
    if not isinstance(node, ast.Call):
        return
    name = ast.unparse(node.func)
    if name in ("expect", "expect.note", "figure") and node.args:
        yield node.args[0]
    yield from (keyword.value for keyword in node.keywords if keyword.arg == "of")


def _literals(node: ast.expr, bound: Mapping[str, list[ast.expr | None]]) -> Iterator[str | None]:
    """The texts that an expression may be; None for what is not written out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if node.value:
            yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body, bound)
        yield from _literals(node.orelse, bound)
    elif isinstance(node, ast.Name) and bound.get(node.id):
        for value in bound[node.id]:
            yield from [None] if value is None else _literals(value, {})
    elif not (isinstance(node, ast.Name) and node.id == "of"):  # a helper's argument: its calls say `of=` as well
        yield None


def _bindings(tree: ast.Module) -> dict[str, list[ast.expr | None]]:
    """Name -> what it is bound to in assignments and by loops over what is written out; None for anything else."""
    bound: dict[str, list[ast.expr | None]] = {}
    loops: list[tuple[ast.expr, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            bound.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            loops.append((node.target, node.iter))
    for target, over in loops:
        entries = _entries(over, bound)
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        for place, part in enumerate(parts):
            if isinstance(part, ast.Name):
                values = [_part(entry, place if isinstance(target, ast.Tuple) else None) for entry in entries]
                bound.setdefault(part.id, []).extend(values or [None])
    return bound


def _entries(over: ast.expr, bound: Mapping[str, list[ast.expr | None]]) -> list[ast.expr]:
    if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute) and over.func.attr == "items":
        given = over.func.value
        found = bound.get(given.id, [None])[0] if isinstance(given, ast.Name) else given
        if isinstance(found, ast.Dict):
            pairs = zip(found.keys, found.values, strict=True)
            return [ast.Tuple([key, value]) for key, value in pairs if key is not None]
    if isinstance(over, ast.Name):
        over = bound.get(over.id, [None])[0] or over
    return over.elts if isinstance(over, ast.Tuple | ast.List) else []


def _part(entry: ast.expr, place: int | None) -> ast.expr | None:
    if place is None:
        return entry
    return entry.elts[place] if isinstance(entry, ast.Tuple | ast.List) and place < len(entry.elts) else None


def template_faults(path: Path, language: str) -> list[str]:
    """Where a template's text in a language does not follow its English text, cell by cell and heading by heading."""
    from netlens_core.grading.templates import read_percent

    english, other, faults = [], [], []
    for place, cell in enumerate(cell for cell in read_percent(path).cells if cell.metadata.get("lang") != language):
        if cell.cell_type == "markdown":
            english.append((place, cell))
            if "lang" not in cell.metadata:
                faults.append(f'{path}: a cell has no language: "{cell.source.splitlines()[0]}"')
    skeleton = [cell for cell in read_percent(path).cells if cell.metadata.get("lang") != ENGLISH.language]
    other = [(place, cell) for place, cell in enumerate(skeleton) if cell.metadata.get("lang") == language]
    if [place for place, _ in english] != [place for place, _ in other]:
        faults.append(f"{path}: {len(english)} cells in English, {len(other)} in {language}, or not in the same places")
    for (_, one), (_, two) in zip(english, other, strict=False):
        if _headings(one.source) != _headings(two.source):
            faults.append(f'{path}: other headings in {language} than in "{one.source.splitlines()[0]}"')
    return faults


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
    sys.exit(main())
