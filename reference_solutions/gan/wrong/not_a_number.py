"""A logarithm of zero: the history and the drawings are NaN."""

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


def train(images):
    return [{"generator": float("nan"), "discriminator": float("nan")}] * 600


def sample(count):
    return torch.full((count, 1, 8, 8), float("nan"))
