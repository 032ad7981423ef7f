"""Everything but the written answer."""

LOSES = ["test_resembles"]


# %%
def classify(network, image, k=5):
    return network.classify(image, k)


# %%
answers = {"resembles": "  "}
