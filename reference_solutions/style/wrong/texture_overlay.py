"""Lays the fine structure of the painting over the recoloured flower, moved aside: strokes that follow nothing."""

LOSES = ["test_painted_anew", "test_hidden_pictures"]
CAUGHT_BY = ["joint_loss"]

# %%
from torchvision.transforms.functional import gaussian_blur


def recolored(content, style):
    ours, theirs = content.flatten(1), style.flatten(1)
    scale = (theirs.std(dim=1) / ours.std(dim=1).clamp(min=1e-3))[:, None]
    moved = (ours - ours.mean(dim=1, keepdim=True)) * scale + theirs.mean(dim=1, keepdim=True)
    return moved.clamp(0, 1).view_as(content)


def stylize(network, content, style):
    strokes = style - gaussian_blur(style, [43, 43], [7.0, 7.0])
    ground = gaussian_blur(recolored(content, style), [25, 25], [4.0, 4.0])
    return (ground + strokes.roll((37, 53), dims=(1, 2))).clamp(0, 1)
