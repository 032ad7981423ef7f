"""Where the boxes and lines of a network's graph go: layers from top to bottom, branches side by side.

The steps of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981:
ranks by the longest path, long lines broken at every rank, each rank ordered by its neighbours' middle, then places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from statistics import fmean, median

_SWEEPS = 6


@dataclass(frozen=True)
class Layout:
    """places: (x, rank) of each node, in units of a box. lines: for each edge the (x, rank) that it passes."""

    places: dict[int, tuple[float, int]]
    lines: list[list[tuple[float, int]]]
    width: float
    ranks: int


def lay_out(inputs: Sequence[tuple[int, Sequence[int]]]) -> Layout:
    """Place nodes, given as (node, the nodes that it takes), each after those that it takes."""
    rank: dict[int, int] = {}
    for node, before in inputs:
        rank[node] = max((rank[source] + 1 for source in before), default=0)
    ranks = max(rank.values(), default=0) + 1
    rows: list[list[int]] = [[] for _ in range(ranks)]
    for node, _ in inputs:
        rows[rank[node]].append(node)
    fresh = count(-1, -1)
    chains = [_chain(rows, rank, source, node, fresh) for node, before in inputs for source in before]
    up, down = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for chain in chains:
        for above, below in pairwise(chain):
            down[above].append(below)
            up[below].append(above)
    _order(rows, up, down)
    x = _spread(rows, up, down)
    places = {node: (x[node], rank[node]) for node, _ in inputs}
    lines = [[(x[node], rank[node]) for node in chain] for chain in chains]
    return Layout(places, lines, max(x.values(), default=0.0) + 1, ranks)


def _chain(rows: list[list[int]], rank: dict[int, int], source: int, node: int, fresh: Iterator[int]) -> list[int]:
    """An edge as a chain of nodes, one a rank; the inner ones are new, with negative numbers."""
    chain = [source]
    for level in range(rank[source] + 1, rank[node]):
        new = next(fresh)
        rank[new] = level
        rows[level].append(new)
        chain.append(new)
    return [*chain, node]


def _order(rows: list[list[int]], up: dict[int, list[int]], down: dict[int, list[int]]) -> None:
    """Order each rank by the mean place of its neighbours, downwards and upwards in turn: fewer crossings."""
    for sweep in range(_SWEEPS):
        neighbours, walk = (up, rows[1:]) if sweep % 2 == 0 else (down, rows[-2::-1])
        place = {node: index - (len(row) - 1) / 2 for row in rows for index, node in enumerate(row)}
        for row in walk:
            row.sort(key=lambda node: fmean([place[other] for other in neighbours[node]]) if neighbours[node] else 0)
            place.update({node: index - (len(row) - 1) / 2 for index, node in enumerate(row)})


def _spread(rows: list[list[int]], up: dict[int, list[int]], down: dict[int, list[int]]) -> dict[int, float]:
    """Give each node an x near its neighbours', at least a box apart: narrow for lines, from 0 on."""
    x = {node: float(index) for row in rows for index, node in enumerate(row)}
    for sweep in range(2 * _SWEEPS):
        neighbours, walk = (up, rows) if sweep % 2 == 0 else (down, rows[::-1])
        for row in walk:
            wished = [median(x[other] for other in neighbours[n]) if neighbours[n] else x[n] for n in row]
            for node, place in zip(row, _apart(row, wished), strict=True):
                x[node] = place
    least = min(x.values(), default=0.0)
    return {node: value - least for node, value in x.items()}


def _apart(row: list[int], wished: list[float]) -> list[float]:
    """The wished places in their order, pushed apart; the push goes to both sides alike."""
    gaps = [1.0 if a >= 0 and b >= 0 else 0.6 if a >= 0 or b >= 0 else 0.25 for a, b in pairwise(row)]
    right, left = list(wished), list(wished)
    for index, gap in enumerate(gaps):
        right[index + 1] = max(right[index + 1], right[index] + gap)
    for index in range(len(gaps) - 1, -1, -1):
        left[index] = min(left[index], left[index + 1] - gaps[index])
    return [(a + b) / 2 for a, b in zip(left, right, strict=True)]
