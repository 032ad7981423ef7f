"""How fast daisies are drawn and how surely networks see them, as JSON: python benchmarks/daisies.py [--seeds N]"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from netlens_core.daisies import COLORS, draw_daisy
from netlens_core.networks import WeightsUnavailableError, load_network

NETWORKS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "squeezenet1_1")


def median_seconds(size: int, runs: int = 9) -> float:
    """Median wall time of drawing one daisy on one thread."""
    times = []
    for seed in range(runs):
        start = time.perf_counter()
        draw_daisy(seed, size)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 4)


def probabilities(seeds: int) -> dict[str, dict[str, dict[str, float] | str]]:
    """Least and median probability of daisy for each network and colour at 224 pixels."""
    pictures = {color: torch.stack([draw_daisy(seed, color=color).image for seed in range(seeds)]) for color in COLORS}
    found: dict[str, dict[str, dict[str, float] | str]] = {}
    for name in NETWORKS:
        try:
            network = load_network(name, device="cpu")
        except WeightsUnavailableError as error:
            found[name] = dict.fromkeys(COLORS, str(error))
            continue
        category = network.categories.index("daisy")
        found[name] = {}
        for color, images in pictures.items():
            with torch.no_grad():
                seen = torch.cat([network.probabilities(batch)[:, category] for batch in images.split(20)])
            found[name][color] = {
                "least": round(seen.min().item(), 4),
                "median": round(seen.median().item(), 4),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="daisies of each colour (default 100)")
    seeds = parser.parse_args().seeds
    if seeds < 1:
        parser.error("--seeds must be at least 1")
    torch.set_num_threads(1)
    seconds = {f"{size} px": median_seconds(size) for size in (224, 512)}
    print(json.dumps({"median_seconds": seconds, "seeds": seeds, "daisy": probabilities(seeds)}, indent=2))


if __name__ == "__main__":
    main()
