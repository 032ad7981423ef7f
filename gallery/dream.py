"""The pictures of docs/methods/dream.md."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.daisies import draw_daisy
from netlens_core.methods.dream import Pixels, channel, contrast, dream, layer, logit, still
from netlens_core.networks import load_network

CATEGORIES = ("flamingo", "strawberry", "monarch")
CHANNELS = (
    ("blocks.1.0.conv_pw", 20),
    ("blocks.2.1.conv_pw", 31),
    ("blocks.3.1.conv_pw", 77),
    ("blocks.4.1.conv_pw", 5),
)


def pictures() -> Iterator[tuple[str, Tensor]]:
    network = load_network()
    yield "daisy", side_by_side(list(ways(network)))
    categories = [dream(network, logit(name) - 10 * contrast(), seed=1) for name in CATEGORIES]
    yield "categories", side_by_side(categories)
    yield "channels", side_by_side([dream(network, channel(*which), 160, steps=96) for which in CHANNELS])
    flower = draw_daisy(7, 320).image
    dreamt = [dream(network, layer(f"blocks.{name}.conv_pw"), start=flower, steps=40) for name in ("2.1", "4.2")]
    yield "deepdream", side_by_side([flower, *dreamt])
    yield "large", dream(network, logit("daisy") - 10 * contrast(), 448, seed=1)


def ways(network) -> Iterator[Tensor]:  # type: ignore[no-untyped-def]
    """From plain ascent to the whole recipe, one idea after the other."""
    yield dream(network, logit("daisy"), parametrisation=Pixels(), transformation=still(), rate=0.01)
    yield dream(network, logit("daisy"), transformation=still())
    yield dream(network, logit("daisy") - 10 * contrast(), seed=1)


def side_by_side(images: list[Tensor], gap: int = 6) -> Tensor:
    """Images (3, H, W) of one height in a row, on white."""
    framed = [functional.pad(image, (gap, gap, gap, gap), value=1.0) for image in images]
    return torch.cat(framed, dim=2)
