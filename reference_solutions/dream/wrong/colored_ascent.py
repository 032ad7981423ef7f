"""Plain ascent in pixels, its faint colours twice as strong afterwards."""

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
    image = climb(network, category)
    grey = image.mean(dim=0, keepdim=True)
    return (grey + 2 * (image - grey)).clamp(0, 1)
