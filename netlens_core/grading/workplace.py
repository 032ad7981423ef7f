"""What a grading process keeps between submissions: its own networks, what they said, and a warm sandbox."""

from __future__ import annotations

import atexit
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache

import torch
from torch import Tensor

from netlens_core import NetlensError
from netlens_core.grading.exercise import Networks
from netlens_core.grading.reference_speed import slowdown
from netlens_core.grading.sandbox.box import Sandbox
from netlens_core.measures.jury import Jury
from netlens_core.networks import Network, load_network

_REMEMBERED = 512  # answers of 1000 probabilities each, 2 MB in all


class WrongWeightsError(NetlensError, RuntimeError):
    """The networks here are not those that the course was released with."""


@dataclass(frozen=True, eq=False)
class RememberingNetwork(Network):
    """A network that is asked about the same image once: hidden and released images come with every submission."""

    _answers: OrderedDict[bytes, Tensor] = field(default_factory=OrderedDict, repr=False)

    def probabilities(self, images: Tensor) -> Tensor:
        """As `Network.probabilities`; equal images get the very same answer."""
        pixels = images.detach().cpu().contiguous()
        key = hashlib.sha256(f"{pixels.dtype} {tuple(pixels.shape)}".encode() + pixels.numpy().tobytes()).digest()
        if key not in self._answers:
            self._answers[key] = super().probabilities(images)
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        return self._answers[key].clone()

    @classmethod
    def of(cls, network: Network) -> RememberingNetwork:
        """The same network, remembering."""
        return cls(**{part.name: getattr(network, part.name) for part in fields(Network)})


@dataclass(frozen=True)
class Workplace:
    """The trusted side's networks, and the sandbox that submissions run in.

    Attributes:
        target: the network that exercises are about.
        jury: networks that stand in for human eyes.
        sandbox: a warm process that knows the target network only.
    """

    target: Network
    jury: Jury
    sandbox: Sandbox

    def verify_weights(self, fingerprints: Mapping[str, str]) -> None:
        """Raises WrongWeightsError where a network's weights are not those of the course."""
        for network in (self.target, *self.jury.networks):
            wanted = fingerprints.get(network.name)
            if wanted != network.fingerprint:
                raise WrongWeightsError(
                    f"{network.name} has the fingerprint {network.fingerprint[:12]} here, but this course was made "
                    f"with {str(wanted)[:12]}: install the weights that the course was released with"
                )


def workplace(networks: Networks, level: str) -> Workplace:
    """This process's workplace for a course's networks and a sandbox level; made at the first call.

    Raises WrongWeightsError for other weights than the course's.
    """
    place = _workplace(networks.target, networks.jury, level)
    place.verify_weights(networks.fingerprints)
    return place


@lru_cache(maxsize=2)
def _workplace(target: str, jury: tuple[str, ...], level: str) -> Workplace:
    torch.set_num_threads(1)
    # On the processor: a grade must not depend on which machine has a graphics card.
    loaded = [RememberingNetwork.of(load_network(name, device="cpu")) for name in (target, *jury)]
    sandbox = Sandbox(networks=(target,), level=level)
    sandbox.slowdown = slowdown()
    _SANDBOXES.append(sandbox)
    atexit.register(sandbox.close)
    return Workplace(loaded[0], Jury(loaded[1:]), sandbox)


_SANDBOXES: list[Sandbox] = []  # of this process


def refresh_sandboxes() -> None:
    """Let the next submission of this process run in a fresh sandbox."""
    for sandbox in _SANDBOXES:
        sandbox.refresh()
