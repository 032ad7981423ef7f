"""Which axis of a tensor holds the channels: convolutions keep them first, Swin, ConvNeXt and other networks last.

    torch's layout              axis   shown
    (N, 96, 56, 56) from a conv    1   56x56x96
    (N, 56, 56, 96) after permute  3   56x56x96
    (N, 3, 196, 64) heads, tokens  -   3x196x64, in the tensor's own order

An axis follows from the function that made a tensor, from its inputs', or else from what takes the tensor next: an
image that goes through permute(0, 3, 1, 2) into a convolution has its channels last.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from netlens_core.methods.analysis.recording import Call

Shape = tuple[int, ...]
_FIRST = re.compile(
    r"conv(_transpose)?[123]d|deform_conv2d|(adaptive_|fractional_)?(max|avg)_pool[123]d\w*|batch_norm|group_norm|lp_pool[123]d"
    r"|instance_norm|local_response_norm|interpolate|upsample\w*|pixel_(un)?shuffle|channel_shuffle|grid_sample|dropout[123]d"
    r"|feature_dropout|max_unpool[123]d"
)
_LAST = {"linear", "layer_norm", "rms_norm", "embedding", "lstm", "gru", "rnn_tanh", "rnn_relu", "bilinear",
         "multi_head_attention_forward"}  # fmt: skip
_NO_CHANNELS = {"scaled_dot_product_attention", "stack", "unfold", "fold"}
_RESHAPES = {"flatten", "reshape", "view", "unflatten", "squeeze", "unsqueeze", "getitem"}


def mark_channels(calls: Sequence[Call]) -> None:
    """Set `channels` of every call: the axis of its output, counted with the batch, or None where there is none."""
    takers: dict[int, list[int]] = {}
    for index, call in enumerate(calls):
        for source in call.inputs:
            takers.setdefault(source, []).append(index)
    wished: dict[int, int | None] = {}
    for index in range(len(calls) - 1, -1, -1):  # whoever takes a tensor comes after it
        wished[index] = _wished(index, calls, takers.get(index, ()), wished)
    for index, call in enumerate(calls):
        call.channels = _made(call, calls)
        if call.channels is None:
            call.channels = wished[index]
        if call.channels is None and call.function == "input" and len(call.output) == 4:
            call.channels = 1
        if len(call.output) == 2:
            call.channels = 1


def _made(call: Call, calls: Sequence[Call]) -> int | None:
    """The axis that a call's function and inputs give to its output."""
    own = _demanded(call)
    if own is not None:
        return own % len(call.output) if call.output else None
    if call.function in _NO_CHANNELS or not call.inputs:
        return None
    known = [calls[source] for source in call.inputs if calls[source].channels is not None]
    if not known:
        return None
    source = known[0]
    assert source.channels is not None
    return _carried(call, source.output, source.channels)


def _demanded(call: Call) -> int | None:
    """Where a function has the channels of its input and its output, if it is one that says."""
    if _FIRST.fullmatch(call.function):
        return 1
    if call.function == "layer_norm":
        return -1 if len(call.argument("normalized_shape", 1, (0,))) == 1 else None
    return -1 if call.function in _LAST else None


def _carried(call: Call, before: Shape, axis: int) -> int | None:
    """Where a call moves an axis of its input."""
    order = _order(call, len(before))
    if order is not None:
        return order.index(axis)
    after = call.output
    if len(after) == len(before) and call.function not in ("reshape", "view"):
        return axis
    if axis == len(before) - 1 and after and after[-1] == before[-1]:
        return len(after) - 1
    if axis == 1 and len(after) > 1 and after[1] == before[1] and call.function in _RESHAPES:
        return 1
    return None


def _wished(index: int, calls: Sequence[Call], takers: Sequence[int], wished: dict[int, int | None]) -> int | None:
    """The axis that those who take a tensor would like its channels in."""
    shape = calls[index].output
    for taker in takers:
        call = calls[taker]
        own = _demanded(call)
        if own is not None:
            return own % len(shape) if shape and call.inputs[0] == index else None
        later = wished[taker]
        if later is None or call.function in _NO_CHANNELS:
            continue
        order = _order(call, len(shape))
        if order is not None:
            return order[later]
        if len(call.output) == len(shape) and call.function not in _RESHAPES:
            return later
    return None


def _order(call: Call, dims: int) -> list[int] | None:
    """For functions that move axes: which axis of the input each one of the output was."""
    if call.function == "permute":
        given = call.argument("dims", 1)
        order = list(given) if isinstance(given, (tuple, list)) else [n for n in call.args[1:] if isinstance(n, int)]
        return [axis % dims for axis in order] if len(order) == dims else None
    if call.function in ("transpose", "swapaxes", "swapdims") and dims > 1:
        one = call.argument("dim0", 1, call.argument("axis0", 1, 0))
        other = call.argument("dim1", 2, call.argument("axis1", 2, 1))
        order = list(range(dims))
        order[one], order[other] = order[other], order[one]
        return order
    return None
