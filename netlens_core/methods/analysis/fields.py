"""Receptive fields: which pixels of the image a unit can depend on, by the arithmetic of kernels, strides and padding.

Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019
(https://distill.pub/2019/computing-receptive-fields/). Where branches meet, the field is the box around both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from netlens_core.methods.analysis.recording import Call

Pair = tuple[float, float]


@dataclass(frozen=True)
class Field:
    """The receptive fields of a layer's units, in pixels of the image; each pair is (down, right).

    size: height and width of one unit's field.
    stride: how far the fields of two neighbours lie apart: the layer's effective stride.
    start: first row and column of the field of unit (0, 0); negative where it begins in the padding.
    whole: each unit may depend on the whole image.
    """

    size: Pair
    stride: Pair
    start: Pair
    whole: bool = False

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Top, left, bottom, right of a unit's field (bottom and right excluded), padding included."""
        top, left = (s + i * step for s, i, step in zip(self.start, (row, column), self.stride, strict=True))
        return top, left, top + self.size[0], left + self.size[1]

    def through(self, kernel: Pair, stride: Pair, padding: Pair = (0, 0), dilation: Pair = (1, 1)) -> Field:
        """The fields after a sliding window; padding above and to the left."""
        if self.whole:
            return self
        along = zip(self.size, self.stride, kernel, dilation, strict=True)
        return Field(
            _pair(size + (k - 1) * d * step for size, step, k, d in along),
            _pair(step * s for step, s in zip(self.stride, stride, strict=True)),
            _pair(start - p * step for start, p, step in zip(self.start, padding, self.stride, strict=True)),
        )


def input_field(shape: tuple[int, ...]) -> Field | None:
    """Each pixel of an image (N, C, H, W) depends on itself; for other inputs there are no fields."""
    return Field((1, 1), (1, 1), (0, 0)) if len(shape) == 4 else None


def field_of(
    call: Call, given: list[Field | None], shapes: list[tuple[int, ...]], image: tuple[int, ...]
) -> Field | None:
    """The field of a call's result from those of its inputs; None where there is no telling.

    shapes: of the inputs, as `given`. image: the shape of the network's input.
    """
    if len(image) != 4 or not given or any(field is None for field in given):
        return None
    known = [field for field in given if field]
    first, shape = known[0], shapes[0]
    whole = Field((image[2], image[3]), (image[2], image[3]), (0, 0), whole=True)
    function = call.function.rstrip("_")
    if function in ("conv2d", "max_pool2d", "avg_pool2d", "max_pool2d_with_indices"):
        return first.through(*window(call, shape))
    if function == "pad" and len(call.argument("pad", 1)) <= 4:
        edges = (*call.argument("pad", 1), 0, 0, 0)
        return first.through((1, 1), (1, 1), (edges[2], edges[0]))
    if function in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        return _adaptive(first, shape, call.output, whole)
    if len(call.output) == 2:
        pixel = all(s[2:] in ((1, 1), ()) for s in shapes)
        return _around(known) if pixel and function in _BY_PLACE | {"flatten", "reshape", "view"} else whole
    if len(call.output) != 4:
        return None
    if function in ("mean", "sum", "amax", "group_norm", "instance_norm"):
        return whole
    if function in _BY_PLACE and not (function in ("cat", "softmax") and call.argument("dim", 1, 0) not in (1, -3)):
        return _around(known)
    return None


# Functions whose result at one place depends on their arguments at that place alone.
_BY_PLACE = {
    *("relu", "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "prelu", "threshold"),
    *("sigmoid", "tanh", "hardsigmoid", "hardswish", "softplus", "clamp", "abs", "exp", "log", "sqrt", "square", "pow"),
    *("add", "iadd", "radd", "sub", "isub", "rsub", "mul", "imul", "rmul", "div", "truediv", "neg", "maximum"),
    *("minimum", "cat", "batch_norm", "dropout", "dropout2d", "softmax", "local_response_norm", "rrelu", "where"),
    *("channel_shuffle", "native_channel_shuffle", "feature_dropout", "alpha_dropout", "log_softmax"),
}


def window(call: Call, shape: tuple[int, ...]) -> tuple[Pair, Pair, Pair, Pair]:
    """Kernel, stride, padding (above, left) and dilation of a convolution or pooling."""
    if call.function == "conv2d":
        weight = call.argument("weight", 1)
        kernel = tuple(getattr(weight, "shape", weight))[2:]  # a shape already, where it is made from parameters
        stride, dilation = pair(call.argument("stride", 3, 1)), pair(call.argument("dilation", 5, 1))
        padding = call.argument("padding", 4, 0)
    else:
        kernel = pair(call.argument("kernel_size", 1))
        stride = pair(call.argument("stride", 2) or kernel)
        padding = call.argument("padding", 3, 0)
        dilation = pair(call.argument("dilation", 4, 1)) if call.function.startswith("max") else (1, 1)
    if padding == "same":
        padding = tuple(int(d * (k - 1)) // 2 for d, k in zip(dilation, kernel, strict=True))
    return _pair(kernel), stride, pair(0 if padding == "valid" else padding), dilation


def pair(value: int | Iterable[int]) -> tuple[int, int]:
    """One number for both directions, or one each."""
    numbers = (value, value) if isinstance(value, int) else tuple(value)
    return (numbers[0], numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def _adaptive(field: Field, shape: tuple[int, ...], output: tuple[int, ...], whole: Field) -> Field:
    if output[2:] == (1, 1) or field.whole:
        return whole
    ratio = _pair(before / after for before, after in zip(shape[2:], output[2:], strict=True))
    # Windows that do not divide evenly differ by a unit: the largest is told.
    kernel = _pair(r if r == int(r) else ceil(r) + 1 for r in ratio)
    return field.through(kernel, ratio)


def _around(fields: list[Field]) -> Field | None:
    """The box around the fields of several inputs."""
    for field in fields:
        if field.whole:
            return field
    if len({field.stride for field in fields}) > 1:
        return None
    low = _pair(min(field.start[axis] for field in fields) for axis in (0, 1))
    high = _pair(max(field.start[axis] + field.size[axis] for field in fields) for axis in (0, 1))
    return Field((high[0] - low[0], high[1] - low[1]), fields[0].stride, low)


def _pair(values: Iterable[float]) -> Pair:
    first, second = values
    return first, second
