"""A call in the words of the classic table: its type, what it does, and its learnables with their shapes.

The words and the order of dimensions (height x width x channels, weights with the filters last) are those of MATLAB's
`analyzeNetwork`, in which the course's table was first shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from netlens_core.methods.analysis.fields import pair, window
from netlens_core.methods.analysis.recording import Call

Shape = tuple[int, ...]


def size_text(shape: Shape, channels: int | None = 1) -> str:
    """A shape with its batch as the table has it: height x width x channels; 1x1xC for a vector.

    channels: the axis that holds them. Where it is None, the numbers stand in the tensor's own order.
    """
    if len(shape) == 4 and channels == 1:
        return f"{shape[2]}x{shape[3]}x{shape[1]}"
    if len(shape) == 2:
        return f"1x1x{shape[1]}"
    return "x".join(map(str, shape[1:])) or "1"


def learnables(call: Call) -> tuple[tuple[str, str], ...]:
    """Name and size of each parameter, such as ("Weights", "3x3x3x64"), in the classic order."""
    short = [(name.rpartition(".")[2], tuple(tensor.shape)) for name, tensor in call.parameters]
    return tuple(_learnable(call, name, shape) for name, shape in short)


def describe(call: Call, sources: Sequence[Call]) -> tuple[str, str]:
    """Type and description of a call; `sources` are the calls whose results it takes."""
    name = call.function.rstrip("_")
    if name in _WORDS:
        return _WORDS[name]
    if name in ("flatten", "reshape", "view", "permute", "transpose") and sources:
        return _shape_change(call, sources[0])
    if name in _DESCRIBERS and sources:
        return _DESCRIBERS[name](call, [source.output for source in sources])
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:], words


def pooled_beyond(call: Call, shape: Shape) -> tuple[int, int, int, int]:
    """Padding of a pooling: top, bottom, left, right. Ceil mode pads below and to the right, as far as it reaches."""
    kernel, stride, padding, dilation = window(call, shape)
    edges: list[int] = []
    for size, after, k, s, p, d in zip(shape[2:], call.output[2:], kernel, stride, padding, dilation, strict=True):
        reach = int((after - 1) * s + (k - 1) * d + 1)
        edges += [int(p), int(p) + max(0, reach - (size + 2 * int(p)))]
    return edges[0], edges[1], edges[2], edges[3]


# -- layer by layer --------------------------------------------------------------------------------------


def _convolution(call: Call, given: list[Shape]) -> tuple[str, str]:
    kernel, stride, (top, left), dilation = window(call, given[0])
    bottom, right = top, left
    if call.argument("padding", 4, 0) == "same":
        bottom, right = (d * (k - 1) - p for d, k, p in zip(dilation, kernel, (top, left), strict=True))
    filters, channels, groups = call.output[1], given[0][1], call.argument("groups", 6, 1)
    spread = f", dilation factor {_list(*dilation)}," if dilation != (1, 1) else ""
    size = f"{kernel[0]}x{kernel[1]}x{channels // groups}"
    many = f"{groups} groups of {filters // groups}" if groups > 1 else f"{filters}"
    text = (
        f"{many} {size} convolutions with stride {_list(*stride)}{spread} and padding {_list(top, bottom, left, right)}"
    )
    return ("Grouped Convolution" if groups > 1 else "Convolution"), text


def _pooling(kind: str) -> Callable[[Call, list[Shape]], tuple[str, str]]:
    def described(call: Call, given: list[Shape]) -> tuple[str, str]:
        kernel, stride, _, _ = window(call, given[0])
        padding = _list(*pooled_beyond(call, given[0]))
        text = f"{kernel[0]}x{kernel[1]} {kind.lower()} pooling with stride {_list(*stride)} and padding {padding}"
        return f"{kind} Pooling", text

    return described


def _adaptive(kind: str) -> Callable[[Call, list[Shape]], tuple[str, str]]:
    def described(call: Call, given: list[Shape]) -> tuple[str, str]:
        if call.output[2:] == (1, 1):
            return f"Global {kind} Pooling", f"Global {kind.lower()} pooling"
        height, width = pair(call.output[2:])
        return f"Adaptive {kind} Pooling", f"{kind.lower()} pooling to {height}x{width}"

    return described


def _fully_connected(call: Call, given: list[Shape]) -> tuple[str, str]:
    return "Fully Connected", f"{call.output[-1]} fully connected layer"


def _batch_norm(call: Call, given: list[Shape]) -> tuple[str, str]:
    return "Batch Normalization", f"Batch normalization with {given[0][1]} channels"


def _dropout(call: Call, given: list[Shape]) -> tuple[str, str]:
    return "Dropout", f"{100 * call.argument('p', 1, 0.5):g}% dropout"


def _concatenation(call: Call, given: list[Shape]) -> tuple[str, str]:
    dim = call.argument("dim", 1, 0)
    depth = len(call.output) == 4 and call.channels is not None and dim in (call.channels, call.channels - 4)
    along = "Depth concatenation" if depth else "Concatenation"
    return along, f"{along} of {len(call.argument('tensors', 0, call.inputs))} inputs"


def _addition(call: Call, given: list[Shape]) -> tuple[str, str]:
    several = len(call.inputs) > 1
    return "Addition", f"Element-wise addition of {len(call.inputs)} inputs" if several else "Addition of a constant"


def _multiplication(call: Call, given: list[Shape]) -> tuple[str, str]:
    several = len(call.inputs) > 1
    text = f"Element-wise multiplication of {len(call.inputs)} inputs" if several else "Multiplication by a constant"
    return "Multiplication", text


def _hardtanh(call: Call, given: list[Shape]) -> tuple[str, str]:
    low, high = call.argument("min_val", 1, -1.0), call.argument("max_val", 2, 1.0)
    return "Clipped ReLU" if low == 0 else "Clipping", f"between {low:g} and {high:g}"


def _padding(call: Call, given: list[Shape]) -> tuple[str, str]:
    left, right, top, bottom = (*call.argument("pad", 1), 0, 0, 0, 0)[:4]
    return "Padding", f"padding {_list(top, bottom, left, right)}"


def _shape_change(call: Call, source: Call) -> tuple[str, str]:
    before, after = size_text(source.output, source.channels), size_text(call.output, call.channels)
    moved = len(call.output) == 4 and source.channels != call.channels and call.function in ("permute", "transpose")
    now = {1: ", channels now first", 3: ", channels now last"}.get(call.channels or 0, "") if moved else ""
    return call.function.capitalize(), f"{before} to {after}{now}"


def _attention(call: Call, given: list[Shape]) -> tuple[str, str]:
    heads = call.argument("num_heads", 4)
    return "Multi-head attention", f"attention with {heads} heads" if isinstance(heads, int) else "attention"


_WORDS = {
    "relu": ("ReLU", "ReLU"),
    "relu6": ("Clipped ReLU", "between 0 and 6"),
    "softmax": ("Softmax", "softmax"),
    "sigmoid": ("Sigmoid", "sigmoid"),
    "tanh": ("Tanh", "tanh"),
    "gelu": ("GELU", "GELU"),
    "silu": ("Swish", "swish (SiLU)"),
    "leaky_relu": ("Leaky ReLU", "leaky ReLU"),
    "getitem": ("Slice", "a part of its input"),
    "setitem": ("Assignment", "written into a part of its input"),
    "layer_norm": ("Layer Normalization", "layer normalization"),
    "local_response_norm": ("Cross Channel Normalization", "cross channel normalization"),
    "scaled_dot_product_attention": ("Attention", "scaled dot-product attention"),
    "matmul": ("Matrix multiplication", "matrix multiplication"),
    "lstm": ("LSTM", "LSTM"),
    "gru": ("GRU", "GRU"),
    "quantized_lstm": ("LSTM", "LSTM"),
    "quantized_gru": ("GRU", "GRU"),
    "lstm_cell": ("LSTM", "one step of an LSTM"),
    "gru_cell": ("GRU", "one step of a GRU"),
    "quantized_lstm_cell_dynamic": ("LSTM", "one step of an LSTM"),
    "quantized_gru_cell_dynamic": ("GRU", "one step of a GRU"),
    "rnn_tanh_cell": ("Recurrent", "one step of a recurrent layer with tanh"),
    "rnn_relu_cell": ("Recurrent", "one step of a recurrent layer with ReLU"),
    "transformer_encoder_layer_fwd": ("Transformer encoder", "a whole encoder layer in one operation"),
    "rnn_tanh": ("Recurrent", "recurrent layer with tanh"),
    "rnn_relu": ("Recurrent", "recurrent layer with ReLU"),
    "outside": ("Data", "numbers that did not come through torch's functions"),
}
_DESCRIBERS: dict[str, Callable[[Call, list[Shape]], tuple[str, str]]] = {
    "conv2d": _convolution,
    "max_pool2d": _pooling("Max"),
    "max_pool2d_with_indices": _pooling("Max"),
    "avg_pool2d": _pooling("Average"),
    "adaptive_avg_pool2d": _adaptive("Average"),
    "adaptive_max_pool2d": _adaptive("Max"),
    "linear": _fully_connected,
    "batch_norm": _batch_norm,
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "dropout2d": _dropout,
    "cat": _concatenation,
    "add": _addition,
    "iadd": _addition,
    "radd": _addition,
    "mul": _multiplication,
    "imul": _multiplication,
    "rmul": _multiplication,
    "hardtanh": _hardtanh,
    "pad": _padding,
    "multi_head_attention_forward": _attention,
}


def _learnable(call: Call, name: str, shape: Shape) -> tuple[str, str]:
    function = call.function
    if function == "conv2d" and name == "weight":
        out, per_group, height, width = shape
        groups = call.argument("groups", 6, 1)
        filters = f"{out // groups}x{groups}" if groups > 1 else f"{out}"
        return "Weights", f"{height}x{width}x{per_group}x{filters}"
    if function == "conv2d" and name == "bias":
        groups = call.argument("groups", 6, 1)
        return "Bias", f"1x1x{shape[0] // groups}x{groups}" if groups > 1 else f"1x1x{shape[0]}"
    if function == "linear" and name in ("weight", "bias"):
        return ("Weights", f"{shape[0]}x{shape[1]}") if name == "weight" else ("Bias", f"{shape[0]}x1")
    if function == "batch_norm":
        return {"weight": "Scale", "bias": "Offset"}.get(name, name), f"1x1x{shape[0]}"
    return name, "x".join(map(str, shape)) or "1"


def _list(*numbers: float) -> str:
    return f"[{' '.join(f'{number:g}' for number in numbers)}]"


def count_text(number: float | None) -> str:
    """1234567 as 1.23 M, so that a column can be read at a glance; "?" for what nobody knows."""
    if number is None:
        return "?"
    if not number:
        return "-"
    step = min(3, int(math.log10(abs(number)) // 3)) if abs(number) >= 1000 else 0
    scaled = number / 1000**step
    return f"{scaled:.3g}" if not step else f"{scaled:.3g} {('', 'k', 'M', 'G')[step]}"
