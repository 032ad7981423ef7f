"""Feeds the network values of 0 to 255."""

LOSES = ["test_what_is_it", "test_other_images"]


# %%
def classify(network, image, k=5):
    return network.classify(image * 255, k)


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
