"""A jury: networks of other architectures and trainings that stand in for human eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from netlens_core.images import to_8bit
from netlens_core.networks import Network


@dataclass(frozen=True)
class Jury:
    """Networks that vote on what an image shows, each at its own input size, on the 8-bit pixels."""

    networks: Sequence[Network]

    def votes(self, image: Tensor, category: str | int) -> int:
        """How many jurors' likeliest category of the image (3, H, W) is this one: 0 to the number of jurors."""
        seen = to_8bit(image)
        return sum(
            int(network.probabilities(seen)[0].argmax()) == network.category_index(category)
            for network in self.networks
        )

    def probabilities(self, image: Tensor, category: str | int) -> dict[str, float]:
        """Each juror's probability in [0, 1] that the image (3, H, W) shows the category, by the juror's name."""
        seen = to_8bit(image)
        return {network.name: network.probability(seen, category) for network in self.networks}
