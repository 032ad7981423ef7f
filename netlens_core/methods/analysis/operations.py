"""The dispatcher's operations under the names and with the arguments that they have in `torch.nn.functional`.

A scripted module calls `aten::convolution` and `aten::addmm`; a quantised one `quantized::conv2d_relu` with its weights
packed away. Here they become `conv2d` and `linear` again, so that they are described like everybody else's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from netlens_core.methods.analysis.weights import script_objects, unpacked

_NAMES = {
    **dict.fromkeys(
        ("native_batch_norm", "native_batch_norm_legit", "native_batch_norm_legit_no_training", "cudnn_batch_norm",
         "miopen_batch_norm", "batch_norm_with_update_functional"),
        "batch_norm",
    ),
    "native_layer_norm": "layer_norm",
    "fused_rms_norm": "rms_norm",
    "native_group_norm": "group_norm",
    "native_dropout": "dropout",
    "unsafe_view": "view",
    "select": "getitem",
    "slice": "getitem",
    "bmm": "matmul",
    "baddbmm": "matmul",
    "mkldnn_rnn_layer": "lstm",
    "native_multi_head_attention": "multi_head_attention_forward",
}  # fmt: skip


class Words(NamedTuple):
    """A call as Python would have written it."""

    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def in_words(namespace: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Words:
    """An operation as a function call; functions of Python, which have no namespace, stay as they are."""
    if namespace == "quantized":
        return _quantized(name, args, kwargs)
    plain = name.strip("_")
    if namespace != "aten":
        return Words(plain, args, kwargs)
    if plain == "convolution" and len(args) >= 9:
        return _convolution(args)
    if plain == "addmm" and len(args) >= 3:
        return Words("linear", (args[1], args[2], args[0]), {})
    if plain == "mm":
        return Words("linear", args, kwargs)
    if plain.startswith("scaled_dot_product_"):
        return Words("scaled_dot_product_attention", args, kwargs)
    return Words(_NAMES.get(plain, plain), args, kwargs)


def _convolution(args: tuple[Any, ...]) -> Words:
    given, weight, bias, stride, padding, dilation, transposed, output_padding, groups = args[:9]
    dims = weight.dim() - 2
    if transposed:
        words = (given, weight, bias, stride, padding, output_padding, groups, dilation)
        return Words(f"conv_transpose{dims}d", words, {})
    return Words(f"conv{dims}d", (given, weight, bias, stride, padding, dilation, groups), {})


def _quantized(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Words:
    packed = list(script_objects(args))
    if name.startswith(("linear", "wrapped")) and packed:
        return Words("linear", args, kwargs)
    if name.startswith("conv") and packed:
        weights = dict(unpacked(packed[0]))
        if "weight" in weights and "stride" in packed[0]._method_names():
            return _packed_convolution(args[0], weights, packed[0])
    return Words(name.removesuffix("_relu"), args, kwargs)


def _packed_convolution(given: Any, weights: dict[str, Tensor], packed: Any) -> Words:
    weight, bias = weights["weight"], weights.get("bias")
    window = [packed.stride(), packed.padding(), packed.dilation(), bool(packed.transpose()), packed.output_padding()]
    return _convolution((given, weight, bias, *window, packed.groups()))
