"""Style transfer beside the recipe of the PyTorch tutorial, on the same network's features, in turn.

    python benchmarks/style.py [--runs 5] [--size 256] [--network efficientnet_lite0] [--judge efficientnet_lite1]

The tutorial's recipe is G. Jacq's "Neural Transfer Using PyTorch"
(https://docs.pytorch.org/tutorials/advanced/neural_style_tutorial.html): mean squared distances as they are, style
weight 1e6, content weight 1, 300 evaluations of torch's L-BFGS without a line search, from the content image. Its first
five convolutions and its fourth, which are VGG's there, are here this network's first five blocks and its fourth. It is
also run on our layers, where only the recipe differs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.daisies import draw_daisy
from netlens_core.images import to_8bit
from netlens_core.measures.style import (
    content_distance,
    content_layer,
    edge_correlation,
    gram_distance,
    luminance_correlation,
    maps_by_scale,
    sliced_wasserstein,
    style_layers,
)
from netlens_core.methods.style import stylize
from netlens_core.networks import Network, load_network
from netlens_core.paintings import PAINTINGS, paint

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "weights"
if "TORCH_HOME" not in os.environ and _BESIDE.is_dir():
    os.environ["TORCH_HOME"] = str(_BESIDE)

Run = Callable[[Tensor, Tensor], Tensor]
OURS, LITERAL, SAME = "netlens", "tutorial", "tutorial, our layers"


def tutorial(network: Network, styles: list[str], contents: list[str]) -> Run:
    """The tutorial's recipe on some layers of a network."""

    def grams(found: dict[str, Tensor]) -> list[Tensor]:
        return [(flat := found[name].flatten(1)) @ flat.T / found[name].numel() for name in styles]

    def run(content: Tensor, style: Tensor) -> Tensor:
        layers = {*styles, *contents}
        wanted, scene = grams(network.activations(style, layers)), network.activations(content, contents)
        image = content.clone().requires_grad_(True)
        optimizer = torch.optim.LBFGS([image])
        evaluations = 0

        def closure() -> Tensor:
            nonlocal evaluations
            with torch.no_grad():
                image.clamp_(0, 1)
            found = network.activations(image, layers)
            loss = 1e6 * sum(functional.mse_loss(a, b) for a, b in zip(grams(found), wanted, strict=True))
            loss = loss + sum(functional.mse_loss(found[name], scene[name]) for name in contents)
            (gradient,) = torch.autograd.grad(loss, image)
            image.grad = gradient.contiguous()
            evaluations += 1
            return loss.detach()

        while evaluations <= 300:
            optimizer.step(closure)
        return to_8bit(image.detach())

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="pairs of a flower and a painting; each run once by each")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--judge", default="efficientnet_lite1", help="a network that nothing was optimised for")
    given = parser.parse_args()
    network, judge = (load_network(name, "cpu") for name in (given.network, given.judge))
    blocks = [name for names in maps_by_scale(network).values() for name in names]
    runs: dict[str, Run] = {
        OURS: lambda content, style: stylize(network, content, style),
        LITERAL: tutorial(network, blocks[:5], blocks[3:4]),
        SAME: tutorial(network, style_layers(network), [content_layer(network)]),
    }
    rows: dict[str, list[dict[str, float]]] = {"content as it was": [], **{name: [] for name in runs}}
    for number in range(given.runs):
        manner = list(PAINTINGS)[number % len(PAINTINGS)]
        content, style = draw_daisy(number, given.size).image, paint(manner, number, given.size)
        rows["content as it was"].append(measured(network, judge, content, content, style, 0))
        for name, run in runs.items():
            start = time.perf_counter()
            image = run(content, style)
            row = measured(network, judge, image, content, style, time.perf_counter() - start)
            rows[name].append(row)
            print(number, manner, name, {key: round(value, 3) for key, value in row.items()}, file=sys.stderr)
    report(given, rows)


def measured(network: Network, judge: Network, image: Tensor, content: Tensor, style: Tensor, seconds: float
) -> dict[str, float]:  # fmt: skip
    image = torch.nan_to_num(image, nan=0.5)
    return {
        "seconds": seconds,
        "style: Gram distance": gram_distance(network, image, style),
        "style: Gram distance, judge": gram_distance(judge, image, style),
        "style: sliced Wasserstein": sliced_wasserstein(image, style),
        "style: strokes only": sliced_wasserstein(image, style, strokes_only=True),
        "content: distance": content_distance(network, image, content),
        "content: distance, judge": content_distance(judge, image, content),
        "content: luminance": luminance_correlation(image, content),
        "content: edges": edge_correlation(image, content),
    }


def report(given: argparse.Namespace, rows: dict[str, list[dict[str, float]]]) -> None:
    medians = {name: {key: statistics.median(row[key] for row in table) for key in table[0]}
               for name, table in rows.items()}  # fmt: skip
    keys = list(medians[OURS])
    print(
        f"{given.network} at {given.size} px, threads: {torch.get_num_threads()}; medians over {given.runs} flowers, "
        f"each with another painting. The judge is {given.judge}, which nobody optimised for. Distances: the lower, "
        "the nearer; correlations of blurred luminance and of its edges with the content: the higher, the nearer.\n"
    )
    print("| | " + " | ".join(keys) + " |")
    print("| --- |" + " --- |" * len(keys))
    for name, row in medians.items():
        cells = [f"{row[key]:.1f}" if key == "seconds" else f"{row[key]:.3f}" for key in keys]
        print(f"| {name} | {' | '.join(cells)} |")
    print()
    for peer in (LITERAL, SAME):
        findings = [compared(key, medians[OURS][key], medians[peer][key]) for key in keys]
        print(f"- Beside the {peer}: {'; '.join(findings)}.")


def compared(key: str, ours: float, theirs: float) -> str:
    if key in ("content: luminance", "content: edges"):
        return f"{key} {ours:.2f} against {theirs:.2f} ({'better' if ours >= theirs else 'worse'})"
    if key == "seconds":
        return f"{theirs / ours:.1f} times as fast"
    return f"{key} {ours / max(theirs, 1e-9):.2f} of theirs ({'better' if ours <= theirs else 'worse'})"


if __name__ == "__main__":
    main()
