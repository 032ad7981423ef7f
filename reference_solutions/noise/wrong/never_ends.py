"""Adds up shares of probability until they are more than everything, which never comes."""

LOSES = ["test_what_is_it", "test_number_of_categories", "test_other_images"]

# %%
import torch


def classify(network, image, k=5):
    with torch.no_grad():
        probabilities = network(image)[0].softmax(dim=0)
    while probabilities.sum() < 2:
        probabilities = probabilities / probabilities.sum()
    values, places = probabilities.topk(k)
    return [(network.categories[place], value) for place, value in zip(places.tolist(), values.tolist())]


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
