"""A small generative adversarial network that learns to draw in a minute on a CPU.

    gan = train(images, seconds=60)      # images (N, C, H, W) in [0, 1]
    gan.sample(16, seed=1)               # (16, C, H, W), new ones
    gan.interpolate(8)                   # from one drawing to another

Two networks play: the generator draws, the discriminator tells drawings from images. Goodfellow et al., "Generative
Adversarial Nets", 2014 (https://arxiv.org/abs/1406.2661). What makes it work within so few steps:
the relativistic loss, by which the discriminator compares each drawing with an image (Jolicoeur-Martineau, "The
relativistic discriminator", 2018, https://arxiv.org/abs/1807.00734; Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is
dead; long live the GAN!", 2024, https://arxiv.org/abs/2501.05441); a penalty R1 on the discriminator's slope
(Mescheder, Geiger and Nowozin, 2018, https://arxiv.org/abs/1801.04406), every eighth step (Karras et al., 2020,
https://arxiv.org/abs/1912.04958); a moving average of the generator's weights (Yazıcı et al., 2018,
https://arxiv.org/abs/1806.04498) and the spread of each batch shown to the discriminator (Karras et al., 2017,
https://arxiv.org/abs/1710.10196).
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from netlens_core.methods import progress

SIZES = (8, 16, 32, 64, 128)
LATENT, HIDDEN, GRID = 64, 128, 4  # latent dimensions; width of the linear layers; pixels of the coarsest grid
BATCH = 32
RATE, BETAS = 2e-3, (0.5, 0.99)
PENALTY, PENALTY_EVERY = 0.1, 8
AVERAGING = 0.995
SHOWN = 12  # drawings of a snapshot


@dataclass(eq=False)
class Gan:
    """What training leaves: the averaged generator, the losses of every step, and drawings made on the way.

    Attributes:
        generator: latent points (N, 64) to images (N, C, H, W) in [0, 1]; in evaluation mode.
        discriminator: images to (N, 1), the higher the more like the training images.
        history: {"generator": loss, "discriminator": loss} of each step; both are log 2 = 0.69 in balance.
        snapshots: step to drawings (12, C, H, W) of the same 12 latent points, at doubling steps and at the end.
        seconds: how long training took.
    """

    generator: nn.Module = field(repr=False)
    discriminator: nn.Module = field(repr=False)
    history: list[dict[str, float]] = field(default_factory=list, repr=False)
    snapshots: dict[int, Tensor] = field(default_factory=dict, repr=False)
    seconds: float = 0.0

    @torch.no_grad()
    def draw(self, points: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1], on the CPU, of latent points (N, 64)."""
        device = next(self.generator.parameters()).device
        self.generator.eval()
        return torch.cat([self.generator(part.to(device)).cpu() for part in points.split(256)])

    def sample(self, count: int, seed: int = 0) -> Tensor:
        """Drawings (count, C, H, W) in [0, 1]; the same seed gives the same ones."""
        return self.draw(torch.randn(count, LATENT, generator=torch.Generator().manual_seed(seed)))

    def interpolate(self, count: int = 8, seed: int = 0) -> Tensor:
        """Drawings (count, C, H, W) on the way from one random latent point to another.

        The way is an arc: on a straight line the points in the middle would be nearer to the origin than any that the
        generator was trained on (White, "Sampling Generative Networks", 2016, https://arxiv.org/abs/1609.04468).
        """
        start, end = torch.randn(2, LATENT, generator=torch.Generator().manual_seed(seed))
        angle = torch.acos((start @ end / (start.norm() * end.norm())).clamp(-1, 1))
        way = torch.linspace(0, 1, count)[:, None]
        return self.draw((((1 - way) * angle).sin() * start + (way * angle).sin() * end) / angle.sin())


