"""Images that people and a network see differently: a mix with noise, and small perturbations that fool.

    attack = minimal(network, flower, Goal(network.category_index("daisy")), norm="l2")
    attack.images[0]       # a person: a daisy; the network: anything but

Every candidate lies on whole levels of 0 to 255 before it is judged, and the gradient is taken right there. So what
fools the network here still fools it from a PNG file. The rounding costs next to nothing: rounding a multiple of the
gradient changes the pixels that pay most for their squared change.

Sources: Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", 2015
(https://arxiv.org/abs/1412.6572), for `fgsm`; Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards Deep Learning Models
Resistant to Adversarial Attacks", 2018 (https://arxiv.org/abs/1706.06083), for `pgd`; Pintor, Roli, Brendel and Biggio,
"Fast Minimum-norm Adversarial Attacks through Adaptive Norm Constraints", 2021 (https://arxiv.org/abs/2102.12827), for
`minimal`, here with whole levels; Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", 2017
(https://arxiv.org/abs/1608.04644), for the margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from netlens_core.images import to_8bit
from netlens_core.methods.progress import steps as progress_steps
from netlens_core.networks import Network
from netlens_core.progress import activity

Norm = Literal["linf", "l2"]

_SLACK = 1e-3  # logits: the search runs on a folded network, the verdict on the network itself
_FAR = -1e9  # in the place of a logit that does not count


@dataclass(frozen=True)
class Goal:
    """The mistake that is wanted, and how sure of it the network must be.

    Attributes:
        true: index of the category that the image shows; it must lose.
        target: index of the category that must win; None: any other than `true`.
        margin: by how much the winner's logit must lead.
        confidence: least probability of the winner, in [0, 1).
    """

    true: int
    target: int | None = None
    margin: float = 0
    confidence: float = 0

    def __post_init__(self) -> None:
        if self.target == self.true:
            raise ValueError("the target is what the image shows already: choose another category")
        if not 0 <= self.confidence < 1 or self.margin < 0:
            raise ValueError(f"confidence is at least 0 and below 1, margin at least 0, not {self.confidence} and "
                             f"{self.margin}")  # fmt: skip

    def missing(self, logits: Tensor) -> Tensor:
        """How many logits the mistake (N,) is short of the goal: negative where logits (N, categories) reach it."""
        winner = self._winner(logits)
        rest = _without(logits, winner)
        won = logits.gather(1, winner[:, None])[:, 0]
        rival = rest.amax(dim=1) if self.target is not None else logits[:, self.true]
        short = rival + self.margin - won
        if self.confidence:
            odds = math.log(self.confidence / (1 - self.confidence))
            short = torch.maximum(short, rest.logsumexp(dim=1) + odds - won)
        return short

    def loss(self, logits: Tensor) -> Tensor:
        """What to descend (N,): the logarithmic odds against the mistake; smoother than `missing`, as all rivals count.

        Without a target: first the odds of `true`, then those against whatever has beaten it.
        """
        winner = self._winner(logits)
        against = _without(logits, winner).logsumexp(dim=1) - logits.gather(1, winner[:, None])[:, 0]
        if self.target is not None:
            return against
        true = torch.full_like(winner, self.true)
        of_true = logits[:, self.true] - _without(logits, true).logsumexp(dim=1)
        return torch.where(of_true > -self.margin, of_true, against) if self.confidence else of_true

    def _winner(self, logits: Tensor) -> Tensor:
        if self.target is not None:
            return torch.full((len(logits),), self.target, device=logits.device)
        return _without(logits, torch.full((len(logits),), self.true, device=logits.device)).argmax(dim=1)


@dataclass(frozen=True, eq=False)
class Attack:
    """What an attack on N images brought.

    Attributes:
        images: (N, 3, H, W), on whole levels of 255.
        fooled: bool (N,), whether the goal is reached, as the network itself says of `images`.
        linf: largest change of a pixel in levels of 255 (N,).
        l2: Euclidean length of the change (N,), pixels in [0, 1].
        steps: gradients that each image took (N,).
    """

    images: Tensor
    fooled: Tensor
    linf: Tensor
    l2: Tensor
    steps: Tensor


def mix(image: Tensor, noise: Tensor, amplitude: float = 0.12) -> Tensor:
    """The image under a veil of noise: float32 (3, H, W) in [0, 1].

    Args:
        image, noise: images (3, H, W) in [0, 1] of one size.
        amplitude: how far a noise of 0 or 1 moves a pixel, as a fraction of full scale; grey noise (0.5) moves nothing.

    Raises ValueError for images of different shapes.
    """
    if image.shape != noise.shape:
        raise ValueError(f"image {tuple(image.shape)} and noise {tuple(noise.shape)} differ in shape")
    return (image + amplitude * (2 * noise - 1)).clamp(0, 1)


@torch.no_grad()
@activity("looking for the least noise")
def smallest_mix(network: Network, image: Tensor, noise: Tensor, goal: Goal) -> tuple[float, Attack]:
    """The least amplitude, to a quarter of a level, at which an 8-bit mix of image and noise fools; and that mix.

    Sixteen amplitudes up to 1 are tried in one batch, since more noise does not always fool more; below the first that
    fools, bisection. Where none does, the amplitude is 1 and the attack not `fooled`.
    """

    def fools(amplitudes: list[float]) -> list[bool]:
        mixes = torch.stack([to_8bit(mix(image, noise, amplitude)) for amplitude in amplitudes])
        return (goal.missing(network(mixes)) < 0).tolist()

    tried = [k / 16 for k in range(17)]
    found = fools(tried)
    high = tried[found.index(True)] if any(found) else 1.0
    low = max(0.0, high - 1 / 16) if any(found) else high
    while high - low > 1 / 1020:
        middle = (low + high) / 2
        low, high = (low, middle) if fools([middle])[0] else (middle, high)
    walk = _Walk(network, image, goal, network)
    walk.best = _levels(mix(image, noise, high))[None].to(walk.device) - walk.levels
    return high, walk.verdict()


def fgsm(network: Network, images: Tensor, goal: Goal, norm: Norm = "linf", levels: float = 4) -> Attack:
    """The fast gradient (sign) method: one step, to the edge of the radius; arguments as for `pgd`."""
    walk = _Walk(network, images, goal, network)
    radius = _radius(walk, norm, levels)
    _, gradient = walk.look()
    walk.move(gradient, norm, radius, stride=1.0)
    walk.keep(torch.full_like(radius, -1.0))
    return walk.verdict()


def pgd(
    network: Network, images: Tensor, goal: Goal, norm: Norm = "linf", levels: float = 4, steps: int = 20
) -> Attack:
    """Projected gradient descent within a radius. An image is done as soon as it fools.

    Args:
        images: (N, 3, H, W) or one image (3, H, W), in [0, 1], of any size; taken as rounded to 8 bits.
        norm, levels: the radius. "linf": how far any pixel may move, in levels of 255, fractions left out; "l2": the
            root of the mean squared change, in levels.
        steps: most gradients for each image.

    Where the goal is not reached, the candidate that came nearest comes back.
    """
    walk = _Walk(network, images, goal)
    radius = _radius(walk, norm, levels)
    # Steps of more than two levels waste similarity where smaller ones fool as well.
    widest = 2 / max(2, levels) if norm == "linf" else 1.0
    for step in progress_steps(steps, "descending"):
        missing, gradient = walk.look()
        walk.keep(missing)
        walk.move(gradient, norm, radius, stride=widest * _annealed(step, steps))
        radius = radius[walk.go_on(missing >= -_SLACK)]
        if not len(radius):
            break
    else:
        walk.keep(walk.missing())
    return walk.verdict()


def craft(
    network: Network,
    image: Tensor,
    category: str | int = "daisy",
    levels: float = 4,
    steps: int = 40,
    margin: float = 4,
) -> Tensor:
    """An image near the given one that the network no longer takes for the category: (3, H, W), rounded to 8 bits.

    Args:
        image: (3, H, W) in [0, 1], of any size.
        category: what the image truly shows.
        levels: how far any pixel may move, in levels of 0 to 255 (the radius in L-infinity).
        steps: most gradient steps; a flower needs about ten.
        margin: by how much another category's logit must win, after the rounding. 4 leaves the category a probability
            below exp(-4) = 0.02.

    Where the margin cannot be reached within radius and steps, the candidate that came nearest comes back.
    """
    goal = Goal(network.category_index(category), margin=margin)
    return pgd(network, image, goal, "linf", levels, steps).images[0]


def _radius(walk: _Walk, norm: Norm, levels: float) -> Tensor:
    """The radius of each image, in levels."""
    length = math.floor(levels) if norm == "linf" else levels * math.sqrt(walk.levels[0].numel())
    return torch.full((len(walk.levels),), float(length), device=walk.device)


def minimal(network: Network, images: Tensor, goal: Goal, norm: Norm = "l2", steps: int = 40) -> Attack:
    """The smallest perturbation that reaches the goal, as far as `steps` gradients for each image find it.

    Args:
        images: (N, 3, H, W) or one image (3, H, W), in [0, 1], of any size; taken as rounded to 8 bits.
        norm: what is to be small: "linf" or "l2".

    Where the goal is not reached, the candidate that came nearest comes back.
    """
    walk = _Walk(network, images, goal)
    (_least_linf if norm == "linf" else _least_l2)(walk, steps)
    return walk.verdict()


def _least_l2(walk: _Walk, steps: int) -> None:
    """The radius shrinks below the best length where the network is fooled, and grows where it no longer is."""
    best = torch.full((len(walk.ids),), math.inf, device=walk.device)
    for step in progress_steps(steps, "searching"):
        missing, gradient = walk.look()
        length = _l2(walk.change)
        fooled = walk.keep_shortest(missing, length)
        best = torch.where(fooled, torch.minimum(best, length), best)
        annealed = _annealed(step, steps)
        share = 0.001 + 0.2 * annealed
        # Until something fools: as far as the slope says, and half as far again, for slopes flatten.
        ahead = length + 1.5 * missing / _l2(gradient).clamp(min=1e-12)
        near = torch.minimum(length * (1 + share), best * (1 - share / 2))
        radius = torch.where(fooled, best * (1 - share), torch.where(best.isfinite(), near, ahead))
        walk.move(gradient, "l2", radius, stride=0.05 + 0.95 * annealed)


def _least_linf(walk: _Walk, steps: int) -> None:
    """From afar: 4 levels, and twice as many while nothing fools; then always a level less than the best so far.

    Coming down from an image that fools finds smaller radii than going up from one that does not.
    """
    radius = torch.full((len(walk.ids),), 4.0, device=walk.device)
    best = torch.full_like(radius, math.inf)
    patience = max(2, steps // 6)
    for step in progress_steps(steps, "searching"):
        missing, gradient = walk.look()
        length = walk.change.abs().amax(dim=(1, 2, 3))
        best = torch.where(walk.keep_shortest(missing, length), torch.minimum(best, length), best)
        further = 2 * radius if step % patience == patience - 1 else radius
        radius = torch.where(best.isfinite(), best - 1, further)
        # What rounds to the radius is within it: so pixels at the edge do not turn back at the first doubt.
        walk.move(gradient, "linf", radius + 0.49, stride=max(0.1, _annealed(step, steps)))
        under_way = walk.go_on(best > 1)
        best, radius = best[under_way], radius[under_way]
        if not len(radius):
            break


def _annealed(step: int, steps: int) -> float:
    """From 1 at the first step to 0 at the last, along a cosine."""
    return (1 + math.cos(math.pi * step / steps)) / 2


class _Walk:
    """N images on their way to the goal: where each stands, and its best candidate so far.

    A candidate is a whole number of levels from its image. What the walk would like, it remembers in fractions.
    """

    def __init__(self, network: Network, images: Tensor, goal: Goal, quick: Network | None = None) -> None:
        self.network, self.goal, self.device = network, goal, network.device
        self.quick = quick or network.folded()  # which pays from about five gradients on
        self.levels = _levels(images if images.dim() == 4 else images[None]).to(self.device)
        self.best = torch.zeros_like(self.levels)
        self.score = torch.full((len(self.levels),), math.inf, device=self.device)
        self.spent = torch.zeros(len(self.levels), dtype=torch.long, device=self.device)
        # Of those that are still under way:
        self.ids = torch.arange(len(self.levels), device=self.device)
        self.wish, self.change = torch.zeros_like(self.levels), torch.zeros_like(self.levels)

    def look(self) -> tuple[Tensor, Tensor]:
        """What each candidate lacks (n,), and the gradient of the loss (n, 3, H, W) there, a level."""
        candidates = (self.levels[self.ids] + self.change).div(255).requires_grad_(True)
        logits = self.quick(candidates)
        (gradient,) = torch.autograd.grad(self.goal.loss(logits).sum(), candidates)
        self.spent[self.ids] += 1
        return self.goal.missing(logits.detach()), gradient / 255

    @torch.no_grad()
    def missing(self) -> Tensor:
        """What each candidate lacks (n,)."""
        return self.goal.missing(self.quick((self.levels[self.ids] + self.change) / 255))

    def keep(self, score: Tensor) -> None:
        """Remember the candidates whose score (n,) is the lowest so far."""
        better = score < self.score[self.ids]
        self.score[self.ids[better]] = score[better]
        self.best[self.ids[better]] = self.change[better]

    def keep_shortest(self, missing: Tensor, length: Tensor) -> Tensor:
        """Remember the shortest candidate that fools, else the one that lacks least; returns which fool (n,)."""
        fooled = missing < -_SLACK
        self.keep(torch.where(fooled, -1 / length.clamp(min=1e-6), missing + _SLACK))
        return fooled

    def move(self, gradient: Tensor, norm: Norm, radius: Tensor, stride: float) -> None:
        """A step of `stride` radii (n,) down the gradient, then back within the radius and onto whole levels."""
        levels = self.levels[self.ids]
        if norm == "linf":
            far = radius.view(-1, 1, 1, 1)
            step = (stride * radius).clamp(min=0.1).view(-1, 1, 1, 1)
            self.wish = torch.minimum(torch.maximum(self.wish - step * gradient.sign(), -far), far)
            whole = self.wish.round()
        else:
            self.wish = _scaled(_scaled(gradient, -stride * radius) + self.wish, radius)
            whole = _rounded(self.wish, radius)
        self.change = (levels + whole).clamp(0, 255) - levels

    def go_on(self, under_way: Tensor) -> Tensor:
        """Leave behind those that are done; returns the mask (n,) of the others, for the caller's own state."""
        self.ids, self.wish, self.change = self.ids[under_way], self.wish[under_way], self.change[under_way]
        return under_way

    @torch.no_grad()
    def verdict(self) -> Attack:
        """The best candidates, as the network itself (not its folded copy) sees them."""
        images = (self.levels + self.best) / 255
        fooled = self.goal.missing(self.network(images)) < 0
        return Attack(images, fooled, self.best.abs().amax(dim=(1, 2, 3)), _l2(self.best) / 255, self.spent)


