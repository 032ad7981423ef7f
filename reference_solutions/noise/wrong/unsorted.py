"""The right categories, likeliest last."""

LOSES = ["test_what_is_it", "test_other_images"]


# %%
def classify(network, image, k=5):
    return sorted(network.classify(image, k), key=lambda pair: pair[1])


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
