"""An analysis as one HTML page that needs nothing else: graph, table, search, and each layer's filters at hand."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from functools import lru_cache
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from torch import Tensor
from torch.nn import functional

from netlens_core.images import encode_png
from netlens_core.methods.analysis.analyzing import Analysis, Row
from netlens_core.methods.analysis.describing import count_text
from netlens_core.methods.analysis.layout import Layout, lay_out
from netlens_core.methods.analysis.tables import bytes_text, field_text, parameters_text, stride_text, totals_text

_BOX_WIDTH, _BOX_HEIGHT, _ACROSS, _DOWN = 150, 24, 166, 40  # pixels: a box, and from one box to the next
_ALL_WEIGHTS, _LAYER_WEIGHTS = 2_400_000, 40_000  # how many weights a page, and a layer, shows at most
_COLORS = {
    "Convolution": "#cfe3ff",
    "Grouped Convolution": "#dbe0ff",
    "Fully Connected": "#cfe3ff",
    "Batch Normalization": "#eee6f8",
    "ReLU": "#fde3d8",
    "Clipped ReLU": "#fde3d8",
    "Depth concatenation": "#fff1bf",
    "Addition": "#fff1bf",
}


def as_html(analysis: Analysis) -> str:
    """The page. It holds no weights but those that it shows: at most 40,000 a layer and 2.4 million in all."""
    layout = lay_out([(row.number, row.inputs) for row in analysis.rows])
    pictures = dict(_filter_pictures(analysis))
    return _template().render(
        title=analysis.title,
        totals=totals_text(analysis),
        warnings=analysis.warnings,
        rows=[_cells(analysis, row, pictures.get(row.number)) for row in analysis.rows],
        boxes=[_box(row, *layout.places[row.number]) for row in analysis.rows],
        lines=[_path(line) for line in layout.lines],
        box={"width": _BOX_WIDTH, "height": _BOX_HEIGHT},
        graph=_extent(layout),
    )


@lru_cache(maxsize=1)
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _cells(analysis: Analysis, row: Row, picture: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "number": row.number,
        "name": row.name,
        "type": row.type,
        "description": row.description,
        "activations": row.activations,
        "learnables": row.learnables.replace(" Bias", "\nBias").replace(" Offset", "\nOffset"),
        "parameters": parameters_text(analysis, row),
        "multiply_adds": count_text(row.multiply_adds),
        "uncounted": row.uncounted,
        "memory": bytes_text(row.memory),
        "field": field_text(row),
        "stride": stride_text(row),
        "inputs": list(row.inputs),
        "picture": picture,
    }


# -- the graph -------------------------------------------------------------------------------------------


def _extent(layout: Layout) -> dict[str, int]:
    return {"width": ceil(layout.width * _ACROSS) + 8, "height": layout.ranks * _DOWN + 8}


def _box(row: Row, x: float, rank: int) -> dict[str, Any]:
    color = _COLORS.get(row.type, "#dff3e4" if "Pooling" in row.type else "#f2f2f2")
    label = row.name if len(row.name) <= 22 else f"…{row.name[-21:]}"
    return {"number": row.number, "x": round(x * _ACROSS) + 4, "y": rank * _DOWN + 4, "label": label, "color": color}


def _path(line: list[tuple[float, int]]) -> str:
    """A smooth line from the foot of the first box through every place to the head of the last."""
    points = [(x * _ACROSS + 4 + _BOX_WIDTH / 2, rank * _DOWN + 4 + _BOX_HEIGHT / 2) for x, rank in line]
    points[0] = points[0][0], points[0][1] + _BOX_HEIGHT / 2
    points[-1] = points[-1][0], points[-1][1] - _BOX_HEIGHT / 2
    drawn = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        middle = (y + to_y) / 2
        drawn += f"C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}"
    return drawn


# -- filters ---------------------------------------------------------------------------------------------


def _filter_pictures(analysis: Analysis) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number of a row and its filters as a picture, for every layer with a kernel or a matrix."""
    shown = {name: w for name, w in analysis.weights.items() if w.dim() in (2, 4) and not w.is_meta}
    weights: dict[int, Tensor] = {}
    for row in analysis.rows:
        found = [shown[name] for name in row.parameter_names if name in shown]
        if found and row.type in ("Convolution", "Grouped Convolution", "Fully Connected"):
            weights[row.number] = _plain(max(found, key=Tensor.numel))
    most = min(_LAYER_WEIGHTS, _ALL_WEIGHTS // max(1, len(weights)))
    for number, weight in weights.items():
        image, said = filter_picture(weight, most)
        data = base64.b64encode(encode_png(image)).decode()
        yield number, {"data": data, "said": said, "width": image.shape[-1], "height": image.shape[-2]}


def _plain(weight: Tensor) -> Tensor:
    """A weight as float32: of 8 bits as what they stand for, of complex numbers their real part."""
    plain = weight.detach().cpu()
    plain = plain.dequantize() if plain.is_quantized else plain
    return (plain.real if plain.is_complex() else plain).float()


def filter_picture(weight: Tensor, most: int = _LAYER_WEIGHTS) -> tuple[Tensor, str]:
    """The filters of a layer as a picture, and in words what it shows.

    Args:
        weight: of a convolution (filters, channels, height, width) or a fully connected layer (units, inputs).
        most: how many weights it may show; the first filters, and of them the first slices, are taken.

    Filters on three channels become colour tiles (3, H, W), others a row of grey tiles a filter (H, W), kernels of a
    single weight and matrices a grey map, a filter a row. Grey is zero, white the largest weight, black its opposite.
    """
    weight = weight / weight.abs().max().clamp(min=1e-12) / 2 + 0.5
    if weight.dim() == 2 or weight.shape[2:] == (1, 1):
        return _matrix_picture(weight.flatten(1), most)
    filters, channels, height, width = weight.shape
    if channels in (1, 3):
        shown = min(filters, max(1, most // (channels * height * width)))
        tiles = functional.pad(weight[:shown], (0, 1, 0, 1), value=1.0)
        across = ceil(sqrt(shown * tiles.shape[2] / tiles.shape[3]))
        image = _grid(tiles, across)
        kind = "in colour, red, green and blue as they weigh" if channels == 3 else "one slice each"
        return (image if channels == 3 else image[0]), f"{shown} of {filters} filters, {kind}"
    slices = min(channels, 24)
    shown = min(filters, max(1, most // (slices * height * width)))
    tiles = functional.pad(weight[:shown, :slices].flatten(0, 1)[:, None], (0, 1, 0, 1), value=1.0)
    said = f"{shown} of {filters} filters, a filter a row: {slices} of its {channels} slices"
    return _grid(tiles, slices)[0], said


def _matrix_picture(matrix: Tensor, most: int) -> tuple[Tensor, str]:
    columns = min(matrix.shape[1], max(256, most // matrix.shape[0]))
    rows = min(matrix.shape[0], max(1, most // columns))
    said = f"{rows} of {matrix.shape[0]} filters, a filter a row: {columns} of its {matrix.shape[1]} weights"
    return matrix[:rows, :columns], said


def _grid(tiles: Tensor, across: int) -> Tensor:
    """Tiles (N, C, h, w) row by row as one image (C, H, W), the last row filled up with white."""
    missing = -len(tiles) % across
    tiles = torch.cat([tiles, torch.ones(missing, *tiles.shape[1:])])
    grid = tiles.unflatten(0, (-1, across))  # rows, across, C, h, w
    return grid.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)
