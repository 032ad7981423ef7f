"""Answers for the public picture, whatever image it is given."""

LOSES = ["test_other_images"]

# %%
from netlens_core.images import load_image


def classify(network, image, k=5):
    return network.classify(load_image("what_is_it.png"), k)


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
