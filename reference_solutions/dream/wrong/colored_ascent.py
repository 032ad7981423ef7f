"""Plain ascent in pixels, their faint colours twice as strong."""

LOSES = ["test_beats_every_photo", "test_in_full_colour", "test_without_noise", "test_hidden_category"]
CAUGHT_BY = ["robust_logit"]

# %%
import torch


def colored(pixels):
    image = pixels.sigmoid()
    grey = image.mean(dim=0, keepdim=True)
    return (grey + 2 * (image - grey)).clamp(0, 1)


def dream(network, category, steps=60):
    network = network.folded()
    index = network.category_index(category)
    pixels = (0.01 * torch.randn(3, 224, 224)).requires_grad_()
    adam = torch.optim.Adam([pixels], lr=0.02)
    for _ in range(steps):
        loss = -network(colored(pixels))[0, index]
        adam.zero_grad()
        loss.backward()
        adam.step()
    return colored(pixels.detach())
