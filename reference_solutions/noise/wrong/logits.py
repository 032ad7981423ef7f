"""Forgets the softmax: logits are no probabilities."""

LOSES = ["test_what_is_it", "test_other_images"]


# %%
def classify(network, image, k=5):
    values, places = network(image)[0].topk(k)
    return [(network.categories[place], value) for place, value in zip(places.tolist(), values.tolist())]


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
