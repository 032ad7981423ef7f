"""Activations and classification: ours against a full forward pass with a hook and torchvision's feature extraction.

    python benchmarks/activations.py [--runs 5] [--sizes 224 512 1024]

Prints Markdown. The ways take turns in one process, on the same image.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "weights"
if "TORCH_HOME" not in os.environ and _BESIDE.is_dir():
    os.environ["TORCH_HOME"] = str(_BESIDE)

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torchvision.models.feature_extraction import create_feature_extractor  # noqa: E402

from netlens_core.daisies import draw_daisy  # noqa: E402
from netlens_core.methods.activations import find_layer  # noqa: E402
from netlens_core.methods.classification import logits_of  # noqa: E402
from netlens_core.networks import Network, load_network  # noqa: E402

NETWORKS = ("efficientnet_lite0", "squeezenet1_1")
OURS, HOOK, EXTRACTOR = "ours, stopping at the layer", "full pass with a hook", "torchvision's feature extraction"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 512, 1024])
    options = parser.parse_args()
    findings: list[str] = []
    print("### The third convolution\n")
    print("Milliseconds an image, normalisation included, and whether the values are the layer's own.\n")
    print(f"| network | pixels | {OURS} | {HOOK} | {EXTRACTOR} |\n| --- | --- | --- | --- | --- |")
    for name in NETWORKS:
        network = load_network(name, "cpu")
        for size in options.sizes:
            findings.append(one_layer(network, size, options.runs))
    print(f"\n### Classification\n\nMilliseconds an image of 224 px, {torch.get_num_threads()} threads.\n")
    print("| network | one image | in a batch of 16 |\n| --- | --- | --- |")
    for name in NETWORKS:
        classification(load_network(name, "cpu"), options.runs)
    print("\n" + "\n".join(f"- {finding}" for finding in findings))


def one_layer(network: Network, size: int, runs: int) -> str:
    print(f"{network.name} at {size} px …", file=sys.stderr)
    layer, image = find_layer(network, "third convolution"), draw_daisy(7, size).image
    module = network.module.get_submodule(layer)
    batch = network.normalize(image[None])
    truth = the_layers_own(network, layer, batch)
    ways: dict[str, Callable[[], Tensor]] = {
        OURS: lambda: network.activations(image, layer)[None],
        HOOK: lambda: hooked(network, module, network.normalize(image[None])),
    }
    refused = ""
    try:
        extractor = create_feature_extractor(network.module, [layer])
        ways[EXTRACTOR] = lambda: extractor(network.normalize(image[None]))[layer]
    except Exception as error:  # whatever torch.fx cannot trace
        refused = f"refuses ({type(error).__name__})"
        if network.module.training:
            refused += " and leaves the network in training mode"
            network.module.eval()
    times: dict[str, list[float]] = {way: [] for way in ways}
    right = {}
    with torch.no_grad():
        for run in range(runs + 1):  # the first warms up
            for way, call in ways.items():
                start = time.perf_counter()
                found = call()
                if run:
                    times[way].append(1000 * (time.perf_counter() - start))
                right[way] = torch.allclose(found, truth, atol=1e-4)
    cells = {
        way: f"{median(spent):.1f} ({'equal' if right[way] else 'not the layer: the next one wrote over it'})"
        for way, spent in times.items()
    }
    print(f"| {network.name} | {size} | {cells[OURS]} | {cells[HOOK]} | {cells.get(EXTRACTOR, refused)} |", flush=True)
    faster = median(times[HOOK]) / median(times[OURS])
    told = f"{network.name} at {size} px: ours takes 1/{faster:.1f} of the full pass"
    if EXTRACTOR in times:
        return f"{told} and {median(times[OURS]) / median(times[EXTRACTOR]):.2f} of the extractor's time."
    return f"{told}; the extractor {refused}."


@torch.no_grad()
def the_layers_own(network: Network, layer: str, batch: Tensor) -> Tensor:
    """What the layer answers to what it is given: its input kept, then the layer called by itself."""
    held: list[Tensor] = []
    module = network.module.get_submodule(layer)
    handle = module.register_forward_pre_hook(lambda _m, inputs: held.append(inputs[0].clone()))
    network.module(batch)
    handle.remove()
    answer: Tensor = module(held[0])
    return answer


def hooked(network: Network, module: torch.nn.Module, batch: Tensor) -> Tensor:
    held: list[Tensor] = []
    handle = module.register_forward_hook(lambda _m, _i, output: held.append(output))
    network.module(batch)
    handle.remove()
    return held[0]


def classification(network: Network, runs: int) -> None:
    images = [draw_daisy(seed).image for seed in range(16)]
    one, many = [], []
    for run in range(runs + 1):
        start = time.perf_counter()
        logits_of(network, images[:1])
        middle = time.perf_counter()
        logits_of(network, images)
        if run:
            one.append(1000 * (middle - start))
            many.append(1000 * (time.perf_counter() - middle) / len(images))
    print(f"| {network.name} | {median(one):.1f} | {median(many):.1f} |", flush=True)


if __name__ == "__main__":
    main()
