"""Our small GAN beside a plain DCGAN: same images, same seconds, in turn, medians over seeds. Prints Markdown.

python benchmarks/gan.py [--runs 5] [--digits-seconds 8] [--daisies-seconds 90]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from netlens_core.commands.gan import feature_network
from netlens_core.measures.feature_network import FeatureNetwork
from netlens_core.measures.generative import Quality, measure
from netlens_core.methods.datasets import Dataset, load_dataset
from netlens_core.methods.gan import train

LOW, HIGH = ("frechet",), ("precision", "recall", "coverage", "modes")  # what is better low, what high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--digits-seconds", type=float, default=8)
    parser.add_argument("--daisies-seconds", type=float, default=90)
    wanted = parser.parse_args()
    print(
        "Ours beside a plain DCGAN (Radford, Metz and Chintala 2015: cross-entropy, Adam at 2e-4, 64 channels, "
        f"batches of 64, no penalty, no averaging), trained equally long; median of {wanted.runs} seeds. Best "
        "possible: training images in place of drawings (novelty and copies aside)."
    )
    for name, seconds in (("digits", wanted.digits_seconds), ("daisies", wanted.daisies_seconds)):
        compare(load_dataset(name), seconds, wanted.runs)


def compare(data: Dataset, seconds: float, runs: int) -> None:
    network = feature_network(data)
    found: dict[str, list[tuple[Quality, int, float]]] = {"netlens": [], "DCGAN": []}
    for seed in range(runs):
        for name, rows in found.items():
            print(f"{data.name}, run {seed + 1} of {runs}: {name}", file=sys.stderr, flush=True)
            rows.append((train_ours if name == "netlens" else train_dcgan)(data, seconds, seed, network))
    best = measure(data.images[: len(data.held_out)], data.images, data.held_out, network)
    names = [field.name for field in fields(Quality) if getattr(best, field.name) is not None]
    size = data.images.shape[-1]
    accuracy = f" (right on {network.accuracy:.0%} of held-out images)" if network.accuracy else ""
    print(f"\n### {data.name}, {size} px, {seconds:.0f} s\n\nFeatures: {network.name}{accuracy}.\n")
    print(f"| | steps | ms a step | {' | '.join(names)} |\n|{' --- |' * (len(names) + 3)}")
    medians = {}
    for name, rows in found.items():
        medians[name] = {n: statistics.median(getattr(q, n) for q, _, _ in rows) for n in names}
        steps = statistics.median(steps for _, steps, _ in rows)
        cost = statistics.median(1000 * spent / steps for _, steps, spent in rows)
        print(f"| {name} | {steps:.0f} | {cost:.1f} | {' | '.join(f'{medians[name][n]:.3f}' for n in names)} |")
    print(f"| best possible | | | {' | '.join(f'{getattr(best, n):.3f}' for n in names)} |\n")
    print(finding(medians["netlens"], medians["DCGAN"]))


def finding(ours: dict[str, float], theirs: dict[str, float]) -> str:
    """What the medians say, whoever is ahead."""
    better = [n for n in (*LOW, *HIGH) if n in ours and (ours[n] < theirs[n]) == (n in LOW) and ours[n] != theirs[n]]
    worse = [n for n in (*LOW, *HIGH) if n in ours and n not in better and ours[n] != theirs[n]]
    ratio = theirs["frechet"] / ours["frechet"]
    return (
        f"- The DCGAN's Fréchet distance is {ratio:.1f} times ours. "
        f"Ours is better in {', '.join(better) or 'nothing'}; the DCGAN in {', '.join(worse) or 'nothing'}."
    )


def train_ours(data: Dataset, seconds: float, seed: int, network: FeatureNetwork) -> tuple[Quality, int, float]:
    gan = train(data.images, seconds=seconds, seed=seed)
    quality = measure(gan.sample(len(data.held_out), seed=1), data.images, data.held_out, network)
    return quality, len(gan.history), gan.seconds


# -- the peer: a DCGAN as tutorials have it, cut to the images' size -----------------------------------------


def train_dcgan(data: Dataset, seconds: float, seed: int, network: FeatureNetwork) -> tuple[Quality, int, float]:
    torch.manual_seed(seed)
    channels, size = data.images.shape[1], data.images.shape[2]
    generator, discriminator = dcgan_generator(channels, size), dcgan_discriminator(channels, size)
    optimizers = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (generator, discriminator)]
    images, ones, zeros = 2 * data.images - 1, torch.ones(64), torch.zeros(64)
    loss = functional.binary_cross_entropy_with_logits
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        real, fake = images[torch.randint(len(images), (64,))], generator(torch.randn(64, 100, 1, 1))
        optimizers[1].zero_grad()
        (loss(score(discriminator, real), ones) + loss(score(discriminator, fake.detach()), zeros)).backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        loss(score(discriminator, fake), ones).backward()
        optimizers[0].step()
        steps += 1
    spent = time.perf_counter() - start
    generator.eval()
    points = torch.randn(len(data.held_out), 100, 1, 1, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        drawn = (generator(points) + 1) / 2
    return measure(drawn.clamp(0, 1), data.images, data.held_out, network), steps, spent


def score(discriminator: nn.Module, images: Tensor) -> Tensor:
    return discriminator(images).flatten()


def dcgan_generator(channels: int, size: int) -> nn.Sequential:
    width = 64 * size // 8
    layers: list[nn.Module] = [nn.ConvTranspose2d(100, width, 4, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    while width > 64:
        layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU()]
        width //= 2
    return initialised(nn.Sequential(*layers, nn.ConvTranspose2d(64, channels, 4, 2, 1, bias=False), nn.Tanh()))


def dcgan_discriminator(channels: int, size: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    width = 64
    while width < 64 * size // 8:
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
        width *= 2
    return initialised(nn.Sequential(*layers, nn.Conv2d(width, 1, 4, bias=False)))


def initialised(network: nn.Sequential) -> nn.Sequential:
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return network


if __name__ == "__main__":
    main()
