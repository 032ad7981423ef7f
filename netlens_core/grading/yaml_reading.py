"""YAML files with their lines: syntax errors, doubled keys and values that do not fit are told by line, in words."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, RootModel, ValidationError

from netlens_core.grading.suggestions import did_you_mean

MOST_PROBLEMS = 8  # told at once

_EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list such as [one, two]",
    "tuple": "a list such as [one, two]",
    "dict": "names with values, as in `name: value`",
    "model": "names with values, as in `name: value`",
}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class YamlError(ValueError):
    """A file that is not YAML; the message says where and why, not which file."""


@dataclass(frozen=True)
class Document:
    """What a YAML file says. `node` knows the lines."""

    data: Any
    node: yaml.Node | None

    def line(self, path: Sequence[int | str]) -> int:
        """The line, from 1 on, where the value at a path of keys and indices begins: the last one that is there."""
        node, line = self.node, 1
        if node is not None:
            line = node.start_mark.line + 1
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line


def _child(node: yaml.Node | None, part: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def read_document(data: bytes) -> Document:
    """A YAML file from its bytes. Raises YamlError."""
    text, loader = _text(data), None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _refuse_doubled_keys(node)
        return Document(None if node is None else loader.construct_document(node), node)
    except YamlError:
        raise
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise YamlError(f"line {line}: an invisible character, {chr(error.character)!a}, is not allowed") from None
    except yaml.MarkedYAMLError as error:
        raise YamlError(_syntax_error(error)) from None
    except Exception as error:  # PyYAML lets AttributeError, KeyError, IndexError and others through for odd tags
        raise YamlError(" ".join(str(error).split()) or type(error).__name__) from None
    finally:
        if loader is not None:
            loader.dispose()


def _text(data: bytes) -> str:
    if data.startswith(_UTF_16):
        raise YamlError("the file is UTF-16 text: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise YamlError(f"line {line}: the file is not UTF-8 text: save it as UTF-8") from None


def _syntax_error(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = " ".join(filter(None, [error.problem, error.context and f"({error.context})"]))
    if "\\t" in problem:
        return f"{where}a tab; YAML is indented with spaces only"
    if "mapping values are not allowed" in problem:
        return f"{where}a colon where none may stand: check the indentation, or put a text with a colon into quotes"
    return where + problem


def _refuse_doubled_keys(root: yaml.Node | None) -> None:
    """PyYAML takes the last of two equal keys without a word."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                waiting += [key, value]
                if not isinstance(key, yaml.ScalarNode):
                    continue
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in lines:
                    raise YamlError(f"line {line}: `{key.value}` stands there twice, first in line {lines[name]}")
                lines[name] = line


# -- values that do not fit ------------------------------------------------------------------------------


def problems_of(error: ValidationError, model: type[BaseModel], document: Document) -> list[str]:
    """What pydantic found, in plain words, each with its line."""
    return [_in_words(problem, model, document) for problem in error.errors()[:MOST_PROBLEMS]]


def _in_words(problem: Mapping[str, Any], model: type[BaseModel], document: Document) -> str:
    path = [part for part in problem["loc"] if part != "[key]"]
    name = ".".join(map(str, path)) or "the file"
    kind, given = str(problem["type"]), problem.get("input")
    in_a_line = len(path) > 1 or (path and kind != "missing")
    where = f"line {document.line(path)}: " if in_a_line else ""
    if kind == "missing":
        return f"{where}{name} is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known = list(_fields_at(model, path[:-1]))
        told = f"{where}{name} is unknown; here may stand {', '.join(known)}"
        return told + did_you_mean(str(path[-1]), known)
    if kind == "literal_error":
        allowed = problem["ctx"]["expected"]  # as "'daisy', 'noise' or 'clock'"
        told = f"{where}{name} is {_shown(given)}, and should be {allowed}"
        return told + did_you_mean(str(given), re.findall(r"'([^']*)'", allowed))
    if kind == "value_error":
        return f"{where}{name}: {problem['ctx']['error']}"
    if kind == "too_short" and not given:
        return f"{where}{name} is an empty list"
    expected = _EXPECTED.get(kind.partition("_")[0])
    if expected and kind.endswith(("_type", "_parsing", "_attributes_type", "_from_float")):
        return f"{where}{name} is {_shown(given)}, and should be {expected}"
    told = str(problem["msg"])
    return f"{where}{name}: {told[:1].lower()}{told[1:]}, not {_shown(given)}"


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        text = ascii(value) if len(ascii(value)) > 62 else repr(value)
        return text if len(text) <= 62 else f"{text[:60]}…"
    if isinstance(value, Mapping):
        return "names with values"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def _fields_at(model: Any, path: Sequence[int | str]) -> Iterator[str]:
    """The names that may stand at a path below a model."""
    kind = model
    for part in path:
        if isinstance(kind, type) and issubclass(kind, RootModel):
            kind = kind.model_fields["root"].annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            kind = field.annotation if field else None
        elif get_origin(kind) in (dict, list) or get_args(kind):
            kind = next((found for found in reversed(get_args(kind)) if found is not type(None)), None)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from kind.model_fields
    elif is_dataclass(kind):
        yield from (field.name for field in fields(kind))
