"""Watches one forward pass: every torch function that is called, by which module, on what, with which parameters.

The watcher is a `TorchFunctionMode`. It stands between a network's Python and torch and sees the words that the
author wrote: `relu`, `cat`, `+`, whether a module or a line of `forward` said them. Why neither of the other two ways:
`torch.fx` runs `forward` with symbols instead of numbers, so that a network whose path depends on its data cannot be
traced, and many a library's module cannot either; a `TorchDispatchMode` sees only what is left after torch has
translated the words (no dropout, a mean for a pooling, several anonymous steps for one attention).

Scripted and traced modules run in C++, where there are no words. Of them the dispatcher's operations are recorded,
under the names that they have in Python (`operations`). At the dispatcher multiply-adds are counted too, whoever causes
them (`counting`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from netlens_core.methods.analysis.counting import count, name_of
from netlens_core.methods.analysis.operations import in_words
from netlens_core.methods.analysis.weights import learnables_of, packed_of, script_objects, unpacked

# These hand on the tensor that they are given, perhaps stored otherwise; nothing is computed.
_SAME = {"contiguous", "detach", "to", "float", "half", "double", "type", "type_as", "requires_grad_", "clone", "cpu",
         "alias", "data", "to_copy", "bfloat16", "lift_fresh"}  # fmt: skip
_CHANGES_ITS_FIRST = {"__setitem__", "copy_", "fill_", "zero_"}
_TAKE_WEIGHTS = {"linear", "t", "matmul", "batch_norm", "layer_norm", "group_norm", "embedding", "lstm", "prelu",
                 *(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))}  # fmt: skip
_LEAVES_TORCH = {"numpy", "array", "dlpack"}


@dataclass(eq=False)
class Call:
    """One call of a torch function on data that comes from the network's input.

    function: its name without underscores, such as "conv2d" or "add".
    module: path of the module that called it, "" for the network itself.
    args, kwargs: as given, each tensor replaced by its shape; the weights by their `Tensor`.
    inputs: numbers of the calls whose results it takes, in the order of its arguments; 0 is the first input.
    output: shape of its (first) result, with the batch. channels: the axis of it that holds them, None where none does.
    parameters: (name, tensor) of every parameter that it takes, directly or through other functions.
    multiply_adds: for the whole batch. uncounted: the operations in it that nobody can count.
    new_bytes: what its results need beyond the storage of its inputs.
    fired: for functions that cut at zero: which channels ever rose above zero, bool (channels,) for each axis.
    """

    function: str
    module: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[int, ...]
    output: tuple[int, ...] = ()
    channels: int | None = None
    parameters: list[tuple[str, Tensor]] = field(default_factory=list)
    multiply_adds: int = 0
    uncounted: tuple[str, ...] = ()
    new_bytes: int = 0
    fired: dict[int, Tensor] | None = None

    def argument(self, name: str, place: int, default: Any = None) -> Any:
        """An argument, however it was passed."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[place] if place < len(self.args) else default


@dataclass(eq=False)
class Recording:
    """What a forward pass did, up to its end or its error.

    learnables: every learnable tensor by name, with those that only the pass brought to light.
    multiply_adds, uncounted: of the whole pass, in whichever call.
    outside: where numbers came from elsewhere than torch.
    """

    calls: list[Call] = field(default_factory=list)
    failed: tuple[Call, BaseException] | None = None
    module: str = ""  # where the pass is at the moment
    result: tuple[int, ...] = ()  # numbers of the calls that made the output
    error: BaseException | None = None
    learnables: dict[str, Tensor] = field(default_factory=dict)
    multiply_adds: int = 0
    uncounted: tuple[str, ...] = ()
    outside: list[str] = field(default_factory=list)


