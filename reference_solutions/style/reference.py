# %%
import torch

from netlens_core.images import resize, to_8bit


# %% nbgrader={"grade_id": "gram"}
def gram(maps):
    """Which channels answer together: the mean product of each two maps."""
    flat = maps.flatten(1)
    return flat @ flat.T / flat.shape[1]


# %% nbgrader={"grade_id": "stylize"}
def recolored(content, style):
    """The content with the style's mean and spread of each colour."""
    ours, theirs = content.flatten(1), style.flatten(1)
    scale = (theirs.std(dim=1) / ours.std(dim=1).clamp(min=1e-3))[:, None]
    return (
        ((ours - ours.mean(dim=1, keepdim=True)) * scale + theirs.mean(dim=1, keepdim=True))
        .clamp(0, 1)
        .view_as(content)
    )


def stylize(network, content, style, weight=100, steps=(150, 120)):
    """Descent from the recoloured content, at half the size and then at the whole, to the style's Gram matrices."""
    names = blocks(network)  # the notebook's own  # noqa: F821
    network = network.folded()
    image = start = recolored(content, style)
    for scale, count in zip((2, 1), steps):
        size = (content.shape[1] // scale, content.shape[2] // scale)
        grams = {name: gram(maps) for name, maps in network.activations(resize(style, size), names).items()}
        scene = network.activations(resize(start, size), names[-1])
        image = resize(image, size).requires_grad_(True)
        adam = torch.optim.Adam([image], lr=0.02)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, count, eta_min=0.001)
        for _ in range(count):
            maps = network.activations(image, names)
            shares = [
                (gram(maps[name]) - wanted).square().sum() / wanted.square().sum() for name, wanted in grams.items()
            ]
            away = (maps[names[-1]] - scene).square().mean() / scene.var()
            adam.zero_grad()
            (weight * sum(shares) / len(shares) + away).backward()
            adam.step()
            falling.step()
            with torch.no_grad():
                image.clamp_(0, 1)
        image = image.detach()
    return to_8bit(image)
