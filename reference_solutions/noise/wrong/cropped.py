"""Crops the middle out first, as one does with photographs."""

LOSES = ["test_what_is_it", "test_other_images"]


# %%
def classify(network, image, k=5):
    edge = image.shape[-1] // 16
    return network.classify(image[:, edge:-edge, edge:-edge], k)


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
