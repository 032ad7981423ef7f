"""How far an image is from the style of one picture and from the content of another.

    gram_distance(network, image, style)            # as a network sees it, wherever things are
    sliced_wasserstein(image, style)                # as its patches are, no network needed
    content_distance(network, image, content)       # what is where, as a network sees it
    luminance_correlation(image, content)           # light and dark, out of focus
    explained_by_pixels(image, content, style)      # whether it is no more than a change of colours, or a mix

All but the differentiable parts (`gram`, `style_loss`, `content_loss`) judge the 8-bit pixels that a viewer would see.

Sources: Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016
(https://openaccess.thecvf.com/content_cvpr_2016/html/Gatys_Image_Style_Transfer_CVPR_2016_paper.html), for Gram
matrices and content; Rabin, Peyré, Delon and Bernot, "Wasserstein Barycenter and Its Application to Texture Mixing",
2011, for the sliced distance; Karras, Aila, Laine and Lehtinen, "Progressive Growing of GANs", 2018
(https://arxiv.org/abs/1710.10196), for its use on patches of a pyramid.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from netlens_core.images import to_8bit
from netlens_core.networks import Network

SMALLEST = 32  # pixels on each side: below, little is left of the maps

_DEEPEST = 8  # pixels between two values of a map: beyond, maps tell things rather than brush strokes
_LUMA = (0.299, 0.587, 0.114)
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)

# -- which layers ----------------------------------------------------------------------------------------


def style_layers(network: Network) -> list[str]:
    """Layers whose Gram matrices tell style: the first and the last map of each scale, down to one value in 8 pixels.

    Raises ValueError for a network without maps of such scales.
    """
    return [name for names in maps_by_scale(network).values() for name in dict.fromkeys((names[0], names[-1]))]


def content_layer(network: Network) -> str:
    """The layer that tells content: the last map of the scale of one value in 8 pixels.

    Raises ValueError for a network without maps of such scales.
    """
    return list(maps_by_scale(network).values())[-1][-1]


def maps_by_scale(network: Network) -> dict[int, list[str]]:
    """Layers that give finished maps, by their scale: pixels between two values, a power of two up to 8, finest first.

    Within a scale in the order of computation. Raises ValueError for a network without such maps.
    """
    chain = dict(_chain(network.module))
    names = list(chain)
    # A map is finished where the next link convolves or pools: after the ReLU, not before it.
    finished = [
        name
        for name, after in itertools.pairwise(names)
        if not isinstance(chain[name], _POOLS) and _starts_anew(chain[after])
    ]
    sizes = _map_sizes(network, {name: chain[name] for name in finished})
    scales: dict[int, list[str]] = {}
    for name, size in sizes.items():
        scale = 2 ** round(math.log2(network.input_size / size))
        if scale <= _DEEPEST:
            scales.setdefault(scale, []).append(name)
    if not scales:
        raise ValueError(f"{network.name} has no maps of an eighth of the image's size or more: style needs them")
    return dict(sorted(scales.items()))


def _chain(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The links of a network, one after the other: blocks and layers, but no mere sequences of them."""
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential):
            yield from _chain(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def _starts_anew(link: nn.Module) -> bool:
    return isinstance(link, _POOLS) or any(isinstance(part, nn.Conv2d) for part in link.modules())


def _map_sizes(network: Network, links: dict[str, nn.Module]) -> dict[str, int]:
    """Height of what each link gives for an image of the network's own size, in the order of computation."""
    sizes: dict[str, int] = {}

    def note(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and output.shape[-1] > 1:
            sizes[name] = output.shape[-2]

    handles = [
        link.register_forward_hook(lambda _m, _i, output, name=name: note(name, output)) for name, link in links.items()
    ]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, network.input_size, network.input_size, device=network.device))
    finally:
        for handle in handles:
            handle.remove()
    return sizes


# -- as a network sees it --------------------------------------------------------------------------------


