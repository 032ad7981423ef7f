"""The table of a network's layers: what a trusted forward pass finds, and how near a claimed table comes to it.

A layer is a module that has no modules in it, or numbers of its own to learn. Each time it computes it has a row, with
height x width x channels of what it gives and how many numbers it learns. Operations that are no modules (adding,
concatenating, padding) may have rows, as analysers differ in this.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from netlens_core.networks import Network

# The first that fits tells a type's family, so that one text stands for one family only.
_FAMILIES = {
    "dropout": "drop",
    "classification output": "output|výstup",
    "input": "input|vstup",
    "batch normalization": "norm|^bn",
    "convolution": "conv|konvol",
    "concatenation": "cat|zřetěz",
    "max pooling": "max.*pool|pool.*max",
    "average pooling": "(avg|average|mean).*pool|pool.*(avg|average|mean)",
    "ReLU": "relu|rectif|hardtanh|^act|activation",
    "fully connected": "linear|full|dense|^fc|innerproduct|plněpropoj",
    "softmax": "softmax",
}
_LEARNING = ("convolution", "fully connected", "batch normalization")
_OPTIONAL = (nn.Identity, nn.Flatten)  # they change no number: some analysers leave them out


@dataclass(frozen=True)
class Layer:
    """One row: its family of types, the size of its activations, how many numbers it learns; whether it has to be
    there."""

    family: str
    size: tuple[int, ...]
    learnables: int
    required: bool = True


@dataclass(frozen=True)
class LayerTable:
    """A network's rows in the order in which they start to compute, and in that in which they end: these differ
    where a layer calls another."""

    started: tuple[Layer, ...]
    ended: tuple[Layer, ...]

    @property
    def learnables(self) -> int:
        """Of all rows together."""
        return sum(row.learnables for row in self.started)


# -- what there is ---------------------------------------------------------------------------------------


def layer_table(network: Network, input_size: int) -> LayerTable:
    """The rows of one forward pass of a square image of `input_size` pixels, the input first."""
    with _Watching(network.module) as watched, torch.no_grad():
        last = network.module(network.normalize(torch.zeros(1, 3, input_size, input_size)))
    image = Layer("input", (input_size, input_size, 3), 0)
    head = (Layer("softmax", _size(last), 0, required=False), Layer("classification output", (), 0, required=False))
    started = tuple(row for row in watched.started if row is not None)
    return LayerTable((image, *started, *head), (image, *watched.ended, *head))


class _Watching(TorchFunctionMode):
    """Notes every layer that computes, and what is computed outside of layers."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.started: list[Layer | None] = []
        self.ended: list[Layer] = []
        self._open: list[int] = []
        layers = [part for part in module.modules() if not any(part.children()) or [*part.parameters(recurse=False)]]
        self._handles = [layer.register_forward_pre_hook(self._start) for layer in layers]
        self._handles += [layer.register_forward_hook(self._end) for layer in layers]

    def _start(self, *_: Any) -> None:
        self._open.append(len(self.started))
        self.started.append(None)

    def _end(self, layer: nn.Module, _inputs: Any, output: Any) -> None:
        learnables = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
        row = Layer(family(type(layer).__name__), _size(output), learnables, not isinstance(layer, _OPTIONAL))
        self.started[self._open.pop()] = row
        self.ended.append(row)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "").strip("_")
        if isinstance(result, Tensor) and result.dim() > 1 and (not self._open or name == "pad"):
            self._operation(Layer(family(name), _size(result), 0, required=False))
        return result

    def _operation(self, row: Layer) -> None:
        self.ended.append(row)
        if self._open:  # what a layer does first to its input, padding, comes before it
            self.started.insert(self._open[-1], row)
            self._open[-1] += 1
        else:
            self.started.append(row)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()


def _size(output: Any) -> tuple[int, ...]:
    """Height, width, channels of one image's activations; only channels of a vector."""
    shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
    return _bare((*shape[1:], shape[0])) if shape else ()


def _bare(size: Sequence[int]) -> tuple[int, ...]:
    """A size without the ones before it: 1x1x1000 and 1000 are the same."""
    start = next((place for place, side in enumerate(size) if side != 1), len(size))
    return tuple(size[start:])


# -- what is claimed -------------------------------------------------------------------------------------


def family(text: str) -> str:
    """The family of a type however it is called: "Conv2d", "2-D Convolution" and "convolution" are one."""
    plain = re.sub(r"[\W_]+", "", text.lower())
    return next((name for name, pattern in _FAMILIES.items() if re.search(pattern, plain)), plain)


