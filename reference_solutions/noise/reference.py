# %%
import torch


# %% nbgrader={"grade_id": "classify"}
def classify(network, image, k=5):
    """The k likeliest categories of an image with their probabilities, likeliest first."""
    with torch.no_grad():
        probabilities = network(image)[0].softmax(dim=0)
    values, places = probabilities.topk(k)
    return [(network.categories[place], value) for place, value in zip(places.tolist(), values.tolist())]


# %% nbgrader={"grade_id": "test_resembles"}
answers = {
    "resembles": (
        "No. I see coloured noise without any outline, not even after blurring: the blurred picture is plain grey. "
        "The network is nearly certain of a flamingo, so it goes by fine patterns that add up over the whole picture "
        "and that I cannot see. Its probability says how far one logit is ahead of the others, not how likely a "
        "flamingo is: noise is unlike everything it was trained on, and it has no way to answer 'none of these'."
    ),
}
