"""From a recording to rows, totals and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from netlens_core import NetlensError
from netlens_core.methods.analysis.axes import mark_channels
from netlens_core.methods.analysis.describing import describe, learnables, size_text
from netlens_core.methods.analysis.fields import Field, field_of, input_field
from netlens_core.methods.analysis.names import classic_names
from netlens_core.methods.analysis.recording import Call, Recording, record
from netlens_core.networks import Network
from netlens_core.progress import activity

Size = int | tuple[int, ...] | list[tuple[int, ...] | Tensor] | None
_RESHAPES = {"flatten", "reshape", "view", "squeeze", "unsqueeze"}


class LayerError(NetlensError, ValueError):
    """The network cannot take its input; the message names the layer at which it broke.

    rows: the layers before it. layer: the name of the one that broke.
    """

    def __init__(self, message: str, layer: str, rows: tuple[Row, ...]) -> None:
        super().__init__(message)
        self.layer, self.rows = layer, rows


@dataclass(frozen=True)
class Row:
    """One layer: one call of a torch function on the way from input to output.

    number: from 1 on. name: classic or dotted, unique. path: of the module that did it.
    inputs: numbers of the rows whose results it takes.
    shape: of one image's activations, as the tensor has them. channels: the axis of `shape` that holds the channels,
        None where none does.
    activations: "113x113x64", height x width x channels, or "-"; in the tensor's order where no axis holds channels.
    learnables: "Weights 3x3x3x64 Bias 1x1x64" or "-".
    parameters: how many numbers it learns; own_parameters: of those, how many no earlier row has; trainable: of those,
        how many an optimiser would change, while the others are frozen.
    multiply_adds: for one image; None where it cannot be counted, and `uncounted` says why.
    memory: for one image, in bytes of new activations, 0 where it works in place.
    field: receptive field and effective stride, None where there is no telling.
    silent_units: channels that never rose above zero on the given images; None where not asked or not cut at zero.
    zero_filters: filters whose weights are all zero.
    """

    number: int
    name: str
    type: str
    description: str
    path: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    activations: str
    learnables: str
    parameter_names: tuple[str, ...] = ()
    parameters: int = 0
    own_parameters: int = 0
    trainable: int = 0
    multiply_adds: int | None = 0
    uncounted: str = ""
    memory: int = 0
    field: Field | None = None
    silent_units: int | None = None
    zero_filters: int = 0
    channels: int | None = None


@dataclass(frozen=True)
class Analysis:
    """A network row by row, with what the rows add up to and what is wrong with it.

    weights: every learnable tensor by its name. uncounted: why not all multiply-adds could be counted, "" if they were.
    frozen_by_netlens: whether it is a `Network`, whose weights netlens freezes on loading.
    """

    title: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    module: nn.Module
    weights: dict[str, Tensor]
    uncounted: str = ""
    frozen_by_netlens: bool = False

    @property
    def parameters(self) -> int:
        """Numbers that the network learns, each once, unused ones included."""
        return sum(tensor.numel() for tensor in self.weights.values())

    @property
    def trainable(self) -> int:
        """How many of them an optimiser would change."""
        return sum(tensor.numel() for tensor in self.weights.values() if _is_trainable(tensor))

    @property
    def frozen(self) -> int:
        """How many of them stay as they are."""
        return self.parameters - self.trainable

    @property
    def multiply_adds(self) -> int | None:
        """Of one image; None where some could not be counted."""
        return None if self.uncounted else self.counted

    @property
    def counted(self) -> int:
        """Those multiply-adds of one image that could be counted."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    @property
    def memory(self) -> int:
        """Bytes of all activations of one image, as training keeps them."""
        return sum(row.memory for row in self.rows)


@activity("running the network")
def analyze(
    network: Network | nn.Module,
    size: Size = None,
    images: Tensor | tuple[Tensor, ...] | None = None,
) -> Analysis:
    """What a network does, layer by layer, told from one forward pass.

    Args:
        network: a `Network`, of which the table also shows softmax and output, or any module.
        size: the input without its batch: (3, 64, 64), or one number for a square colour image. A `Network`'s own
            input size by default. Random numbers of that size go through. For several inputs a list of sizes; a tensor
            in it goes in as it is.
        images: instead, what to send through: images (N, 3, H, W) in [0, 1] for a `Network`; for a module its input,
            or all its inputs as a tuple, as it takes them. Warnings then tell units that never fire on them.

    Raises LayerError where the network cannot take such an input, ValueError where neither size nor images tell it.
    """
    module = network.module if isinstance(network, Network) else _uncompiled(network)
    inputs = _inputs(network, size, images)
    recording = record(module, inputs)
    mark_channels(recording.calls)
    rows = tuple(_rows(network, recording, inputs, asked=images is not None))
    if recording.error:
        raise _layer_error(network, recording, rows) from recording.error
    title = network.name if isinstance(network, Network) else type(module).__name__
    batch = max(1, len(inputs[0])) if inputs[0].dim() else 1
    missed = _uncounted(recording, rows)
    warnings = (*_warnings(recording, rows), *_costs_elsewhere(recording, rows, batch), *missed)
    return Analysis(
        title, rows, warnings, module, recording.learnables, "; ".join(missed), isinstance(network, Network)
    )