def size_of(claim: Any) -> tuple[int, ...] | None:
    """Claimed activations, [113, 113, 64] or "113x113x64", without ones before them; None where it is no size."""
    if isinstance(claim, str):
        numbers = [int(digits) for digits in re.findall(r"\d{1,9}", claim)]
    elif isinstance(claim, list) and all(number == int(number) for number in claim):
        numbers = [int(number) for number in claim]
    else:
        numbers = [int(claim)] if isinstance(claim, int | float) and claim == int(claim) else []
    return _bare(numbers) if numbers else None


def learnables_of(claim: Any) -> int | None:
    """Claimed learnables as a number: 1792, "1,792", "-", or "Weights 3x3x3x64 Bias 1x1x64"; None where it is none."""
    if isinstance(claim, int | float):
        return int(claim) if claim == int(claim) else None
    if not isinstance(claim, str):
        return None
    if re.fullmatch(r"\s*\d{1,3}([, ]\d{3})+\s*", claim):
        return int(re.sub(r"\D", "", claim))
    sizes = re.findall(r"\d{1,9}(?:x\d{1,9})*", re.sub(r"\s*[x×*]\s*(?=\d)", "x", claim.lower()))
    return sum(math.prod(map(int, size.split("x"))) for size in sizes)


@dataclass(frozen=True)
class Comparison:
    """How a claimed table compares: shares of the rows that should be there, in [0, 1], and what is too much.

    types, activations: share of the rows right in that column. learnables: the same among rows that learn something.
    whole: share of the rows right in all three. superfluous: rows that stand for no layer.
    names: share of the claimed rows with a name that no other has. total_error: of all learnables, as a share.
    """

    types: float
    activations: float
    learnables: float
    whole: float
    superfluous: int
    names: float
    total_error: float


def compared(claim: Iterable[Mapping[str, Any]], table: LayerTable) -> Comparison:
    """Compare a claimed table, rows with "name", "type", "activations" and "learnables", with a network's.

    Rows are brought together in their order, so that one that is missing does not make wrong all that come after it.
    """
    rows = list(claim)
    read = [_Claimed.read(row) for row in rows[: 4 * len(table.started)]]
    return max(
        (_compared(rows, read, layers, table.learnables) for layers in (table.started, table.ended)),
        key=lambda comparison: (comparison.whole, comparison.types, -comparison.superfluous),
    )


@dataclass(frozen=True)
class _Claimed:
    family: str
    size: tuple[int, ...] | None
    learnables: int | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> _Claimed:
        return cls(
            family(str(row.get("type", ""))), size_of(row.get("activations")), learnables_of(row.get("learnables"))
        )

    def right(self, layer: Layer) -> tuple[bool, bool, bool]:
        """Whether type, activations and learnables are a layer's."""
        return self.family == layer.family, self.size == layer.size, self.learnables == layer.learnables

    def gain(self, layer: Layer) -> float:
        """How much speaks for it that this row stands for the layer; 0 where it does not."""
        kind, size, learnables = self.right(layer)
        if layer.required:
            return kind + size + learnables if kind or (size and learnables) else 0
        if layer.family == "classification output":
            return 0.5 if kind and self.learnables == 0 else 0
        return 0.5 if size and learnables and self.family not in _LEARNING else 0


def _compared(
    rows: list[Mapping[str, Any]], read: list[_Claimed], layers: tuple[Layer, ...], learnables: int
) -> Comparison:
    pairs = _paired(read, layers)
    marks = [(layer, claimed.right(layer)) for claimed, layer in pairs if layer.required]
    required = [layer for layer in layers if layer.required]
    learning = [layer for layer in required if layer.learnables]
    names = [str(row.get("name", "")).strip() for row in rows]
    total = sum(learnables_of(row.get("learnables")) or 0 for row in rows)
    return Comparison(
        types=sum(right[0] for _, right in marks) / len(required),
        activations=sum(right[1] for _, right in marks) / len(required),
        learnables=sum(right[2] for layer, right in marks if layer.learnables) / max(1, len(learning)),
        whole=sum(all(right) for _, right in marks) / len(required),
        superfluous=len(rows) - len(pairs),
        names=len(set(names) - {""}) / max(1, len(names)),
        total_error=abs(total - learnables) / max(1, learnables),
    )


def _paired(read: list[_Claimed], layers: tuple[Layer, ...]) -> list[tuple[_Claimed, Layer]]:
    """Rows with the layers that they stand for, both in their order, so that as much as possible is right."""
    best = [[0.0] * (len(layers) + 1) for _ in range(len(read) + 1)]
    for i, claimed in enumerate(read):
        for j, layer in enumerate(layers):
            gain = claimed.gain(layer)
            best[i + 1][j + 1] = max(best[i][j + 1], best[i + 1][j], best[i][j] + gain if gain else 0)
    pairs, i, j = [], len(read), len(layers)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            pairs.append((read[i - 1], layers[j - 1]))
            i, j = i - 1, j - 1
    return pairs[::-1]
