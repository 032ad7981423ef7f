"""Multiply-adds of the operations that torch's dispatcher carries out, and which of them cannot be counted.

Counted are the products of convolutions, matrices, attention and recurrent layers: each weight times each number that
it meets. Biases, normalisations, activations, pooling, interpolation and lookups count nothing. For most operations
torch has a formula (`torch.utils.flop_counter`); the others stand here. An operation that may multiply but has no
formula is named: `count` gives None for it, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from netlens_core.methods.analysis.weights import script_objects, unpacked

# Namespaces without products, but for the operations named below: aten's are a closed list, known by name.
_KNOWN = {"aten", "prim", "prims", "profiler", "quantized", "quantized_decomposed", "torchvision", "mkldnn_prepacked"}
# aten's and torchvision's operations that multiply, and for which there is no formula.
_UNCOUNTED = re.compile(
    r"_?(fft|linalg|sparse|lu|cholesky|cdist|euclidean|grouped_mm|scaled_grouped|dyn_quant|triton|foreach_mm|cslt)\w*"
    r"|\w*(solve|_mm|linear|matmul|attention|rnn|lstm|gru|conv\w*|multi_head_attention|prepacked)(_\w+)?"
    r"|hspmm|smm|sspaddmm|matrix_exp|inverse|pinverse|geqrf|orgqr|ormqr|stft|istft|logdet|slogdet|det|kron"
)
_HARMLESS = re.compile(  # they match above, and multiply nothing or only element by element
    r"_?linalg_(vector_norm|cross|check_errors|diagonal|norm|matrix_norm)|\w*upsample\w*|\w*prepack|\w*pack_weight\w*"
    r"|_?\w*conv\w*_(weight|indices)\w*|_thnn_fused_(gru|lstm)_cell|_convert_\w+|\w*flatten_weight|_fft_\w*plan\w*"
    r"|_sparse_(coo|csr|csc|bsr|bsc|compressed|sum|softmax|log_softmax|mask|broadcast)\w*|_cslt_compress|lu_unpack"
    r"|_fused_sdp_choice|sparse_(dim|mask|resize|\w+_tensor)\w*|resolve_(conj|neg)|fft_fft(freq|shift)|fft_ifftshift"
)


def count(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int | None:
    """Multiply-adds of one operation, for the whole batch; None where it may multiply and nobody knows how often."""
    namespace, name = name_of(operation)
    own = _FORMULAS.get(name) if namespace in _KNOWN else None
    packet = getattr(operation, "_overloadpacket", operation)
    try:
        if _is_sparse((args, kwargs)) and (own or packet in flop_registry):
            return None  # a formula of shapes would count the zeros too
        if namespace == "quantized":
            return _quantized(name, args, result)
        if own:
            found = own(args, kwargs, result)
            return found if found is None else found * _real_products(result)
        if packet in flop_registry:
            return int(flop_registry[packet](*args, **kwargs, out_val=result)) // 2 * _real_products(result)
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return None  # nested tensors and the like have no shape to tell
    if namespace not in _KNOWN:
        return None
    return None if _UNCOUNTED.fullmatch(name) and not _HARMLESS.fullmatch(name) else 0


def name_of(operation: Any) -> tuple[str, str]:
    """Namespace and name of a torch operation: ("aten", "convolution"); ("", "relu") for a function of Python."""
    schema = getattr(operation, "_schema", None)
    full = schema.name if schema is not None else getattr(operation, "_qualified_op_name", "")
    namespace, _, name = full.rpartition("::")
    plain = str(getattr(operation, "__name__", "function"))
    if plain == "__get__":  # an attribute such as x.real
        plain = str(getattr(getattr(operation, "__self__", None), "__name__", plain))
    return namespace, name or plain


# -- formulas that torch lacks ---------------------------------------------------------------------------


def _rows(tensor: Tensor) -> int:
    """How many vectors a tensor holds along its last dimension."""
    return tensor.numel() // max(1, tensor.shape[-1])


def _matrices(value: Any) -> int:
    """Numbers in all matrices of a list of weights, biases left out."""
    return sum(tensor.numel() for tensor in value if isinstance(tensor, Tensor) and tensor.dim() == 2)


def _recurrent(weights_at: int) -> Callable[..., int]:
    """Each step multiplies every matrix of each layer and direction once."""

    def formula(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
        given = args[weights_at] if isinstance(args[weights_at], (list, tuple)) else args[weights_at:]
        return _rows(args[0]) * _matrices(given)

    return formula


def _mkldnn_recurrent(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    return _rows(args[0]) * (args[1].numel() + args[2].numel())


def _quantized_recurrent(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int | None:
    weights = [t for part in script_objects(args) for role, t in unpacked(part) if role.startswith("weight")]
    return _rows(args[0]) * sum(weight.numel() for weight in weights) if weights else None


def _attention(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Queries times keys and weights times values; masks save nothing, as kernels differ in what they skip."""
    query, key, value = args[:3]
    return _rows(query) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _fused_attention(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    query, key, _value, width, _heads, qkv, _bias, projection = args[:8]
    tokens = _rows(query)
    return tokens * (qkv.numel() + projection.numel()) + 2 * tokens * key.shape[1] * int(width)


def _fused_encoder(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    source, width, qkv, projection, first, second = (args[at] for at in (0, 1, 3, 5, 14, 16))
    weights = sum(weight.numel() for weight in (qkv, projection, first, second))
    return _rows(source) * (weights + 2 * source.shape[1] * int(width))


def _times_matrix(place: int) -> Callable[..., int]:
    """Vectors times the matrix at a place."""
    return lambda args, kwargs, result: _rows(args[0]) * args[place].numel()


def _by_result(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    return int(args[0].numel() * result.shape[-1])


def _convolution(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Each place of the result meets every weight of its group once."""
    return _places(result) * args[1].numel()


def _places(result: Tensor) -> int:
    return int(result.shape[0] * prod(result.shape[2:]))


def _bilinear(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """x A y: each weight once for each pair of vectors."""
    return int(_rows(args[0]) * args[1].numel())


_FORMULAS: dict[str, Callable[..., int | None]] = {
    "mkldnn_rnn_layer": _mkldnn_recurrent,
    "_cudnn_rnn": _recurrent(1),
    "miopen_rnn": _recurrent(1),
    "_lstm_mps": _recurrent(2),
    "quantized_lstm": _quantized_recurrent,
    "quantized_gru": _quantized_recurrent,
    **dict.fromkeys(("quantized_lstm_cell", "quantized_gru_cell"), _recurrent(2)),
    **dict.fromkeys(("quantized_rnn_relu_cell", "quantized_rnn_tanh_cell"), _recurrent(2)),
    **{
        f"_scaled_dot_product_{kind}": _attention
        for kind in ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention",
                     "fused_attention_overrideable", "attention_math", "attention_math_for_mps")
    },
    "_native_multi_head_attention": _fused_attention,
    "_transformer_encoder_layer_fwd": _fused_encoder,
    "mv": lambda args, kwargs, result: args[0].numel(),
    "addmv": lambda args, kwargs, result: args[1].numel(),
    "dot": lambda args, kwargs, result: args[0].numel(),
    "vdot": lambda args, kwargs, result: args[0].numel(),
    "addbmm": lambda args, kwargs, result: args[1].numel() * args[2].shape[-1],
    "_addmm_activation": lambda args, kwargs, result: args[1].numel() * args[2].shape[-1],
    "_int_mm": _by_result,
    "_mixed_dtypes_linear": _by_result,
    "_weight_int8pack_mm": _by_result,
    "_weight_int4pack_mm": _by_result,
    "_weight_int4pack_mm_for_cpu": _by_result,
    "_trilinear": _bilinear,
    "mkldnn_linear": _times_matrix(1),
    **dict.fromkeys(("fbgemm_linear_int8_weight", "fbgemm_linear_int8_weight_fp32_activation"), _times_matrix(1)),
    **dict.fromkeys(
        ("mkldnn_convolution", "_conv_depthwise2d", "conv_depthwise3d", "thnn_conv2d", "cudnn_convolution_relu",
         "cudnn_convolution_add_relu", "miopen_convolution", "miopen_depthwise_convolution", "slow_conv3d",
         "slow_conv_dilated2d", "slow_conv_dilated3d", "_nnpack_spatial_convolution", "deform_conv2d"),
        _convolution,
    ),
    "conv_tbc": lambda args, kwargs, result: result.shape[0] * result.shape[1] * args[1].numel(),
}  # fmt: skip


def _quantized(name: str, args: tuple[Any, ...], result: Any) -> int | None:
    """Products with packed weights, by the shapes of what is packed."""
    if not re.search(r"linear|conv|matmul|lstm|gru|rnn", name) or "pack" in name:
        return 0
    if name == "matmul":
        return int(args[0].numel() * args[1].shape[-1])
    packed = [dict(unpacked(part)) for part in script_objects(args)]
    weights = [weight for part in packed for role, weight in part.items() if role.startswith("weight")]
    if not weights:
        return None
    numbers = sum(weight.numel() for weight in weights)
    if "conv" not in name:
        return _rows(args[0]) * numbers
    return _places(args[0] if "transpose" in name else result) * numbers


def _real_products(result: Any) -> int:
    """A product of complex numbers takes four of real ones. (torch splits up a complex convolution by itself.)"""
    return 4 if isinstance(result, Tensor) and result.is_complex() else 1


def _is_sparse(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.layout not in (torch.strided, torch._mkldnn)  # type: ignore[attr-defined]
    if isinstance(value, (list, tuple)):
        return any(map(_is_sparse, value))
    return isinstance(value, dict) and any(map(_is_sparse, value.values()))