def _uncompiled(module: nn.Module) -> nn.Module:
    """The module inside what torch.compile made of it."""
    inner = getattr(module, "_orig_mod", None)
    return inner if type(module).__name__ == "OptimizedModule" and isinstance(inner, nn.Module) else module


def _inputs(network: Network | nn.Module, size: Size, images: Tensor | tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
    if images is not None:
        given = images if isinstance(images, tuple) else (images,)
        return tuple(map(network.normalize, given)) if isinstance(network, Network) else given
    if size is None and isinstance(network, Network):
        size = network.input_size
    if size is None:
        raise ValueError("give the size of the module's input without its batch, such as (3, 64, 64), or images")
    generator = torch.Generator().manual_seed(0)
    return tuple(_input(network, one, generator) for one in (size if isinstance(size, list) else [size]))


def _input(network: Network | nn.Module, size: int | tuple[int, ...] | Tensor, generator: torch.Generator) -> Tensor:
    if isinstance(size, Tensor):
        parameter = next(network.parameters(), None) if isinstance(network, nn.Module) else None
        return size if parameter is None else size.to(parameter.device)
    shape = (3, size, size) if isinstance(size, int) else size
    if not shape or min(shape) < 1:
        raise ValueError(f"an input has at least one number in each direction, not {shape}")
    drawn = torch.rand(1, *shape, generator=generator)
    return network.normalize(drawn) if isinstance(network, Network) else _as_weights(drawn, network)


def _as_weights(drawn: Tensor, module: nn.Module) -> Tensor:
    """An input on the device and with the kind of number of a module's weights: half, double, complex."""
    first = next(iter(module.parameters()), None)
    kinds = (p for p in module.parameters() if p.is_floating_point() or p.is_complex())
    kind = next(kinds, None)
    if first is None:
        return drawn
    return drawn.to(first.device, drawn.dtype if kind is None else kind.dtype)


# -- rows ------------------------------------------------------------------------------------------------


def _rows(network: Network | nn.Module, recording: Recording, inputs: tuple[Tensor, ...], asked: bool) -> Iterator[Row]:
    module = network.module if isinstance(network, Network) else _uncompiled(network)
    calls, image = recording.calls, tuple(inputs[0].shape)
    batch = max(1, image[0]) if image else 1
    namer, row_of, fields = _Namer(module), dict[int, int](), dict[int, Field | None]()
    count, seen, needed = 0, set[str](), _needed(recording)
    for index, call in enumerate(calls):
        if index not in needed:
            continue
        given = [calls[source] for source in call.inputs]
        if call.function == "input":
            fields[index] = input_field(call.output) if call.channels == 1 else None
        else:
            shapes = [source.output for source in given]
            fields[index] = field_of(call, [fields.get(source) for source in call.inputs], shapes, image)
        before = tuple(dict.fromkeys(row_of[source] for source in call.inputs))
        if call.function in _RESHAPES and _size(given[0]) == _size(call) and not call.parameters:
            row_of[index] = before[0]  # the same numbers in the same height x width x channels: no layer
            continue
        count += 1
        row_of[index] = count
        yield _row(network, call, count, namer.name(call), before, fields[index], given, batch, seen, asked)
    if isinstance(network, Network) and not recording.error:
        last = tuple(dict.fromkeys(row_of[source] for source in recording.result))
        yield from _head(network, calls[recording.result[0]].output, count, last, namer)


def _size(call: Call) -> str:
    return size_text(call.output, call.channels)


def _needed(recording: Recording) -> set[int]:
    """Numbers of the calls on the way to the output, and of the inputs; all of them where there is no output.

    What only decides the way (a sum that is compared, say) or leads nowhere is no layer.
    """
    calls = recording.calls
    if not recording.result:
        return set(range(len(calls)))
    needed = {index for index, call in enumerate(calls) if call.function == "input"} | set(recording.result)
    if recording.outside:  # the way back is cut, so nothing is known to lead nowhere
        return set(range(len(calls)))
    for index in range(len(calls) - 1, -1, -1):
        if index in needed:
            needed.update(calls[index].inputs)
    return needed


def _row(
    network: Network | nn.Module,
    call: Call,
    number: int,
    name: str,
    before: tuple[int, ...],
    field: Field | None,
    given: list[Call],
    batch: int,
    seen: set[str],
    asked: bool,
) -> Row:
    kind, text = _input_words(network, call) if call.function == "input" else describe(call, given)
    row = Row(
        number=number,
        name=name,
        type=kind,
        description=text,
        path=call.module,
        inputs=before,
        shape=call.output[1:],
        channels=None if call.channels in (None, 0) else call.channels - 1,
        activations=_size(call),
        learnables=" ".join(f"{what} {size}" for what, size in learnables(call)) or "-",
        parameter_names=tuple(name for name, _ in call.parameters),
        parameters=sum(tensor.numel() for _, tensor in call.parameters),
        own_parameters=sum(tensor.numel() for name, tensor in call.parameters if name not in seen),
        trainable=sum(tensor.numel() for _, tensor in call.parameters if _is_trainable(tensor)),
        multiply_adds=None if call.uncounted else call.multiply_adds // batch,
        uncounted=f"no formula for {', '.join(call.uncounted)}" if call.uncounted else "",
        memory=call.new_bytes // batch,
        field=field,
        silent_units=_silent_units(call) if asked else None,
        zero_filters=_zero_filters(call),
    )
    seen.update(row.parameter_names)
    return row


def _silent_units(call: Call) -> int | None:
    """Channels of a function that cuts at zero that never rose above it; None for other functions."""
    if call.fired is None:
        return None
    usual = len(call.output) - 1 if len(call.output) == 3 else 1
    return int((~call.fired.get(call.channels or usual, call.fired[usual])).sum())


def _is_trainable(tensor: Tensor) -> bool:
    return isinstance(tensor, nn.Parameter) and tensor.requires_grad and not tensor.is_quantized


def _input_words(network: Network | nn.Module, call: Call) -> tuple[str, str]:
    size = _size(call)
    if isinstance(network, Network):
        return "Image Input", f"{size} images with 'zerocenter' normalization"
    return ("Image Input", f"{size} images") if len(call.output) == 4 else ("Input", f"{size} input")


def _head(network: Network, shape: tuple[int, ...], count: int, last: tuple[int, ...], namer: _Namer) -> Iterator[Row]:
    """What a `Network` adds to its module: probabilities and categories."""
    names = [namer.name(Call(part, "", (), {}, ())) for part in ("softmax", "output")]
    probabilities = Row(count + 1, names[0], "Softmax", "softmax", "", last, shape[1:], size_text(shape), "-")
    others = f"'{network.categories[0]}' and {len(network.categories) - 1} other classes"
    yield probabilities
    yield replace(
        probabilities,
        number=count + 2,
        name=names[1],
        type="Classification Output",
        description=f"crossentropyex with {others}",
        inputs=(count + 1,),
        activations="-",
    )


def _zero_filters(call: Call) -> int:
    """Filters of a convolution, or units of a fully connected layer, whose weights are all zero."""
    if call.function not in ("conv2d", "linear"):
        return 0
    weights = [tensor for _, tensor in call.parameters if tensor.dim() > 1]
    if len(weights) != 1 or weights[0].is_meta or weights[0].is_quantized:
        return 0
    filters = weights[0].detach().flatten(1)
    suspects = filters[filters.norm(dim=1) == 0]  # quick, but the squares of tiny weights vanish too
    return int((suspects == 0).all(dim=1).sum())


class _Namer:
    """Gives every row a name of its own."""

    def __init__(self, module: nn.Module) -> None:
        self.classic, self.taken = classic_names(module), Counter[str]()
        self.parts = dict(module.named_modules())  # get_submodule refuses scripted ones

    def name(self, call: Call) -> str:
        name = self.dotted(call)
        name = self.classic.get(name, name)
        self.taken[name] += 1
        # A layer that is called again is the same layer with the same weights, told apart by its number.
        return name if self.taken[name] == 1 else f"{name}#{self.taken[name]}"

    def dotted(self, call: Call) -> str:
        """The module's path where the call is what the module is for, else the path and the function."""
        function = call.function.strip("_")
        function = {"iadd": "add", "imul": "mul"}.get(function, function)
        if not call.module:
            return function
        owner = self.parts.get(call.module)
        if owner is None:
            return f"{call.module}.{function}"
        own = {f"{call.module}.{name}" for name, _ in owner.named_parameters(recurse=False)}
        if type(owner).__module__.startswith("torch.ao.nn."):  # their weights are packed and no parameters
            own |= {name for name, _ in call.parameters}
        plain = type(owner).__module__.startswith("torch.nn.") and not any(owner.children()) and function != "pad"
        return call.module if plain or own & {name for name, _ in call.parameters} else f"{call.module}.{function}"


# -- what is wrong ---------------------------------------------------------------------------------------


def _warnings(recording: Recording, rows: tuple[Row, ...]) -> Iterator[str]:
    for row in rows:
        if row.silent_units:
            fire = "fires" if row.silent_units == 1 else "fire"
            yield f"{row.name}: {row.silent_units} of {_channels(row)} units never {fire} on the given images"
        if row.zero_filters:
            are = "is" if row.zero_filters == 1 else "are"
            yield f"{row.name}: {row.zero_filters} of {_channels(row)} filters {are} all zero"
    used = {name for row in rows for name in row.parameter_names}
    for path, count in _unused(recording.learnables, used).items():
        yield f"{path}: {count:,} parameters that nothing uses on the way to the output"


def _uncounted(recording: Recording, rows: tuple[Row, ...]) -> list[str]:
    """What could not be counted, in a sentence each."""
    said = [f"{row.name}: its multiply-adds cannot be counted ({row.uncounted})" for row in rows if row.uncounted]
    shown = {operation for row in rows for operation in recording.uncounted if operation in row.uncounted}
    rest = [operation for operation in recording.uncounted if operation not in shown]
    if rest:
        said.append(f"multiply-adds of {', '.join(rest)} cannot be counted, and no layer shows them")
    for place in dict.fromkeys(recording.outside):
        said.append(f"{place} takes numbers that did not come through torch's functions: what made them is not counted")
    return said


def _costs_elsewhere(recording: Recording, rows: tuple[Row, ...], batch: int) -> Iterator[str]:
    """Multiply-adds of the pass that no row shows, such as those of a head whose output is thrown away."""
    left = recording.multiply_adds // batch - sum(call.multiply_adds // batch for call in recording.calls)
    shown = sum(row.multiply_adds or 0 for row in rows)
    nowhere = sum(call.multiply_adds // batch for call in recording.calls if not call.uncounted) - shown
    if left + nowhere > 0 and not recording.uncounted:
        yield f"{left + nowhere:,} multiply-adds lead nowhere: they are done, but the output does not need them"


def _unused(weights: dict[str, Tensor], used: set[str]) -> dict[str, int]:
    """How many parameters take no part, under the shortest path below which none does."""
    sizes = {name: tensor.numel() for name, tensor in weights.items()}
    alive = {name[:end] for name in used for end, letter in enumerate(name) if letter == "."} | used
    counts = Counter[str]()
    for name in sizes.keys() - used:
        steps = name.split(".")
        paths = [".".join(steps[: end + 1]) for end in range(len(steps))]
        counts[next(path for path in paths if path not in alive)] += sizes[name]
    return dict(sorted(counts.items()))


def _channels(row: Row) -> int:
    usual = 0 if len(row.shape) == 3 else -1
    return row.shape[usual if row.channels is None else row.channels]


def _layer_error(network: Network | nn.Module, recording: Recording, rows: tuple[Row, ...]) -> LayerError:
    """The error in one line: at which layer, what came in, what it wanted, and how far all was well."""
    error = recording.error
    assert error is not None
    module = network.module if isinstance(network, Network) else _uncompiled(network)
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, SystemExit):
        reason = "it ends the program (sys.exit)"
    if "required positional argument" in reason and isinstance(error, TypeError):
        reason += " (a module with several inputs needs a size for each: repeat --input)"
    if "indices" in reason and "scalar type" in reason:
        reason += " (indices are whole numbers: --input 16:int)"
    well = f"; the {len(rows)} rows before it work, the last is {rows[-1].name} with {rows[-1].activations}"
    if recording.failed is None or recording.failed[1] is not error:
        where = recording.module or "the network's forward"
        return LayerError(f"{where} (layer {len(rows) + 1}) fails: {type(error).__name__}: {reason}{well}", where, rows)
    call = recording.failed[0]
    given = [recording.calls[source] for source in call.inputs]
    namer = _Namer(module)
    for earlier in recording.calls:
        namer.name(earlier)
    name = namer.name(call)
    wanted = "".join(f" {what} {size}" for what, size in learnables(call))
    took = " and ".join(map(_size, given)) or "nothing of the input"
    message = f"{name} (layer {len(rows) + 1}, {call.function}) fails: it is given {took}"
    message += f", its learnables are{wanted}" if wanted else ""
    return LayerError(f"{message}: {reason}{well}", name, rows)
