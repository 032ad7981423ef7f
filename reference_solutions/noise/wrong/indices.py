"""Numbers of categories instead of their names."""

LOSES = ["test_what_is_it", "test_number_of_categories", "test_other_images"]


# %%
def classify(network, image, k=5):
    values, places = network.probabilities(image)[0].topk(k)
    return list(zip(places.tolist(), values.tolist()))


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
