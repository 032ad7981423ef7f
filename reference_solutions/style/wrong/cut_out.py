"""Cuts the flower out by its brightness and pastes it onto the painting."""

LOSES = ["test_style_arrives", "test_painted_anew", "test_hidden_pictures"]

# %%
import torch


def stylize(network, content, style):
    grey = content.mean(dim=0, keepdim=True)
    return torch.where(grey > grey.mean() + 0.5 * grey.std(), content, style)
