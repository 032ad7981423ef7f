"""The right shape, but values from 0 to 255."""

LOSES = [
    "test_network_is_sure",
    "test_beats_every_photo",
    "test_in_full_colour",
    "test_without_noise",
    "test_hidden_category",
]

# %%
import torch


def climb(network, category, steps=10):
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
    return 255 * climb(network, category)
