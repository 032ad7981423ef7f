"""Learnable numbers wherever torch keeps them: parameters, and the packed weights of quantised modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn


def learnables_of(module: nn.Module) -> dict[str, Tensor]:
    """Every learnable tensor of a module by its dotted name, shared ones once.

    A quantised module has no parameters: its weights lie packed in objects of C++. They come here unpacked, under the
    name of the module that they belong to, such as `fc.weight`. Uninitialised lazy parameters are left out.
    """
    found: dict[str, Tensor] = {}
    found.update((name, value) for name, value in module.named_parameters() if not is_uninitialized(value))
    for parts in packed_of(module).values():
        found.update(parts)
    return found


def packed_of(module: nn.Module) -> dict[int, dict[str, Tensor]]:
    """By the `id` of each packed object of a quantised module: its tensors by their dotted names."""
    found: dict[int, dict[str, Tensor]] = {}
    taken: dict[str, Tensor] = {}
    for path, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            continue
        for attribute, value in vars(part).items():
            if not isinstance(value, torch.ScriptObject) or id(value) in found:
                continue
            found[id(value)] = {
                free_name(taken, f"{_owner(path)}{_role(attribute, role)}"): tensor for role, tensor in unpacked(value)
            }
            taken.update(found[id(value)])
    return found


def is_uninitialized(parameter: Tensor) -> bool:
    """Whether a lazy module still waits for its first input to know this parameter's shape."""
    return isinstance(parameter, (nn.UninitializedParameter, nn.UninitializedBuffer))


def unpacked(packed: Any) -> list[tuple[str, Tensor]]:
    """("weight", tensor) and ("bias", tensor) of a packed object, and of all in it where it holds several."""
    if not isinstance(packed, torch.ScriptObject):
        return []
    packed = cast(Any, packed)
    methods = packed._method_names()
    if "unpack" in methods:
        parts = packed.unpack()
        tensors = list(parts) if isinstance(parts, (tuple, list)) else [parts]
        both = zip(("weight", "bias"), tensors, strict=False)
        return [(role, tensor.detach()) for role, tensor in both if isinstance(tensor, Tensor)]
    if "__getstate__" not in methods:
        return []
    # A recurrent cell's object holds one packed matrix for the input and one for the state, each with its bias.
    inner = list(_script_objects(packed.__getstate__()))
    parts = [unpacked(part) for part in inner]
    names = ("ih", "hh") if len(parts) == 2 else tuple(map(str, range(len(parts))))
    return [(f"{role}_{name}", tensor) for name, part in zip(names, parts, strict=True) for role, tensor in part]


def free_name(taken: dict[str, Tensor], name: str) -> str:
    """A name that nothing has yet: itself, or with `_l1`, `_l2`, … as torch names the layers of a recurrent module."""
    number = 1
    while (candidate := name if number == 1 else f"{name}_l{number - 1}") in taken:
        number += 1
    return candidate


def script_objects(value: Any) -> Iterator[Any]:
    """The packed objects among a call's arguments."""
    yield from _script_objects(value)


def _script_objects(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.ScriptObject):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _script_objects(part)
    elif isinstance(value, dict):
        yield from _script_objects(list(value.values()))


def _owner(path: str) -> str:
    """`fc._packed_params` belongs to `fc`, as does `fc._all_weight_values.0`."""
    steps: list[str] = []
    for step in path.split(".") if path else []:
        if step.startswith("_"):
            break
        steps.append(step)
    return "".join(f"{step}." for step in steps)


def _role(attribute: str, role: str) -> str:
    """`_packed_weight_ih` of a recurrent cell holds its weight_ih and its bias_ih."""
    part = attribute.rpartition("_packed_weight_")[2]
    return f"{role}_{part}" if part in ("ih", "hh") else role
