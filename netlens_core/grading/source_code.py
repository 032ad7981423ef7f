"""Digests of Python code without its comments and docstrings, and of modules with all that they import."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_DIGITS = 16  # of a digest: by it one version is told from another, nothing is defended
_STRING = r'"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
_STRING_OR_COMMENT = re.compile(rf"{_STRING}|(#[^\n]*)", re.DOTALL)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def digest_of(*contents: bytes) -> str:
    """A short digest, by which one version of something is told from another."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(b"%d\n" % len(content) + content)
    return digest.hexdigest()[:_DIGITS]


# -- one file ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """What of a Python file determines what it does.

    Attributes:
        digest: of its code.
        imports: names of modules (and of things in them) that it imports anywhere.
        texts: every text in it.
    """

    digest: str
    imports: tuple[str, ...]
    texts: frozenset[str]


@lru_cache(maxsize=512)
def read_source(source: bytes) -> Source:
    """A Python file's content; of one that is no Python, every byte counts."""
    try:
        text, tree = source.decode(), ast.parse(source)
    except (SyntaxError, ValueError):
        return Source(digest_of(source), (), frozenset())
    code = without_comments(text, tree)
    return Source(digest_of(code.encode()), tuple(_imports(tree)), frozenset(_texts(tree)))


def without_comments(source: str, tree: ast.Module) -> str:
    """Python source without comments, docstrings and empty lines. Docstrings of a grader's checks stay."""
    # Not `ast.dump`: it differs between versions of Python, and two assistants may have two.
    lines = source.split("\n")
    for node in ast.walk(tree):
        if isinstance(node, Documented):
            _blank_docstring(node, lines)
    code = _STRING_OR_COMMENT.sub(lambda found: "" if found[1] else repr(found[0]), "\n".join(lines))
    return "\n".join(line for whole in code.split("\n") if (line := whole.rstrip()))


def _blank_docstring(node: Documented, lines: list[str]) -> None:
    first = node.body[0] if node.body else None
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return
    if not isinstance(first.value.value, str) or first.end_lineno is None or _is_check(node):
        return
    begin, end = first.lineno - 1, first.end_lineno - 1
    before = lines[begin].encode()[: first.col_offset]
    behind = lines[end].encode()[first.end_col_offset :]
    if before.strip() or behind.strip():  # other code stands in the same line
        return
    lines[begin : end + 1] = [""] * (end - begin + 1)


def _is_check(node: Documented) -> bool:
    """Whether it is a check of a grader, whose docstring students read."""
    decorators = [] if isinstance(node, ast.Module) else node.decorator_list
    called = [decorator.func for decorator in decorators if isinstance(decorator, ast.Call)]
    return any(isinstance(name, ast.Name) and name.id == "check" for name in called)


def _imports(tree: ast.Module) -> Iterator[str]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse  # the other branch is for type checkers only
        else:
            waiting += ast.iter_child_nodes(node)


def _texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


# -- modules with what they import ------------------------------------------------------------------------


@dataclass(frozen=True)
class Code:
    """Modules of a package: file name below it -> digest, and every text in them."""

    modules: Mapping[str, str]
    texts: frozenset[str]

    @property
    def digest(self) -> str:
        """One digest of all."""
        return digest_of(json.dumps(dict(self.modules), sort_keys=True).encode())


def code_below(package: Path, roots: Iterable[str], imported: Iterable[str], without: Iterable[str]) -> Code:
    """Files of a package with everything of it that they import, directly or not.

    Args:
        roots: patterns of file names below the package.
        imported: names of modules that count as well.
        without: file names that are passed over wherever they are imported.
    """
    waiting = [path for pattern in roots for path in package.glob(pattern)]
    waiting += [path for name in imported for path in _files_of(package, name)]
    passed_over, found = set(without), {}
    while waiting:
        path = waiting.pop()
        name = path.relative_to(package).as_posix()
        if name in found or name in passed_over:
            continue
        found[name] = source = read_source(path.read_bytes())
        waiting += [other for module in source.imports for other in _files_of(package, module)]
    texts = frozenset[str]().union(*(source.texts for source in found.values()))
    return Code({name: found[name].digest for name in sorted(found)}, texts)


def _files_of(package: Path, module: str) -> list[Path]:
    """The files that importing one of the package's modules (or something in it) reads; none for other packages."""
    top, *parts = module.split(".")
    if top != package.name:
        return []
    folders = [package.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    files = [folder / "__init__.py" for folder in folders]
    files += [folder.with_suffix(".py") for folder in folders[1:]]
    return [path for path in files if path.is_file()]