def gram(features: Tensor) -> Tensor:
    """How much each two channels answer together, wherever they do: (C, H, W) or (N, C, H, W) to (C, C) or (N, C, C).

    Sums over the map divided by its area, so maps of different sizes compare.
    """
    flat = features.flatten(-2)
    return flat @ flat.transpose(-1, -2) / flat.shape[-1]


def style_loss(found: Iterable[Tensor], wanted: Iterable[Tensor]) -> Tensor:
    """Mean over layers of the squared distance of Gram matrices, each as a share of the wanted one's own power."""
    shares = [(have - want).square().sum() / want.square().sum() for have, want in zip(found, wanted, strict=True)]
    return torch.stack(shares).mean()


def content_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared distance of features of one shape as a share of the wanted ones' variance."""
    return (found - wanted).square().mean() / wanted.var()


@torch.no_grad()
def gram_distance(network: Network, image: Tensor, style: Tensor, layers: Iterable[str] | None = None) -> float:
    """Distance of Gram matrices, as a share of the style's own: 0 for the style itself, also shuffled; near 1 far off.

    Root of `style_loss`, so that halving it is halving what is to be changed.

    Args:
        network: whose features; judge with another one than that which the image was made with.
        image, style: (3, H, W) in [0, 1], of any two sizes from 32 px on.
        layers: by default `style_layers`.

    Raises ValueError for other shapes and unknown layers.
    """
    wanted = list(layers) if layers is not None else style_layers(network)
    found = [network.activations(to_8bit(_checked(picture)), wanted) for picture in (image, style)]
    grams = [[gram(each[name]) for name in wanted] for each in found]
    return math.sqrt(float(style_loss(*grams)))


@torch.no_grad()
def content_distance(network: Network, image: Tensor, content: Tensor, layer: str | None = None) -> float:
    """How far the features have gone from the content's, as a share of their spread: 0 none, about 1.4 for strangers.

    Root of `content_loss`.

    Args:
        network: whose features.
        image, content: (3, H, W) in [0, 1], of one size, at least 32 px.
        layer: by default `content_layer`.

    Raises ValueError for other shapes and unknown layers.
    """
    first, second = _pair(image, content)
    name = layer or content_layer(network)
    return math.sqrt(float(content_loss(network.activations(first, name), network.activations(second, name))))


# -- as patches are --------------------------------------------------------------------------------------


def sliced_wasserstein(
    image: Tensor, style: Tensor, strokes_only: bool = False, patch: int = 5, directions: int = 64
) -> float:
    """Distance of the two pictures' distributions of patches, over three scales: 0 for equal, in units of [0, 1].

    Along many directions the patches of both are sorted and compared, rank by rank; a colour shift of d costs about d.

    Args:
        image, style: (3, H, W) in [0, 1], of any two sizes from 32 px on.
        strokes_only: take each neighbourhood's mean colour away first, so that the palette does not count.
        patch: side of a patch in pixels.
        directions: how many, the same ones each time.

    Raises ValueError for other shapes.
    """
    first, second = (to_8bit(_checked(picture))[None] for picture in (image, style))
    if strokes_only:
        first, second = (picture - _blurred(picture, 4) for picture in (first, second))
    axes = torch.randn(directions, 3 * patch * patch, generator=torch.Generator().manual_seed(0))
    axes = (axes / axes.norm(dim=1, keepdim=True)).to(first.device)
    distances = []
    for scale in (1, 2, 4):
        small = [functional.avg_pool2d(picture, scale) for picture in (first, second)]
        ranked = [_quantiles(axes @ functional.unfold(picture, patch)[0]) for picture in small]
        distances.append((ranked[0] - ranked[1].to(ranked[0])).square().mean().sqrt())
    return float(torch.stack(distances).mean())


def _quantiles(values: Tensor, count: int = 2048) -> Tensor:
    """Values (K, N) sorted along N, and of those as many as are asked for, evenly: (K, count)."""
    places = torch.linspace(0, values.shape[1] - 1, count, device=values.device).round().long()
    return values.sort(dim=1).values[:, places]


# -- as a formula for single pixels sees it ---------------------------------------------------------------


