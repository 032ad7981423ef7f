"""Always five categories."""

LOSES = ["test_number_of_categories"]


# %%
def classify(network, image, k=5):
    return network.classify(image, 5)


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
