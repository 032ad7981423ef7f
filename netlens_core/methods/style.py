"""One picture painted in the manner of another: neural style transfer.

    image = stylize(network, content, style)                       # both (3, H, W) in [0, 1]
    image = stylize(network, content, style, keep=Keep.COLORS)     # the strokes, but not the palette

What is where is what a layer answers to the content; style is which channels answer together, wherever they do: a Gram
matrix a layer. Pixels descend the sum of both distances, first on a small picture, where strokes and patches of
colour find their places cheaply, then on larger ones.

Sources: Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016
(https://openaccess.thecvf.com/content_cvpr_2016/html/Gatys_Image_Style_Transfer_CVPR_2016_paper.html); Gatys, Bethge,
Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer", 2016 (https://arxiv.org/abs/1606.05897),
for `keep`; Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling Perceptual Factors in Neural Style Transfer",
2017 (https://arxiv.org/abs/1611.07865), for the scales; Pitié and Kokaram, "The Linear Monge-Kantorovitch Linear
Colour Mapping for Example-Based Colour Transfer", 2007, for `match_colors`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

import torch
from torch import Tensor

from netlens_core.images import resize, to_8bit
from netlens_core.measures.style import content_layer, content_loss, gram, style_layers, style_loss
from netlens_core.methods.progress import steps
from netlens_core.networks import Network

SMALLEST = 32  # pixels on each side
_COARSEST = 96  # pixels: the shorter side of the smallest scale, at least
_STRIDE = 10  # iterations between two looks at Ctrl-C


class Optimizer(StrEnum):
    """How pixels descend: with curvature (few iterations, smooth) or without."""

    LBFGS = "lbfgs"
    ADAM = "adam"


class Keep(StrEnum):
    """What of the content's colours is kept: nothing, their distribution, or each pixel's hue."""

    NOTHING = "nothing"
    COLORS = "colors"
    HUES = "hues"


def stylize(
    network: Network,
    content: Tensor,
    style: Tensor,
    style_weight: float = 100,
    keep: Keep = Keep.NOTHING,
    optimizer: Optimizer = Optimizer.LBFGS,
    iterations: int = 100,
) -> Tensor:
    """The content in the manner of the style: (3, H, W) in [0, 1], of the content's size.

    Args:
        content, style: images (3, H, W) in [0, 1] of any two sizes, at least 32 px on each side.
        style_weight: of the style's distance against the content's.
        keep: of the content's colours.
        iterations: at each scale, in tens.

    Nothing is drawn at random. Ctrl-C ends the work early and keeps the best so far. Raises ValueError for other images
    and for networks without maps of an eighth of the image's size or more.
    """
    content, style = (_checked(picture).to(network.device) for picture in (content, style))
    if not (0 <= style_weight < math.inf and iterations >= 1):
        raise ValueError(f"style_weight is at least 0, iterations at least 1, not {style_weight} and {iterations}")
    if keep is Keep.HUES:
        light = stylize(network, _grey(content), _grey(style), style_weight, Keep.COLORS, optimizer, iterations)
        return to_8bit((content + _grey(light) - _grey(content)).clamp(0, 1))
    if keep is Keep.COLORS:
        style = match_colors(style, content)
    start = match_colors(content, style)
    sizes, each = _scales(start), math.ceil(iterations / _STRIDE)
    painting = _Painting(network, style_weight, optimizer, start)
    for tick in steps(len(sizes) * each, "painting"):
        if tick % each == 0:
            size = sizes[tick // each]
            painting.begin(resize(start, size), as_large(style, size))
        painting.go_on()
    return to_8bit(resize(painting.best, sizes[-1]))


class _Painting:
    """A painting under way: the best so far, and what it is measured by."""

    def __init__(self, network: Network, style_weight: float, optimizer: Optimizer, start: Tensor) -> None:
        self.network = network.folded()
        self.of_style, self.of_content = style_layers(network), content_layer(network)
        self.style_weight, self.optimizer = style_weight, optimizer
        self.best = start

    def begin(self, content: Tensor, style: Tensor) -> None:
        """Go on from the best so far at the size of the content; both (3, H, W)."""
        with torch.no_grad():
            self.grams = [gram(found) for found in self.look(style)[0]]
            self.features = self.look(content)[1]
        self.best, self.least = resize(self.best, (content.shape[1], content.shape[2])), math.inf
        self.image = self.best.clone().requires_grad_(True)
        self.step = _optimizer(self.optimizer, self.image)

    def go_on(self) -> None:
        """Ten iterations."""
        self.step(self.loss)

    def loss(self) -> Tensor:
        """What is to be small; leaves its gradient with the image, and the image where it is the best so far."""
        of_style, of_content = self.look(self.image)
        loss = self.style_weight * style_loss([gram(found) for found in of_style], self.grams)
        loss = loss + content_loss(of_content, self.features) + _unlike_a_picture(self.image)
        (gradient,) = torch.autograd.grad(loss, self.image)
        self.image.grad = gradient.contiguous()
        if loss < self.least:
            self.best, self.least = self.image.detach().clamp(0, 1), float(loss.detach())
        return loss.detach()

    def look(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """What the layers of style and that of content answer to an image (3, H, W)."""
        found = self.network.activations(image, {*self.of_style, self.of_content})
        return [found[name] for name in self.of_style], found[self.of_content]


def _unlike_a_picture(image: Tensor) -> Tensor:
    """How far values leave [0, 1], and a little of how much neighbours differ: a network does not mind a fine grid."""
    outside = (image - image.clamp(0, 1)).square().mean()
    rough = image.diff(dim=1).square().mean() + image.diff(dim=2).square().mean()
    return 100 * outside + 0.1 * rough


def _optimizer(kind: Optimizer, image: Tensor) -> Callable[[Callable[[], Tensor]], None]:
    """Ten iterations of an optimiser on the image, given a function that leaves the gradient and returns the loss."""
    if kind is Optimizer.LBFGS:
        lbfgs = torch.optim.LBFGS(
            [image],
            max_iter=_STRIDE,
            history_size=20,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )
        return lambda loss: lbfgs.step(loss)
    adam = torch.optim.Adam([image], lr=0.03)
    falling = torch.optim.lr_scheduler.ExponentialLR(adam, 0.8)

    def step(loss: Callable[[], Tensor]) -> None:
        for _ in range(_STRIDE):
            adam.step(loss)
        falling.step()

    return step


def _scales(image: Tensor) -> list[tuple[int, int]]:
    """Heights and widths to paint at: the image's own, its half, its quarter …, the smallest first."""
    height, width = image.shape[1:]
    halvings = max(0, int(math.log2(min(height, width) / _COARSEST)))
    return [(round(height / 2**k), round(width / 2**k)) for k in range(halvings, -1, -1)]


