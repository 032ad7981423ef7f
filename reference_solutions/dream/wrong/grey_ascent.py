"""Plain ascent in pixels, the whole image as the one view."""

LOSES = ["test_beats_every_photo", "test_in_full_colour", "test_without_noise", "test_hidden_category"]
CAUGHT_BY = ["robust_logit"]

# %%
import torch


def climb(network, category, steps=60):
    network = network.folded()
    index = network.category_index(category)
    pixels = (0.01 * torch.randn(3, 224, 224)).requires_grad_()
    adam = torch.optim.Adam([pixels], lr=0.02)
    for _ in range(steps):
        loss = -network(pixels.sigmoid())[0, index]
        adam.zero_grad()
        loss.backward()
        adam.step()
    return pixels.detach().sigmoid()


def dream(network, category):
    return climb(network, category)
