"""Noise over the recoloured flower: busy, but no strokes."""

LOSES = ["test_style_arrives", "test_content_stays", "test_painted_anew", "test_hidden_pictures"]

# %%
import torch


def recolored(content, style):
    ours, theirs = content.flatten(1), style.flatten(1)
    scale = (theirs.std(dim=1) / ours.std(dim=1).clamp(min=1e-3))[:, None]
    moved = (ours - ours.mean(dim=1, keepdim=True)) * scale + theirs.mean(dim=1, keepdim=True)
    return moved.clamp(0, 1).view_as(content)


def stylize(network, content, style):
    grain = torch.randn(content.shape, generator=torch.Generator().manual_seed(0))
    return (recolored(content, style) + 0.15 * grain).clamp(0, 1)
