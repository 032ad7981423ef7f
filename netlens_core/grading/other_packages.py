"""Packages that a notebook imports and that the course does not bring: a grading machine may not have them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from netlens_core.grading.cell_names import parsed

_OURS = ("netlens-kit", "netlens")
_OTHERWISE_NAMED = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "IPython": "ipython"}


def other_packages(sources: Iterable[str]) -> list[str]:
    """What a notebook imports that is installed here, and that neither Python nor netlens brings: top-level names."""
    imported = {name for source in sources for name in _imported(source)}
    unknown = imported - set(sys.stdlib_module_names) - {"netlens", "netlens_core"}
    brought = _brought()
    unknown = {name for name in unknown if _normal(_OTHERWISE_NAMED.get(name, name)) not in brought}
    if not unknown or not brought:
        return []
    found = packages_distributions()
    return sorted(name for name in unknown if name in found and not brought & set(map(_normal, found[name])))


def _imported(source: str) -> set[str]:
    tree = parsed(source)
    names = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module).partition(".")[0])
    return names


def _brought() -> set[str]:
    """The distributions that installing netlens brings, with what they bring."""
    found: set[str] = set()
    ahead = list(_OURS)
    while ahead:
        name = _normal(ahead.pop())
        if name in found:
            continue
        try:
            wanted = requires(name) or []
        except PackageNotFoundError:
            continue
        found.add(name)
        ahead += [re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in wanted if "extra ==" not in one]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
