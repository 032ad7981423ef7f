"""What a dream is to excite: objectives, which add up, and which numbers weigh.

logit("daisy") + 2 * channel("blocks.4.0.conv_pw", 12) - logit("ant")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from netlens_core.networks import Network

LOGITS, VIEWS = "logits", "views"


@dataclass(frozen=True)
class Objective:
    """A score to climb: of the views, and of what a network's layers and its LOGITS answer to them; a scalar."""

    layers: frozenset[str]
    score: Callable[[Network, dict[str, Tensor]], Tensor]

    def __call__(self, network: Network, views: Tensor) -> Tensor:
        """The score of views (N, 3, H, W), which are taken at the size that they have."""
        inner = self.layers - {LOGITS, VIEWS}
        found: dict[str, Tensor] = network.activations(views, inner) if inner else {}
        found[VIEWS] = views
        if LOGITS in self.layers:
            found[LOGITS] = network.module(network.normalize(views))
        return self.score(network, found)

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.layers | other.layers, lambda n, found: self.score(n, found) + other.score(n, found))

    def __mul__(self, weight: float) -> Objective:
        return Objective(self.layers, lambda n, found: weight * self.score(n, found))

    __rmul__ = __mul__

    def __sub__(self, other: Objective) -> Objective:
        return self + -1 * other


def logit(category: str | int) -> Objective:
    """The network's evidence for a category, before the softmax: probability soon says 1 and stops to pull."""
    return Objective(frozenset({LOGITS}), lambda n, found: found[LOGITS][:, n.category_index(category)].mean())


def channel(name: str, index: int) -> Objective:
    """A channel of a layer, everywhere in the image: a texture."""
    return Objective(frozenset({name}), lambda n, found: _channel(n, name, found[name], index).mean())


def neuron(name: str, index: int) -> Objective:
    """The one unit of a channel that looks at the middle of the view. Best under views that keep the middle: NEAR."""

    def score(network: Network, found: dict[str, Tensor]) -> Tensor:
        answer = _channel(network, name, found[name], index)
        return answer[:, answer.shape[1] // 2, answer.shape[2] // 2].mean()

    return Objective(frozenset({name}), score)


def layer(name: str) -> Objective:
    """Whatever a layer sees already, more of it (DeepDream): the mean square of all its answers."""
    return Objective(frozenset({name}), lambda _n, found: found[name].square().mean())


def contrast() -> Objective:
    """How far the views are from grey, 0 to 1: subtract it, and a dream shouts less and is better understood."""
    return Objective(frozenset({VIEWS}), lambda _n, found: (2 * found[VIEWS] - 1).square().mean())


def _channel(network: Network, name: str, answer: Tensor, index: int) -> Tensor:
    if answer.dim() != 4 or not 0 <= index < answer.shape[1]:
        raise ValueError(f"{name} of {network.name} answers {tuple(answer.shape[1:])}: no channel {index} of a map")
    return answer[:, index]
