"""Divides by the variance of a constant: an image of NaN."""

LOSES = ["test_style_arrives", "test_content_stays", "test_painted_anew", "test_hidden_pictures"]

# %%
import torch


def stylize(network, content, style):
    share = torch.zeros_like(content)
    return content + style * (share - share.mean()) / share.std()
