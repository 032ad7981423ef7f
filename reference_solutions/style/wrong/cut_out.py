"""Cuts a generous disc around the flower out and pastes it onto the painting."""

LOSES = ["test_style_arrives", "test_content_stays", "test_painted_anew", "test_hidden_pictures"]

# %%
import torch


def stylize(network, content, style):
    _, height, width = content.shape
    down, across = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.where(torch.hypot(down, across) < 0.9, content, style)
