"""An analysis as a terminal table, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from netlens_core.methods.analysis.analyzing import Analysis, Row
from netlens_core.methods.analysis.describing import count_text


def row_data(row: Row) -> dict[str, Any]:
    """A row as plain data, numbers in full."""
    field = row.field
    return {
        "number": row.number,
        "name": row.name,
        "type": row.type,
        "description": row.description,
        "activations": row.activations,
        "shape": list(row.shape),
        "channel_axis": row.channels,
        "learnables": row.learnables,
        "parameters": row.parameters,
        "trainable": row.trainable,
        "frozen": row.parameters - row.trainable,
        "multiply_adds": row.multiply_adds,
        "multiply_adds_note": row.uncounted or None,
        "memory_bytes": row.memory,
        "receptive_field": None
        if field is None
        else {"size": field.size, "stride": field.stride, "start": field.start, "whole_image": field.whole},
        "inputs": list(row.inputs),
        "module": row.path,
        "silent_units": row.silent_units,
        "zero_filters": row.zero_filters,
    }


def as_data(analysis: Analysis) -> dict[str, Any]:
    """The whole analysis as plain data, ready for JSON.

    Where some multiply-adds cannot be counted, their total is None, and `uncounted` tells why.
    """
    return {
        "network": analysis.title,
        "layers": [row_data(row) for row in analysis.rows],
        "totals": {
            "layers": len(analysis.rows),
            "parameters": analysis.parameters,
            "multiply_adds": analysis.multiply_adds,
            "memory_bytes": analysis.memory,
        },
        "trainable_parameters": analysis.trainable,
        "frozen_parameters": analysis.frozen,
        "counted_multiply_adds": analysis.counted,
        "uncounted": analysis.uncounted or None,
        "warnings": list(analysis.warnings),
    }


def as_csv(analysis: Analysis) -> str:
    """One line a layer, with a header; receptive fields as height x width."""
    file = io.StringIO()
    plain = [_flat(row) for row in analysis.rows]
    writer = csv.DictWriter(file, list(plain[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain)
    return file.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    data = row_data(row)
    data["receptive_field"], stride = field_text(row), stride_text(row)
    data["inputs"] = " ".join(map(str, row.inputs))
    data["shape"] = "x".join(map(str, row.shape))
    return {**data, "effective_stride": stride}


WIDE = 150  # characters that the whole table wants


def as_table(analysis: Analysis, wide: bool = True) -> Table:
    """For the terminal: the classic columns; where there is room, also what each layer costs and sees."""
    table = Table(title=analysis.title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("Name", overflow="fold", min_width=22)
    table.add_column("Type", max_width=24 if wide else 14, overflow="fold")
    table.add_column("Activations", no_wrap=True)
    table.add_column("Learnables", min_width=16)
    for column in ("Parameters", "Multiply-adds", "Memory", "Field", "Stride") if wide else ():
        table.add_column(column, justify="right", no_wrap=True)
    for row in analysis.rows:
        name = Text.assemble((row.name, "bold"), "\n", (row.description, "dim"))
        costs = parameters_text(analysis, row), count_text(row.multiply_adds), bytes_text(row.memory)
        more = (*costs, field_text(row), stride_text(row)) if wide else ()
        table.add_row(str(row.number), name, row.type, row.activations, row.learnables, *more)
    return table


def totals_text(analysis: Analysis) -> str:
    """What the rows add up to, in a sentence."""
    split = ""
    if analysis.frozen and not analysis.frozen_by_netlens:
        split = f" ({analysis.trainable:,} trainable, {analysis.frozen:,} frozen)"
    return (
        f"{len(analysis.rows)} layers, {analysis.parameters:,} learnables{split}, {multiply_adds_text(analysis)} "
        f"and {bytes_text(analysis.memory)} of activations for one image"
    )


def multiply_adds_text(analysis: Analysis) -> str:
    """The multiply-adds of all rows: in billions where there are many, "at least" where some cannot be counted."""
    counted = analysis.counted
    number = f"{counted / 1e9:.3f} billion" if counted >= 50_000_000 else f"{counted:,}"
    return f"{'at least ' if analysis.uncounted else ''}{number} multiply-adds"


def parameters_text(analysis: Analysis, row: Row) -> str:
    """How many parameters a row has, and how many of them are frozen."""
    frozen = 0 if analysis.frozen_by_netlens else row.parameters - row.trainable
    if not frozen:
        return count_text(row.parameters)
    return f"{count_text(row.parameters)}{'' if frozen == row.parameters else f', {count_text(frozen)}'} frozen"


def field_text(row: Row) -> str:
    """Height x width of the receptive field, "all" for the whole image."""
    if row.field is None:
        return "-"
    return "all" if row.field.whole else _times(row.field.size)


def stride_text(row: Row) -> str:
    """Effective stride, one number where it is the same in both directions."""
    if row.field is None or row.field.whole:
        return "-"
    down, right = row.field.stride
    return f"{down:g}" if down == right else _times(row.field.stride)


def bytes_text(number: float) -> str:
    """Bytes in the unit that keeps them short."""
    if not number:
        return "-"
    for unit in ("B", "KiB", "MiB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} GiB"


def _times(pair: tuple[float, float]) -> str:
    return "x".join(f"{value:g}" for value in pair)