def train(
    images: Tensor, steps: int | None = None, seconds: float | None = None, seed: int = 0, device: str = "cpu"
) -> Gan:
    """Train on images (N, C, H, W) in [0, 1], square, of 8, 16, 32, 64 or 128 px.

    Args:
        steps: how many; the same seed and number of steps give the same bits on one machine.
        seconds: or how long, for as many steps as there is time for. Neither: 60 seconds.

    Ctrl-C ends training early and keeps what there is. Raises ValueError for other shapes and ranges.
    """
    _check(images)
    started, chance = time.perf_counter(), torch.Generator().manual_seed(seed)
    images = images.to(device, torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(images.shape[1], images.shape[2]).to(device)
        discriminator = Discriminator(images.shape[1], images.shape[2]).to(device)
    gan = Gan(copy.deepcopy(generator).requires_grad_(False), discriminator)
    drawing, telling = (torch.optim.Adam(n.parameters(), RATE, BETAS, fused=True) for n in (generator, discriminator))
    shown = torch.randn(SHOWN, LATENT, generator=torch.Generator().manual_seed(seed))
    for step, used in _steps(steps, 60 if steps is None and seconds is None else seconds):
        for optimizer in (drawing, telling):
            optimizer.param_groups[0]["lr"] = RATE * (1 - 0.9 * used)
        real = images[torch.randint(len(images), (BATCH,), generator=chance).to(device)]
        fake = generator(torch.randn(BATCH, LATENT, generator=chance).to(device))

        # The discriminator learns to place each image above a drawing …
        penalised = step % PENALTY_EVERY == 0
        real.requires_grad_(penalised)
        on_real, on_fake = discriminator(real), discriminator(fake.detach())
        discriminator_loss = functional.softplus(on_fake - on_real).mean()
        slope = _slope(on_real, real) * PENALTY * PENALTY_EVERY / 2 if penalised else 0
        _descend(telling, discriminator_loss + slope)

        # … and the generator to place its drawings above images.
        discriminator.requires_grad_(False)
        generator_loss = functional.softplus(discriminator(real.detach()) - discriminator(fake)).mean()
        _descend(drawing, generator_loss)
        discriminator.requires_grad_(True)

        _average(gan.generator, generator, keep=min(AVERAGING, (1 + step) / (10 + step)))
        gan.history.append(
            {"generator": float(generator_loss.detach()), "discriminator": float(discriminator_loss.detach())}
        )
        if step >= 16 and step & (step - 1) == 0:
            gan.snapshots[step] = gan.draw(shown)
    gan.snapshots[len(gan.history)] = gan.draw(shown)
    gan.seconds = time.perf_counter() - started
    return gan


def _slope(scores: Tensor, images: Tensor) -> Tensor:
    """R1: how steep the discriminator is at the training images, the squared gradient's mean."""
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, keep: float) -> None:
    # The batch-norms' statistics are averaged as well: those of the last batches would not fit averaged weights.
    for ours, theirs in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if ours.is_floating_point():
            ours.lerp_(theirs, 1 - keep)


def _steps(count: int | None, seconds: float | None) -> Iterator[tuple[int, float]]:
    """Step numbers from 0 on, each with the share of the budget that is used up."""
    if count is not None:
        yield from ((step, step / count) for step in progress.steps(count, "training, steps"))
        return
    assert seconds is not None
    start, numbers = time.perf_counter(), itertools.count()
    for second in progress.steps(math.ceil(seconds), "training, seconds"):
        while (passed := time.perf_counter() - start) < min(second + 1, seconds):
            yield next(numbers), passed / seconds


def _check(images: Tensor) -> None:
    if images.dim() != 4 or images.shape[2] != images.shape[3] or images.shape[2] not in SIZES or len(images) < 2:
        sizes = ", ".join(map(str, SIZES))
        raise ValueError(f"expected images (N, C, size, size), size one of {sizes}, not {tuple(images.shape)}")
    if not images.is_floating_point() or float(images.min()) < 0 or float(images.max()) > 1:
        raise ValueError("expected images in [0, 1]")


# -- the two networks: as narrow as a CPU needs them, half the channels for twice the pixels --------------


class Generator(nn.Sequential):
    """Latent points (N, 64) to images (N, channels, size, size) in [0, 1]: a coarse grid, doubled until it fits."""

    def __init__(self, channels: int, size: int) -> None:
        layers: list[nn.Module] = [nn.Linear(LATENT, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU()]
        layers += [nn.Linear(HIDDEN, _width(GRID) * GRID**2, bias=False), nn.Unflatten(1, (_width(GRID), GRID, GRID))]
        side = GRID
        while side < size:
            layers += [nn.BatchNorm2d(_width(side)), nn.ReLU()]
            last = 2 * side == size
            layers.append(
                nn.ConvTranspose2d(
                    _width(side), channels if last else _width(2 * side), 4, stride=2, padding=1, bias=last
                )
            )
            side *= 2
        super().__init__(*layers, nn.Sigmoid())


class Discriminator(nn.Sequential):
    """Images (N, channels, size, size) in [0, 1] to scores (N, 1): halved down to the coarse grid, then weighed up."""

    def __init__(self, channels: int, size: int) -> None:
        layers: list[nn.Module] = [_Centred()]
        side = size
        while side > GRID:
            layers.append(
                nn.Conv2d(channels if side == size else _width(side), _width(side // 2), 4, stride=2, padding=1)
            )
            layers.append(nn.LeakyReLU(0.2))
            side //= 2
        layers += [nn.Flatten(), nn.Linear(_width(GRID) * GRID**2, HIDDEN), nn.LeakyReLU(0.2)]
        super().__init__(*layers, _WithSpread(), nn.Linear(HIDDEN + 1, 1))


class _Centred(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 2 * images - 1


class _WithSpread(nn.Module):
    """One more feature: how far the batch spreads. A generator that draws the same all the time gives itself away."""

    def forward(self, features: Tensor) -> Tensor:
        spread = (features.var(dim=0, unbiased=False) + 1e-6).sqrt().mean()
        return torch.cat([features, spread.expand(len(features), 1)], dim=1)


def _width(side: int) -> int:
    """Channels of a grid of so many pixels a side."""
    return max(16, 64 * GRID // side)
