"""What the layers of a network answer to an image, shown as pictures, and what each answer can depend on.

    layer = find_layer(network, "the third convolution")
    save_image(montage(network.activations(image, layer)), "third.png")

A convolution slides, so an image larger than the network's input is taken as it is: the answer grows with it.
Montages of activations as a way to look inside: Yosinski, Clune, Nguyen, Fuchs and Lipson, "Understanding Neural
Networks Through Deep Visualization", 2015 (https://arxiv.org/abs/1506.06579).
"""

from __future__ import annotations

import re
from math import ceil, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from netlens_core.methods.analysis import Field, LayerError, analyze
from netlens_core.networks import Network

_ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
_KINDS: dict[str, tuple[type[nn.Module], ...]] = {
    "convolution": (nn.Conv2d,),
    "relu": (nn.ReLU, nn.ReLU6),
    "pooling": (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
    "fully connected layer": (nn.Linear,),
    "normalization": (nn.BatchNorm2d,),
    "layer": (nn.Module,),
}
_SHORT = {
    "conv": "convolution",
    "pool": "pooling",
    "fully connected": "fully connected layer",
    "fc": "fully connected layer",
}


def find_layer(network: Network, wanted: str) -> str:
    """The name of a layer given by its name or in words: "the third convolution", "conv 3", "2nd ReLU", "last pooling".

    Layers count from 1 in the order in which the network defines them; kinds are convolution, ReLU, pooling, fully
    connected layer, normalization and layer (any of them). Raises ValueError where there is no such layer.
    """
    if wanted and wanted in dict(network.module.named_modules()):
        return wanted
    kind, place = _in_words(wanted)
    if kind is None:
        return _unknown(network, wanted)
    names = [name for name in network.layers() if isinstance(network.module.get_submodule(name), _KINDS[kind])]
    # Normalizations of timm carry their activation as a child, so they are no leaves; they count all the same.
    if kind == "normalization":
        names = [name for name, module in network.module.named_modules() if isinstance(module, _KINDS[kind])]
    if place > len(names) or not names:
        raise ValueError(f"{network.name} has {len(names)} layers of the kind {kind}, so there is no {wanted!r}")
    return names[place - 1 if place else -1]


def _in_words(wanted: str) -> tuple[str | None, int]:
    """Kind and place of a layer given in words; place 0 is the last, kind None is no such words."""
    words = re.sub(r"^the\s+", "", wanted.strip().lower())
    places = "|".join([*_ORDINALS, "last", r"[1-9]\d{0,3}(?:st|nd|rd|th)?"])
    found = re.fullmatch(rf"(?P<place>{places})\s+(?P<kind>[a-z ]+?)", words)
    found = found or re.fullmatch(r"(?P<kind>[a-z ]+?)\s*#?(?P<place>[1-9]\d{0,3})", words)
    if not found:
        return None, 0
    kind = found["kind"].strip()
    for name in (kind, kind.removesuffix("s"), kind.removesuffix(" layer"), kind.removesuffix("al layer")):
        name = _SHORT.get(name, name)
        if name in _KINDS:
            digits = re.match(r"\d+", found["place"])
            number = (
                int(digits[0]) if digits else (_ORDINALS.index(found["place"]) + 1 if found["place"] != "last" else 0)
            )
            return name, number
    return None, 0


def _unknown(network: Network, wanted: str) -> str:
    import difflib

    close = difflib.get_close_matches(wanted, network.layers(), 3)
    near = f"; near it: {', '.join(close)}" if close else ""
    raise ValueError(f"{network.name} has no layer {wanted!r}{near}; or say it in words, such as 'third convolution'")


# -- pictures --------------------------------------------------------------------------------------------


def montage(activations: Tensor, gap: int = 1, columns: int | None = None) -> Tensor:
    """Every channel as a grey tile, about as many across as down: float32 (H, W) in [0, 1].

    Args:
        activations: (C, h, w).
        gap: black pixels between two tiles and around all of them.
        columns: tiles across; by default as many as make the picture most nearly square.

    Each channel is stretched over the greys by itself, so that faint ones show; one that is the same everywhere is
    black. (`imtile(mat2gray(...))` of MATLAB, a channel at a time.) Raises ValueError for other shapes.
    """
    if activations.dim() != 3 or not activations.numel():
        raise ValueError(f"expected the activations of a layer (C, H, W), not {tuple(activations.shape)}")
    tiles = functional.pad(stretched(activations), (0, gap, 0, gap))
    count, height, width = tiles.shape
    columns = columns or min(count, max(1, ceil(sqrt(count * height / width))))
    if columns < 1:
        raise ValueError(f"a montage has at least one column, not {columns}")
    missing = -count % columns
    grid = torch.cat([tiles, tiles.new_zeros(missing, height, width)]).unflatten(0, (-1, columns))
    return functional.pad(grid.permute(0, 2, 1, 3).flatten(2).flatten(0, 1), (gap, 0, gap, 0))


def stretched(activations: Tensor) -> Tensor:
    """Each channel of (C, h, w) from its least value, black, to its largest, white; constant channels are 0."""
    values = activations.detach().to("cpu", torch.float32)
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    return (values - low) / (high - low).where(high > low, 1)


def strongest_channel(activations: Tensor) -> int:
    """The channel of (C, h, w) with the largest activation anywhere, as `max` of all of them finds it."""
    return int(activations.amax((1, 2)).argmax())


def marked(image: Tensor, box: tuple[float, float, float, float], width: int = 2) -> Tensor:
    """An image (3, H, W) with the outline of a box in red, as far as it lies within.

    Args:
        box: top, left, bottom, right in pixels (bottom and right excluded), such as `Field.box` gives.
        width: of the outline in pixels.
    """
    top, left, bottom, right = (round(edge) for edge in box)
    rows = torch.arange(image.shape[1], device=image.device)[:, None]
    columns = torch.arange(image.shape[2], device=image.device)[None]
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    deep = (rows >= top + width) & (rows < bottom - width) & (columns >= left + width) & (columns < right - width)
    red = torch.tensor([0.9, 0.1, 0.1], device=image.device)[:, None, None]
    return torch.where(inside & ~deep, red, image)


# -- what a unit sees ------------------------------------------------------------------------------------


def receptive_field(network: Network, layer: str, size: int | tuple[int, int] | None = None) -> Field:
    """Which pixels each unit of a layer can depend on, by the arithmetic of all kernels, strides and paddings before.

    Args:
        layer: a name as of `network.layers()`.
        size: height and width of the image in pixels (one number: square), the network's own by default. It matters
            where padding follows the size, as in EfficientNet.

    `receptive_field(...).box(row, column)` is a unit's field in pixels. Raises ValueError for a layer that no image
    passes through, or whose units have no place in the image.
    """
    height, width = (size, size) if isinstance(size, int) else size or (network.input_size, network.input_size)
    try:
        rows = analyze(network.module, (3, height, width)).rows
    except LayerError as error:  # an image too small for the layers after this one
        rows = error.rows
    fields = [row.field for row in rows if row.path == layer or row.path.startswith(f"{layer}.")]
    if not fields or fields[-1] is None:
        raise ValueError(f"the units of {layer!r} have no receptive field that arithmetic could tell")
    return fields[-1]
