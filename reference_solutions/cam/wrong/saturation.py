"""How strong the colours are: the flower and the sky stand out."""

LOSES = [
    "test_each_thing_on_its_own_side",
    "test_hidden_pictures",
    "test_network_needs_what_the_map_shows",
    "test_map_comes_from_what_was_learnt",
]
CAUGHT_BY = ["evidence"]

# %%


def class_activation_map(network, image, category):
    heat = image.amax(dim=0) - image.amin(dim=0)
    return (heat - heat.min()) / (heat.max() - heat.min())
