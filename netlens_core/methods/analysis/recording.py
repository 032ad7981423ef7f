"""Watches one forward pass: every torch function that is called, by which module, on what, with which parameters.

The watcher is a `TorchFunctionMode`. It stands between a network's Python and torch and sees the words that the
author wrote: `relu`, `cat`, `+`, whether a module or a line of `forward` said them. Why neither of the other two ways:
`torch.fx` runs `forward` with symbols instead of numbers, so that a network whose path depends on its data cannot be
traced, and many a library's module cannot either; a `TorchDispatchMode` sees only what is left after torch has
translated the words (no dropout, a mean for a pooling, several anonymous steps for one attention).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakIdKeyDictionary

# These hand on the tensor that they are given, perhaps stored otherwise; nothing is computed.
_SAME = {"contiguous", "detach", "to", "float", "half", "double", "type", "type_as", "requires_grad_", "clone", "cpu"}
_CHANGES_ITS_FIRST = {"__setitem__", "copy_", "fill_", "zero_"}


@dataclass(eq=False)
class Call:
    """One call of a torch function on data that comes from the network's input.

    function: its name without underscores, such as "conv2d" or "add".
    module: path of the module that called it, "" for the network itself.
    args, kwargs: as given, each tensor replaced by its shape; the weights by their `Tensor`.
    inputs: numbers of the calls whose results it takes, in the order of its arguments; 0 is the first input.
    output: shape of its (first) result, with the batch.
    parameters: (name, tensor) of every parameter that it takes, directly or through other functions.
    multiply_adds: for the whole batch. new_bytes: what its results need beyond the storage of its inputs.
    fired: for functions that cut at zero: bool (channels,), which ones ever rose above zero.
    """

    function: str
    module: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[int, ...]
    output: tuple[int, ...] = ()
    parameters: list[tuple[str, Tensor]] = field(default_factory=list)
    multiply_adds: int = 0
    new_bytes: int = 0
    fired: Tensor | None = None

    def argument(self, name: str, place: int, default: Any = None) -> Any:
        """An argument, however it was passed."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[place] if place < len(self.args) else default


@dataclass(eq=False)
class Recording:
    """What a forward pass did, up to its end or its error."""

    calls: list[Call] = field(default_factory=list)
    failed: tuple[Call, Exception] | None = None
    module: str = ""  # where the pass is at the moment
    result: tuple[int, ...] = ()  # numbers of the calls that made the output
    error: Exception | None = None


def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> Recording:
    """Run a module once, in evaluation mode and without gradients, and write down what it does.

    An exception ends the recording and stands in it. Training mode, weights and buffers stay as they were.
    """
    recording = Recording()
    with _evaluating(module), torch.no_grad(), _Counter() as counter, _paths(module, recording):
        watcher = _Watcher(module, inputs, recording, counter)
        with watcher:
            try:
                recording.result = watcher.sources(module(*inputs))
            except Exception as error:
                recording.error = error
    return recording


class _Watcher(TorchFunctionMode):
    """Keeps for every living tensor which call made it and which parameters went into it."""

    def __init__(self, module: nn.Module, inputs: tuple[Tensor, ...], recording: Recording, counter: _Counter) -> None:
        super().__init__()
        self.recording, self.counter = recording, counter
        self.names = {id(parameter): name for name, parameter in module.named_parameters()}
        self.made_by: Any = WeakIdKeyDictionary()
        self.grown_from: Any = WeakIdKeyDictionary()
        for tensor in inputs:
            self._made(Call("input", "", (), {}, (), tuple(tensor.shape)), tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        taken = list(_tensors((args, kwargs)))
        function = getattr(func, "__name__", "function").strip("_")
        call = Call(function, self.recording.module, _shapes(args), _shapes(kwargs), self.sources(taken))
        call.parameters = self._parameters(taken)
        before, storages = self.counter.multiply_adds, {_storage(tensor) for tensor in taken}
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            self.recording.failed = call, error
            raise
        changes_first = getattr(func, "__name__", "") in _CHANGES_ITS_FIRST
        results = [args[0]] if changes_first else list(_tensors(result))
        if not results or not taken:
            return result
        if not call.inputs:  # weights alone: no layer, but what comes of them is still theirs
            for tensor in results:
                self.grown_from[tensor] = call.parameters
            return result
        if function in _SAME and len(call.inputs) == 1:
            for tensor in results:
                self.made_by[tensor] = call.inputs[0]
            return result
        call.multiply_adds = self.counter.multiply_adds - before
        call.new_bytes = sum(t.numel() * t.element_size() for t in results if _storage(t) not in storages)
        call.output = tuple(results[0].shape)
        call.fired = _fired(call, results[0])
        self._made(call, *results)
        return result

    def sources(self, values: Any) -> tuple[int, ...]:
        """Numbers of the calls that made the tensors in a value, each once."""
        found = [self.made_by[tensor] for tensor in _tensors(values) if tensor in self.made_by]
        return tuple(dict.fromkeys(found))

    def _made(self, call: Call, *results: Tensor) -> None:
        self.recording.calls.append(call)
        for tensor in results:
            self.made_by[tensor] = len(self.recording.calls) - 1

    def _parameters(self, taken: list[Tensor]) -> list[tuple[str, Tensor]]:
        found: dict[str, Tensor] = {}
        for tensor in taken:
            if id(tensor) in self.names:
                found[self.names[id(tensor)]] = tensor
            elif tensor in self.grown_from:
                found.update(self.grown_from[tensor])
        return list(found.items())


class _Counter(TorchDispatchMode):
    """Counts multiply-adds by torch's own formulas, whatever function causes them."""

    multiply_adds = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula:
            self.multiply_adds += int(formula(*args, **(kwargs or {}), out_val=result)) // 2
        return result


@contextmanager
def _paths(module: nn.Module, recording: Recording) -> Iterator[None]:
    """Keep `recording.module` at the path of the module that is being called; an error leaves it where it was."""
    with ExitStack() as stack:
        for path, part in module.named_modules():
            outer: list[str] = []

            def enter(_m: nn.Module, _i: Any, path: str = path, outer: list[str] = outer) -> None:
                outer.append(recording.module)
                recording.module = path

            def leave(_m: nn.Module, _i: Any, _o: Any, outer: list[str] = outer) -> None:
                recording.module = outer.pop()

            stack.callback(part.register_forward_pre_hook(enter).remove)
            stack.callback(part.register_forward_hook(leave).remove)
        yield


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _fired(call: Call, output: Tensor) -> Tensor | None:
    """Which channels of a function that cuts at zero rose above it, in any image at any place."""
    cuts = call.function in ("relu", "relu_", "relu6", "threshold") or (
        call.function == "hardtanh" and call.argument("min_val", 1, -1) == 0
    )
    if not cuts or output.dim() < 2:
        return None
    channel = 1 if output.dim() != 3 else 2
    return (output > 0).transpose(0, channel).flatten(1).any(dim=1).cpu()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _shapes(value: Any) -> Any:
    return _mapped(value, lambda tensor: tensor if isinstance(tensor, nn.Parameter) else tensor.shape)


def _mapped(value: Any, change: Callable[[Tensor], Any]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(part, change) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_mapped(part, change) for part in value)
    return value


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):  # sparse and the like own none
        return id(tensor)
