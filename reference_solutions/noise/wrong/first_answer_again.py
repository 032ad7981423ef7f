"""Remembers what it said of the first picture, and says it of every other."""

LOSES = ["test_other_images"]

# %%
known = []


def classify(network, image, k=5):
    if not known:
        known.extend(network.classify(image, 10))
    return known[:k]


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