def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> Recording:
    """Run a module once, in evaluation mode and without gradients, and write down what it does.

    An exception ends the recording and stands in it. Training mode, weights and buffers stay as they were.
    """
    recording = Recording()
    with _evaluating(module), torch.no_grad(), _eagerly(module), _paths(module, recording):
        watcher = _Watcher(module, inputs, recording)
        with watcher.counter, watcher:
            try:
                result = module(*inputs)
                recording.result = watcher.sources(result)
                if not recording.result and any(True for _ in _tensors(result)):
                    recording.outside.append("the output")
            except (Exception, SystemExit) as error:
                recording.error = error
        recording.multiply_adds = watcher.counter.multiply_adds
        recording.uncounted = tuple(dict.fromkeys(watcher.counter.uncounted))
    recording.learnables = {**learnables_of(module), **watcher.discovered}
    return recording


class _Watcher(TorchFunctionMode):
    """Keeps for every living tensor which call made it and which parameters went into it."""

    def __init__(self, module: nn.Module, inputs: tuple[Tensor, ...], recording: Recording) -> None:
        super().__init__()
        self.recording, self.counter = recording, _Counter(self)
        # The tensors are held on to, since those of a scripted module would be other objects the next time.
        self.held: dict[int, tuple[str, Tensor]] = {id(t): (name, t) for name, t in module.named_parameters()}
        self.packed = packed_of(module)
        self.buffers = {id(tensor): tensor for tensor in module.buffers()}
        self.discovered: dict[str, Tensor] = {}
        self.made_by: Any = WeakIdKeyDictionary()
        self.grown_from: Any = WeakIdKeyDictionary()
        self.cost: Any = WeakIdKeyDictionary()  # multiply-adds that went into weights, until a layer uses them
        self.left_torch = False
        self.given = inputs
        for tensor in inputs:
            self._made(Call("input", "", (), {}, (), tuple(tensor.shape)), tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        namespace, name = name_of(func)
        words = in_words(namespace, name, args, kwargs)
        call, taken = self._call(words.function, words.args, words.kwargs, args, kwargs)
        call.parameters = self._parameters(taken) + self._packed(args, kwargs)
        before, storages = self.counter.mark(), {_storage(tensor) for tensor in taken}
        self.counter.inside += 1
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            self.recording.failed = call, error
            raise
        finally:
            self.counter.inside -= 1
        if namespace and self.counter.mark() == before:  # an extension that went past the dispatcher
            self.counter.add(func, args, kwargs, result)
        changes_first = name in _CHANGES_ITS_FIRST
        results = [args[0]] if changes_first else list(_tensors(result))
        if not results and call.inputs and call.function in _LEAVES_TORCH:
            self.left_torch = True
        self._note(call, taken, results, storages, before)
        return result

    def operation(self, func: Any, args: Any, kwargs: Any, run: Callable[[], Any]) -> Any:
        """Record an operation of the dispatcher that no function of Python caused: a scripted module's."""
        namespace, name = name_of(func)
        words = in_words(namespace, name, args, kwargs)
        call, taken = self._call(words.function, words.args, words.kwargs, args, kwargs)
        self._discover(call, args)
        call.parameters += self._parameters(list(_tensors((words.args, words.kwargs))))
        call.module = _owner([name for name, _ in call.parameters]) or self.recording.module
        if call.function == "linear" and not call.parameters:
            call.function = "matmul"
        before, storages = self.counter.mark(), {_storage(tensor) for tensor in taken}
        try:
            result = run()
        except Exception as error:
            self.recording.failed = call, error
            raise
        self._note(call, taken, list(_tensors(result)), storages, before)
        return result

    def _call(self, function: str, words: Any, named: Any, args: Any, kwargs: Any) -> tuple[Call, list[Tensor]]:
        taken = list(_tensors((args, kwargs)))
        return Call(function, self.recording.module, _shapes(words), _shapes(named), self.sources(taken)), taken

    def _note(
        self, call: Call, taken: list[Tensor], results: list[Tensor], storages: set[int], before: tuple[int, int, int]
    ) -> None:
        """Write a call down, or only that its results come from weights alone."""
        if not results:
            return
        call.multiply_adds, call.uncounted = self.counter.since(before)
        if self.left_torch or (not call.inputs and (call.multiply_adds or call.uncounted)):
            self._from_outside(call, self._strangers(taken))
            call.inputs = self.sources(taken)
        spent = [self.cost[tensor] for tensor in taken if tensor in self.cost]
        call.multiply_adds += sum(part[0] for part in spent)
        for part in spent:
            part[0] = 0
        if not call.inputs:  # weights alone: no layer, but what comes of them is still theirs
            shared = [call.multiply_adds]
            for tensor in results:
                self.grown_from[tensor] = call.parameters
                self.cost[tensor] = shared
            return
        if call.function in _SAME and len(call.inputs) == 1:
            for tensor in results:
                self.made_by[tensor] = call.inputs[0]
            return
        call.new_bytes = sum(t.numel() * t.element_size() for t in results if _storage(t) not in storages)
        call.output = tuple(results[0].shape)
        call.fired = _fired(call, results[0])
        self._made(call, *results)

    def sources(self, values: Any) -> tuple[int, ...]:
        """Numbers of the calls that made the tensors in a value, each once."""
        found = [self.made_by[tensor] for tensor in _tensors(values) if tensor in self.made_by]
        return tuple(dict.fromkeys(found))

    def _made(self, call: Call, *results: Tensor) -> None:
        self.recording.calls.append(call)
        for tensor in results:
            self.made_by[tensor] = len(self.recording.calls) - 1

    # -- weights -----------------------------------------------------------------------------------------

    def _parameters(self, taken: list[Tensor]) -> list[tuple[str, Tensor]]:
        found: dict[str, Tensor] = {}
        for tensor in taken:
            if id(tensor) in self.held:
                found[self.held[id(tensor)][0]] = tensor
            elif tensor in self.grown_from:
                found.update(self.grown_from[tensor])
        return list(found.items())

    def _packed(self, args: Any, kwargs: Any) -> list[tuple[str, Tensor]]:
        """What the packed weights of quantised modules hold."""
        found: dict[str, Tensor] = {}
        for part in script_objects((args, kwargs)):
            found.update(self.packed.get(id(part), {}))
        return list(found.items())

    def _discover(self, call: Call, args: Any) -> None:
        """Find the weights that a script keeps as constants or packed; they belong to no module of Python."""
        for tensor in _tensors(args):
            if call.function in _TAKE_WEIGHTS and tensor.is_floating_point() and self._strangers([tensor]):
                self._hold(f"constant_{len(self.discovered) + 1}", tensor)
        for part in script_objects(args):
            for role, tensor in unpacked(part):
                name = f"packed_{len(self.discovered) + 1}.{role}"
                self._hold(name, tensor)
                call.parameters.append((name, tensor))

    def _hold(self, name: str, tensor: Tensor) -> None:
        self.held[id(tensor)] = name, tensor
        self.discovered[name] = tensor

    def _strangers(self, taken: list[Tensor]) -> list[Tensor]:
        """Tensors that neither the network holds nor torch's functions made before our eyes."""
        own = self.held.keys() | self.buffers.keys()
        return [t for t in taken if id(t) not in own and t not in self.made_by and t not in self.grown_from]

    def _from_outside(self, call: Call, strangers: list[Tensor]) -> None:
        for tensor in strangers:
            self.recording.outside.append(call.module or "the network's forward")
            self._made(Call("outside", call.module, (), {}, (), tuple(tensor.shape)), tensor)


class _Counter(TorchDispatchMode):
    """Counts multiply-adds, whatever function causes them; hands over operations that no function caused."""

    def __init__(self, watcher: _Watcher) -> None:
        super().__init__()
        self.watcher, self.inside = watcher, 0
        self.multiply_adds, self.operations = 0, 0
        self.uncounted: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}

        def run() -> Any:
            result = func(*args, **kwargs)
            self.add(func, args, kwargs, result)
            return result

        if self.inside:
            return run()
        with torch._C.DisableTorchFunction():  # else the watcher would see our own look at shapes
            return self.watcher.operation(func, args, kwargs, run)

    def add(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Count one operation."""
        self.operations += 1
        found = count(func, args, kwargs, result)
        if found is None:
            self.uncounted.append("::".join(name_of(func)))
        else:
            self.multiply_adds += found

    def mark(self) -> tuple[int, int, int]:
        """Where the counting is, for `since`."""
        return self.multiply_adds, len(self.uncounted), self.operations

    def since(self, mark: tuple[int, int, int]) -> tuple[int, tuple[str, ...]]:
        """What was counted, and what could not be, since a mark."""
        return self.multiply_adds - mark[0], tuple(dict.fromkeys(self.uncounted[mark[1] :]))


# -- while the pass runs ---------------------------------------------------------------------------------


@contextmanager
def _paths(module: nn.Module, recording: Recording) -> Iterator[None]:
    """Keep `recording.module` at the path of the module that computes; an error leaves it where it was.

    Each module's `forward` is replaced for the time, since a call of `layer.forward(x)` goes past all hooks.
    """
    with ExitStack() as stack:
        for path, part in module.named_modules():
            stack.enter_context(_followed(part, path, recording))
        yield


@contextmanager
def _followed(part: nn.Module, path: str, recording: Recording) -> Iterator[None]:
    absent = object()
    before = part.__dict__.get("forward", absent)

    def forward(*args: Any, **kwargs: Any) -> Any:
        outer, recording.module = recording.module, path
        run = _forward_of(part) if before is absent else before
        result = run(*args, **kwargs)
        recording.module = outer
        return result

    part.__dict__["forward"] = forward
    try:
        yield
    finally:
        if before is absent:
            del part.__dict__["forward"]
        else:
            part.__dict__["forward"] = before


def _forward_of(part: nn.Module) -> Any:
    """A module's own forward, whatever stands in its place; looked up late, as lazy modules change their class."""
    if isinstance(part, torch.jit.ScriptModule):
        return part._c._get_method("forward")
    found = inspect.getattr_static(type(part), "forward")
    return found.__get__(part, type(part)) if hasattr(found, "__get__") else found


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    training = [part for part in module.modules() if getattr(part, "training", False)]
    try:
        if training:  # a frozen script has no such state
            with suppress(NotImplementedError):  # an exported program refuses, and is what it was exported as
                module.eval()
        yield
    finally:
        for part in training:
            part.training = True


@contextmanager
def _eagerly(module: nn.Module) -> Iterator[None]:
    """Have everything run step by step: nothing compiled, no fused kernels that hide their steps."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.jit.optimized_execution(False))
            if "torch._dynamo" in sys.modules:
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _fired(call: Call, output: Tensor) -> dict[int, Tensor] | None:
    """Which channels of a function that cuts at zero rose above it, in any image at any place: for each axis."""
    cuts = call.function in ("relu", "relu_", "relu6", "threshold") or (
        call.function == "hardtanh" and call.argument("min_val", 1, -1) == 0
    )
    if not cuts or output.dim() < 2 or output.is_meta:
        return None
    above = output > 0
    return {axis: above.transpose(0, axis).flatten(1).any(dim=1).cpu() for axis in {1, output.dim() - 1}}


# -- values ----------------------------------------------------------------------------------------------


def _owner(names: list[str]) -> str:
    """The module that all of these parameters belong to."""
    owners = {name.rpartition(".")[0] for name in names}
    return owners.pop() if len(owners) == 1 else ""


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _tensors(list(vars(value).values()))


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
        # The storage itself, not its address: on the meta device that is zero for all.
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError, ValueError):  # sparse, uninitialised and the like own none
        return id(tensor)
