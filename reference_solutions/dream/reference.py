# %%
import math

import torch
from torch.nn import functional

COLORS = torch.tensor([[0.56, 0.19, 0.04], [0.58, 0.0, -0.11], [0.58, -0.19, 0.06]])  # of the template


# %% nbgrader={"grade_id": "climb"}
def climb(network, category, steps=60):
    """Plain ascent: Adam on the pixels themselves, the whole image as the one view."""
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


# %% nbgrader={"grade_id": "image_of"}
def image_of(waves, decay=1.25, chroma=1.4):
    """Waves of brightness and hue as an image: long waves and common colours are large."""
    size = waves.shape[1]
    frequency = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])
    scale = 0.25 / frequency.clamp(min=1 / size) ** decay
    planes = torch.fft.irfft2(torch.view_as_complex(waves) * scale, s=(size, size), norm="ortho")
    colors = COLORS * torch.tensor([1, chroma, chroma])
    return torch.einsum("rc,chw->rhw", colors, planes).sigmoid()


# %% nbgrader={"grade_id": "random_view"}
def random_view(image, size):
    """A random window of 60 to 110 percent, turned by up to 20 degrees; beyond the edges it is mirrored."""
    turn, zoom, right, down = torch.rand(4).tolist()
    angle, side = math.radians(40 * turn - 20), 0.6 + 0.5 * zoom
    c, s = side * math.cos(angle), side * math.sin(angle)
    room = max(0.0, 1 - side) + 0.16
    matrix = torch.tensor([[[c, -s, room * (2 * right - 1)], [s, c, room * (2 * down - 1)]]])
    grid = functional.affine_grid(matrix, [1, 3, size, size], align_corners=False)
    return functional.grid_sample(image[None], grid, padding_mode="reflection", align_corners=False)


# %% nbgrader={"grade_id": "dream"}
def dream(network, category, size=224, steps=128, rate=0.05):
    """Ascent in waves, on one random view a step; the steps grow smaller towards the end."""
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
