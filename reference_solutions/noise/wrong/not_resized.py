"""Asks the bare module, so that images of other sizes are seen at another scale."""

LOSES = ["test_other_images"]


# %%
def classify(network, image, k=5):
    probabilities = network.module(network.normalize(image[None]))[0].softmax(dim=0)
    values, places = probabilities.topk(k)
    return [(network.categories[place], value) for place, value in zip(places.tolist(), values.tolist())]


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
