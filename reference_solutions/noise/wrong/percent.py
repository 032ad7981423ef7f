"""Percent instead of probabilities between 0 and 1."""

LOSES = ["test_what_is_it", "test_other_images"]


# %%
def classify(network, image, k=5):
    return [(category, 100 * probability) for category, probability in network.classify(image, k)]


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
