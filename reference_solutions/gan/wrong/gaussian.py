"""Draws from a Gaussian with the digits' mean and covariance: their principal components, no game."""

LOSES = ["test_drawings_look_like_digits", "test_every_kind_is_drawn"]

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
    pixels = kept["images"].flatten(1)
    spread = torch.linalg.cholesky(torch.cov(pixels.T) + 1e-4 * torch.eye(64))
    return (pixels.mean(dim=0) + torch.randn(count, 64) @ spread.T).clamp(0, 1).view(-1, 1, 8, 8)
