"""Draws a daisy of its own for a dream of a daisy, and another one for anything else."""

LOSES = [
    "test_network_is_sure",
    "test_beats_every_photo",
    "test_in_full_colour",
    "test_without_noise",
    "test_hidden_category",
]
CAUGHT_BY = ["robust_logit"]

# %%
from netlens_core.daisies import draw_daisy


def dream(network, category):
    return draw_daisy(seed=7 if category == "daisy" else 8).image