def as_large(style: Tensor, size: tuple[int, int]) -> Tensor:
    """The style (3, H, W) with its shorter side as long as that of a picture of some height and width."""
    height, width = style.shape[1:]
    factor = min(size) / min(height, width)
    return resize(style, (round(height * factor), round(width * factor)))


# -- colours ---------------------------------------------------------------------------------------------


def match_colors(image: Tensor, like: Tensor) -> Tensor:
    """The image in the colours of another: (3, H, W) in [0, 1], mean and covariance those of `like` before clamping.

    Of all linear maps that do so, the one that moves colours least (Monge-Kantorovich).
    """
    ours, theirs = (picture.flatten(1).double() for picture in (image, like))
    slack = 1e-5 * torch.eye(3, dtype=torch.float64, device=image.device)
    a, b = torch.cov(ours) + slack, torch.cov(theirs) + slack
    root = _power(a, 0.5)
    inverse = _power(a, -0.5)
    change = inverse @ _power(root @ b @ root, 0.5) @ inverse
    moved = change @ (ours - ours.mean(dim=1, keepdim=True)) + theirs.mean(dim=1, keepdim=True)
    return moved.view_as(image).to(image.dtype).clamp(0, 1)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=1e-12) ** exponent) @ vectors.T


def _grey(image: Tensor) -> Tensor:
    """Luminance (ITU-R BT.601) in all three channels."""
    weights = image.new_tensor((0.299, 0.587, 0.114)).view(3, 1, 1)
    return (image * weights).sum(dim=0, keepdim=True).expand(3, -1, -1)


def _checked(image: Tensor) -> Tensor:
    if image.dim() != 3 or image.shape[0] != 3 or min(image.shape[1:]) < SMALLEST:
        raise ValueError(f"expected an image (3, H, W) of at least {SMALLEST} px a side, not {tuple(image.shape)}")
    return image.detach().float()
