"""Forges noise from many seeds for several classes, and measures it on flowers that it was not made with.

    python benchmarks/forge.py [--seeds 10] [--classes flamingo goldfish teapot] [--flowers 10]

Prints JSON: a row for each class, over its seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import torch

from netlens_core.daisies import draw_daisy
from netlens_core.grading.forge import MIX_AMPLITUDE, forge_noise, mix_noise
from netlens_core.images import to_8bit
from netlens_core.measures.jury import Jury
from netlens_core.measures.noise import looks_like_noise, noise_likeness
from netlens_core.measures.similarity import structural_similarity
from netlens_core.networks import Network, load_network

TARGET, JURY = "efficientnet_lite0", ("efficientnet_lite1", "efficientnet_lite2")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--classes", nargs="+", default=["flamingo", "goldfish", "teapot"])
    options.add_argument("--flowers", type=int, default=10)
    arguments = options.parse_args()
    network, jury = load_network(TARGET, "cpu"), Jury([load_network(name, "cpu") for name in JURY])
    flowers = [draw_daisy(seed).image for seed in range(arguments.flowers)]
    rows = []
    for category in arguments.classes:
        forged = [measured(network, jury, category, seed, flowers) for seed in range(arguments.seeds)]
        rows.append({"class": category, "seeds": arguments.seeds, **summary(forged)})
    print(json.dumps({"amplitude": MIX_AMPLITUDE, "flowers": arguments.flowers, "classes": rows}, indent=1))


def measured(network: Network, jury: Jury, category: str, seed: int, flowers: list[torch.Tensor]) -> dict[str, float]:
    started = time.perf_counter()
    noise = forge_noise(network, category, seed, jury=jury.networks)
    seconds = time.perf_counter() - started
    print(f"{category}, seed {seed}: {seconds:.0f} s", file=sys.stderr, flush=True)
    likeness = noise_likeness(noise)
    mixes = [to_8bit(mix_noise(flower, noise)) for flower in flowers]
    votes = [jury.votes(image, "daisy") for image in mixes]
    return {
        "seconds": seconds,
        "probability": network.probability(noise, category),
        "looks_like_noise": looks_like_noise(noise),
        "autocorrelation": likeness.autocorrelation,
        "slow_share": likeness.slow_share,
        "jury_votes_for_noise": jury.votes(noise, category),
        "flipped": sum(network.classify(image, 1)[0][0] != "daisy" for image in mixes),
        "daisy": max(network.probability(image, "daisy") for image in mixes),
        "votes": sum(votes),
        "seen_by_one": sum(vote > 0 for vote in votes),
        "similarity": min(structural_similarity(m, f) for m, f in zip(mixes, flowers, strict=True)),
    }


def summary(forged: list[dict[str, float]]) -> dict[str, float]:
    def column(name: str) -> list[float]:
        return [row[name] for row in forged]

    return {
        "median_s": statistics.median(column("seconds")),
        "least_probability": min(column("probability")),
        "look_like_noise": sum(column("looks_like_noise")),
        "most_autocorrelation": max(column("autocorrelation")),
        "most_slow_share": max(column("slow_share")),
        "jury_votes_for_noise": sum(column("jury_votes_for_noise")),
        "mixes_flipped": sum(column("flipped")),
        "most_daisy": max(column("daisy")),
        "jury_votes_for_daisy": sum(column("votes")),
        "mixes_seen_by_a_juror": sum(column("seen_by_one")),
        "least_similarity": min(column("similarity")),
    }


if __name__ == "__main__":
    main()
