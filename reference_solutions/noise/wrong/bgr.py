"""Takes the colours in the order of OpenCV: blue, green, red."""

LOSES = ["test_what_is_it", "test_other_images"]


# %%
def classify(network, image, k=5):
    return network.classify(image.flip(0), k)


# %%
answers = {"resembles": "No: it is coloured noise, and nothing of a flamingo is to be seen in it."}
