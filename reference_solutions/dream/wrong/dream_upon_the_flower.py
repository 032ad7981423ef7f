"""Begins with the flower instead of noise, and lays a dream over it."""

LOSES = [
    "test_network_is_sure",
    "test_beats_every_photo",
    "test_in_full_colour",
    "test_without_noise",
    "test_hidden_category",
]

# %%
import math

import torch
from torch.nn import functional

from netlens_core.images import load_image

COLORS = torch.tensor([[0.56, 0.19, 0.04], [0.58, 0.0, -0.11], [0.58, -0.19, 0.06]])


def image_of(waves):
    size = waves.shape[1]
    frequency = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])
    scaled = torch.view_as_complex(waves) * 0.25 / frequency.clamp(min=1 / size) ** 1.25
    planes = torch.fft.irfft2(scaled, s=(size, size), norm="ortho")
    return torch.einsum("rc,chw->rhw", COLORS * torch.tensor([1, 1.4, 1.4]), planes).sigmoid()


def random_view(image, size):
    turn, zoom, right, down = torch.rand(4).tolist()
    angle, side = math.radians(40 * turn - 20), 0.6 + 0.5 * zoom
    c, s = side * math.cos(angle), side * math.sin(angle)
    room = max(0.0, 1 - side) + 0.16
    matrix = torch.tensor([[[c, -s, room * (2 * right - 1)], [s, c, room * (2 * down - 1)]]])
    grid = functional.affine_grid(matrix, [1, 3, size, size], align_corners=False)
    return functional.grid_sample(image[None], grid, padding_mode="reflection", align_corners=False)


def grown(network, category, size=224, steps=128, rate=0.05):
    network = network.folded()
    index = network.category_index(category)
    waves = (0.01 * torch.randn(3, size, size // 2 + 1, 2)).requires_grad_()
    adam = torch.optim.Adam([waves], lr=rate)
    for step in range(steps):
        adam.param_groups[0]["lr"] = rate * (1 - 0.7 * step / steps)
        loss = -network(random_view(image_of(waves), network.input_size))[0, index]
        adam.zero_grad()
        loss.backward()
        adam.step()
    return image_of(waves).detach()


def dream(network, category):
    return 0.7 * load_image("flower.png") + 0.3 * grown(network, category)