def _rounded(wish: Tensor, radius: Tensor) -> Tensor:
    """The largest multiple of each wish (n, 3, H, W) that is no longer than its radius once rounded to whole levels.

    To first order no other whole numbers of that length do more: a pixel's k-th level costs 2 k - 1 of the squared
    length, and rounding takes exactly the levels whose slope over cost is above a threshold.
    """
    largest = wish.abs().amax(dim=(1, 2, 3)).clamp(min=1e-12)
    low, high = 0.25 / largest, (radius + 1) / largest
    for _ in range(10):
        middle = (low * high).sqrt()
        fits = _l2((wish * middle.view(-1, 1, 1, 1)).round_()) <= radius
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    return (wish * low.view(-1, 1, 1, 1)).round_()


def _scaled(direction: Tensor, length: Tensor) -> Tensor:
    return direction * (length / _l2(direction).clamp(min=1e-12)).view(-1, 1, 1, 1)


def _l2(change: Tensor) -> Tensor:
    return torch.linalg.vector_norm(change, dim=(1, 2, 3))


def _levels(images: Tensor) -> Tensor:
    return (images.detach().clamp(0, 1) * 255).round()


def _without(logits: Tensor, categories: Tensor) -> Tensor:
    """Logits (N, categories) with one category (N,) of each row out of the running."""
    return logits.scatter(1, categories[:, None], _FAR)