def explained_by_pixels(image: Tensor, content: Tensor, style: Tensor) -> float:
    """Share in [0, 1] of the image's variance that the colours of content and style at the same pixel account for.

    By the best cubic polynomial of the content's colour plus a linear one of the style's: near 1 for changes of
    colour and mixes, whatever they do to a network's features; 0.8 to 0.9 for what is cut out and pasted.

    Args:
        image, content, style: (3, H, W) in [0, 1], of one size, at least 32 px.

    A constant image is explained: 1. Raises ValueError for other shapes.
    """
    first, second = _pair(image, content)
    third = _pair(image, style)[1]
    wanted, (red, green, blue) = first.flatten(1).double().T, second.flatten(1).double()
    squares = [red * red, green * green, blue * blue, red * green, red * blue, green * blue]
    terms = [torch.ones_like(red), red, green, blue, *squares, red**3, green**3, blue**3]
    known = torch.stack([*terms, *third.flatten(1).double()], dim=1)
    # Terms may depend on each other (a grey picture), so by eigenvectors rather than by lstsq, which needs full rank.
    products = known.T @ known
    missed = wanted - known @ (torch.linalg.pinv(products, hermitian=True) @ (known.T @ wanted))
    spread = float((wanted - wanted.mean(dim=0)).square().sum())
    return max(0.0, 1 - float(missed.square().sum()) / spread) if spread > 1e-9 else 1.0


# -- as the eye sees it ----------------------------------------------------------------------------------


def luminance_correlation(image: Tensor, content: Tensor, sigma: float = 3) -> float:
    """Correlation of light and dark after a Gaussian blur, in [-1, 1]: what is left of a picture with eyes half shut.

    Args:
        image, content: (3, H, W) in [0, 1], of one size, at least 32 px.
        sigma: of the blur, in pixels.

    Raises ValueError for other shapes.
    """
    first, second = _pair(image, content)
    return _correlation(_blurred(_luma(first), sigma), _blurred(_luma(second), sigma))


def edge_correlation(image: Tensor, content: Tensor, sigma: float = 4) -> float:
    """Correlation of how steep light and dark change, in [-1, 1]: whether outlines lie where they lay.

    Args:
        image, content: (3, H, W) in [0, 1], of one size, at least 32 px.
        sigma: of the blur before, in pixels: what is finer than that is brush stroke.

    Raises ValueError for other shapes.
    """
    first, second = _pair(image, content)
    return _correlation(_steepness(first, sigma), _steepness(second, sigma))


def _luma(image: Tensor) -> Tensor:
    """Luminance (1, 1, H, W) of an image (3, H, W), by the weights of ITU-R BT.601."""
    return (image * image.new_tensor(_LUMA).view(3, 1, 1)).sum(dim=0)[None, None]


def _steepness(image: Tensor, sigma: float) -> Tensor:
    light = _blurred(_luma(image), sigma)
    across, down = light[..., 1:-1, 2:] - light[..., 1:-1, :-2], light[..., 2:, 1:-1] - light[..., :-2, 1:-1]
    return torch.hypot(across, down)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    from torchvision.transforms.functional import gaussian_blur

    blurred: Tensor = gaussian_blur(images, [2 * round(3 * sigma) + 1] * 2, [sigma, sigma])
    return blurred


def _correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's, 0 where one of them is constant."""
    first, second = (values.flatten().double() - values.double().mean() for values in (a, b))
    lengths = first.norm() * second.norm()
    return float(first @ second / lengths) if lengths > 1e-9 else 0.0


def _checked(image: Tensor) -> Tensor:
    if image.dim() != 3 or image.shape[0] != 3 or min(image.shape[1:]) < SMALLEST:
        raise ValueError(f"expected an image (3, H, W) of at least {SMALLEST} px a side, not {tuple(image.shape)}")
    return image


def _pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if _checked(a).shape != _checked(b).shape:
        raise ValueError(f"expected two images (3, H, W) of one size, not {tuple(a.shape)} and {tuple(b.shape)}")
    return to_8bit(a), to_8bit(b)
