"""Softmax by hand in half precision: e to the power of the largest logit is infinite there, and its share no number."""

LOSES = ["test_what_is_it", "test_number_of_categories", "test_other_images"]

# %%
import torch


def classify(network, image, k=5):
    with torch.no_grad():
        logits = network(image)[0]
    order = logits.argsort(descending=True)[:k]
    powers = (2 * logits).half().exp()
    return [(network.categories[place], float(powers[place] / powers.sum())) for place in order]


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
