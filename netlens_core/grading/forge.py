"""The forge of `what_is_it.png`: an image that looks like noise, and that a network takes for a class of our choice.

White noise, high-pass filtered so that no eye finds a shape in it, is moved by gradient descent until the network is
sure of the class, and until a veil of it over any of the course's flowers makes the network see that class too. Eyes,
and the networks of a jury, keep seeing the flower: the noise speaks to one network only. Jurors that a noise blinds
have a say in the descent from then on.

Sources: Nguyen, Yosinski and Clune, Deep Neural Networks are Easily Fooled, 2015 (noise that is classified with
confidence); Moosavi-Dezfooli, Fawzi, Fawzi and Frossard, Universal Adversarial Perturbations, 2017 (one for all).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core import NetlensError
from netlens_core.daisies import draw_daisy
from netlens_core.images import resize, to_8bit
from netlens_core.measures.noise import looks_like_noise
from netlens_core.networks import Network
from netlens_core.progress import detail

MIX_AMPLITUDE = 0.1  # the veil that must do: how far noise of 0 or 1 moves a pixel, as a fraction of full scale
SURE = 0.9  # least probability of the class, for the noise alone
BLIND = 0.02  # most probability of daisy under the veil, for every flower tried
MOST_FLOWERS = 0.9  # share of the flowers tried that must be hidden where not all of them can be
JURY_STAYS = 0.9  # share of the jury's votes, over the flowers tried, that must still be for daisy under the veil
CONTRAST = 0.18  # standard deviation of the noise's pixels: five sigma fit between black and white
STEPS, BATCH, RATE, CHECK_EVERY = 200, 4, 0.1, 10
# Seeds of the flowers that the noise is made with; far from any that a student gets, in both colours.
FORGING_FLOWERS = tuple(range(2_000_000_000, 2_000_000_040))
TRIAL_FLOWERS = tuple(range(2_000_000_100, 2_000_000_140))


class ForgeError(NetlensError, RuntimeError):
    """No noise could be forged for this network and class."""


def mix_noise(flowers: Tensor, noise: Tensor, amplitude: float = MIX_AMPLITUDE) -> Tensor:
    """Flowers (..., 3, H, W) under a veil of noise (3, H, W), in [0, 1]; grey noise (0.5) changes nothing."""
    return (flowers + amplitude * (2 * noise - 1)).clamp(0, 1)


def forge_noise(
    network: Network, category: str | int, seed: int, size: int = 224, jury: Sequence[Network] = ()
) -> Tensor:
    """An 8-bit image (3, size, size) that looks like noise and that the network takes for the category.

    The network is at least `SURE` of it; under a veil of it (`mix_noise`) the flowers that are tried, all or at least
    `MOST_FLOWERS` of them, keep at most `BLIND` as their probability of daisy, while `JURY_STAYS` of the jury's votes
    on them are still for daisy. Same networks, category, seed and size: same image, bit for bit.

    Raises ForgeError where this is not reached, ValueError for an unknown category.
    """
    wanted, daisy = network.category_index(category), network.category_index("daisy")
    if wanted == daisy:
        raise ForgeError("noise that stands for a daisy cannot hide a daisy: choose another category")
    with _one_thread():
        flowers = _flowers(FORGING_FLOWERS, size)
        trials = _flowers(TRIAL_FLOWERS, size)
        jurors = [juror.folded() for juror in jury]
        for attempt in range(3):
            noise = _descended(network.folded(), jurors, wanted, daisy, seed + attempt * 1_000_003, flowers, trials)
            if noise is not None:
                return noise
    raise ForgeError(
        f"no noise was found that {network.name} takes for {network.categories[wanted]!r}: choose another category"
    )


def _descended(
    network: Network, jury: list[Network], wanted: int, daisy: int, seed: int, flowers: Tensor, trials: Tensor
) -> Tensor | None:
    generator = torch.Generator().manual_seed(seed)
    waves = torch.randn(3, *flowers.shape[-2:], generator=generator).requires_grad_(True)
    optimizer = torch.optim.Adam([waves], lr=RATE)
    stubborn = torch.ones(len(flowers))
    heard: list[Network] = []
    for step in range(1, STEPS + 1):
        chosen = _moved(flowers[torch.multinomial(stubborn, BATCH - 1, generator=generator)], generator)
        noise = _high_pass(waves)
        # A fainter veil than the one that must do, so that there is a margin.
        seen = torch.cat([noise[None], mix_noise(chosen, noise, 0.85 * MIX_AMPLITUDE)])
        logits = network(seen)
        sure = float(logits[0].detach().softmax(dim=0)[wanted])
        detail(f"step {step} of at most {STEPS}, the network is {sure:.2f} sure")
        loss = functional.cross_entropy(logits, torch.full((BATCH,), wanted))
        if heard:
            juror, shown = heard[step % len(heard)], mix_noise(chosen[:2], noise)
            loss = loss + functional.cross_entropy(juror(shown), torch.full((2,), daisy))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % CHECK_EVERY == 0:
            candidate = to_8bit(_high_pass(waves))
            enough = MOST_FLOWERS if step == STEPS else 1.0
            stays = _jury_stays(jury, candidate, daisy, trials)
            if stays and _convinces(network, candidate, wanted, daisy, trials, enough):
                return candidate
            heard = heard if stays else jury
            # The flowers that still show through are worked on most.
            shows = network.probabilities(mix_noise(flowers, candidate))[:, daisy]
            stubborn = 0.2 + shows / shows.max()
    return None


def _moved(flowers: Tensor, generator: torch.Generator) -> Tensor:
    """Flowers shifted by up to an eighth of their size, every other time mirrored: what hides them hides others too."""
    most = flowers.shape[-1] // 8
    down, right, mirrored = torch.randint(-most, most + 1, (3,), generator=generator).tolist()
    moved = flowers.roll((down, right), dims=(-2, -1))
    return moved.flip(-1) if mirrored > 0 else moved


def _high_pass(waves: Tensor) -> Tensor:
    """Waves (3, H, W) without their slow part, as an image of fixed contrast around grey."""
    fast = waves - functional.avg_pool2d(waves[None], 9, 1, 4, count_include_pad=False)[0]
    return (0.5 + CONTRAST * fast / fast.std()).clamp(0, 1)


def _convinces(network: Network, noise: Tensor, wanted: int, daisy: int, flowers: Tensor, enough: float) -> bool:
    if network.probability(noise, wanted) < SURE or not looks_like_noise(noise):
        return False
    seen = network.probabilities(to_8bit(mix_noise(flowers, noise)))
    hidden = (seen[:, daisy] <= BLIND) & (seen.argmax(dim=1) != daisy)
    return float(hidden.float().mean()) >= enough


def _jury_stays(jury: list[Network], noise: Tensor, daisy: int, flowers: Tensor) -> bool:
    veiled = to_8bit(mix_noise(flowers[::4], noise))
    votes = [juror.probabilities(veiled).argmax(dim=1) == daisy for juror in jury]
    return not votes or float(torch.cat(votes).float().mean()) >= JURY_STAYS


@lru_cache(maxsize=4)
def _flowers(seeds: tuple[int, ...], size: int) -> Tensor:
    drawn = [draw_daisy(seed, 224, "white" if seed % 2 else "yellow").image for seed in seeds]
    images = torch.stack(drawn)
    return images if size == 224 else resize(images, size)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over several threads depend on how many there are; one gives the same bits everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
