"""How good a generator is: are its images true, are they varied, are they new?

    network = lite_features(training)
    quality = measure(generated, training, held_out, network)     # images (N, C, H, W)
    quality.frechet, quality.precision, quality.coverage, quality.novelty

The first four measures compare two clouds of features (N, D), real and generated, in a small trusted network (see
`feature_network`); those of what is new compare pixels, because a copied image is invisible to the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from netlens_core.measures.feature_network import FeatureNetwork
from netlens_core.progress import activity

NEIGHBOURS = 5  # as Naeem et al. recommend
COPY = 0.25  # of the usual distance between an honest image and its nearest training image: below, it is a copy


@dataclass(frozen=True)
class Neighbourhoods:
    """How two clouds of features overlap, told by balls that reach to each point's k-th nearest neighbour.

    Attributes:
        precision: share of generated points inside some ball around a real point, in [0, 1].
        recall: share of real points inside some ball around a generated point, in [0, 1].
        density: how many balls around real points hold a generated point, over k; 1 where the clouds are alike.
        coverage: share of balls around real points that hold a generated point at all, in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class Quality:
    """What `measure` says of generated images.

    Attributes:
        frechet: Fréchet distance to held-out images as a share of their variance; 0 is best.
        precision, recall, density, coverage: see `Neighbourhoods`, against held-out images.
        novelty: see `novelty`; 0 for copies, about 1 for new images.
        copies: share of generated images nearer to a training image than a quarter of what is usual.
        modes: see `modes_evenness`; None where the feature network knows no classes.
        confidence: mean probability of the likeliest class; None likewise.
    """

    frechet: float
    precision: float
    recall: float
    density: float
    coverage: float
    novelty: float
    copies: float
    modes: float | None
    confidence: float | None


@activity("measuring the drawings")
def measure(generated: Tensor, training: Tensor, held_out: Tensor, network: FeatureNetwork) -> Quality:
    """Measure generated images against those trained on and those held out, all (N, C, H, W) in [0, 1] of one size.

    The neighbourhoods compare equally many of each, since precision and coverage depend on the numbers. Raises
    ValueError for shapes that differ and for sets of 5 images or fewer.
    """
    for images in (training, held_out):
        if images.dim() != 4 or images.shape[1:] != generated.shape[1:]:
            raise ValueError(f"the images differ in shape: {tuple(generated.shape)} and {tuple(images.shape)}")
    real, fake = network.features(held_out), network.features(generated)
    count = min(len(real), len(fake))
    near = neighbourhoods(fake[:count], real[:count])
    usual = nearest_distances(held_out, training).median()
    distances = nearest_distances(generated, training)
    probabilities = network.probabilities(generated)
    return Quality(
        frechet=relative_frechet_distance(fake, real),
        precision=near.precision,
        recall=near.recall,
        density=near.density,
        coverage=near.coverage,
        novelty=float(distances.median() / usual),
        copies=float((distances < COPY * usual).float().mean()),
        modes=None if probabilities is None else modes_evenness(probabilities),
        confidence=None if probabilities is None else float(probabilities.max(dim=1).values.mean()),
    )


# -- true and varied -------------------------------------------------------------------------------------


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians with the features' means and covariances; at least 0.

    Args:
        a, b: features (N, D) and (M, D), at least two rows each; in the units of the features, squared.

    With the features of Inception-v3 this is the FID. Raises ValueError for other shapes. Source: Heusel, Ramsauer,
    Unterthiner, Nessler and Hochreiter, GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium, 2017 (https://arxiv.org/abs/1706.08500).
    """
    a, b = _clouds(a, b, least=2)
    first, second = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T).reshape(a.shape[1], -1)
    # The trace of sqrt(first @ second) is that of sqrt(root @ second @ root), which is symmetric: no complex roots.
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + first.trace() + second.trace() - 2 * cross
    return max(0.0, float(distance))


def relative_frechet_distance(generated: Tensor, real: Tensor) -> float:
    """The Fréchet distance as a share of the real features' variance, so that it compares across feature networks.

    1 is about what one image, repeated, would get. Raises ValueError as `frechet_distance`, and for real features that
    do not vary.
    """
    variance = float(real.double().var(dim=0).sum())
    if not variance > 0:
        raise ValueError("the real images' features do not vary: more different images are needed")
    return frechet_distance(generated, real) / variance


def neighbourhoods(generated: Tensor, real: Tensor, k: int = NEIGHBOURS) -> Neighbourhoods:
    """Precision, recall, density and coverage of generated features (N, D) against real ones (M, D).

    Args:
        k: neighbours that a ball reaches to, the point itself not counted; both sets need more points than that.

    Identical sets get 1 everywhere (density about 1), sets far apart 0. Raises ValueError for other shapes. Sources:
    Kynkäänniemi, Karras, Laine, Lehtinen and Aila, Improved Precision and Recall Metric for Assessing Generative
    Models, 2019 (https://arxiv.org/abs/1904.06991); Naeem, Oh, Uh, Choi and Yoo, Reliable Fidelity and Diversity
    Metrics for Generative Models, 2020 (https://arxiv.org/abs/2002.09797).
    """
    generated, real = _clouds(generated, real, least=k + 1)
    around_real, around_generated = _radii(real, k)[:, None], _radii(generated, k)[None]
    distances = _distances(real, generated)
    inside = distances <= around_real
    return Neighbourhoods(
        precision=float(inside.any(0).float().mean()),
        recall=float((distances <= around_generated).any(1).float().mean()),
        density=float(inside.double().sum(0).mean() / k),
        coverage=float(inside.any(1).float().mean()),
    )


def modes_evenness(probabilities: Tensor) -> float:
    """How evenly generated images spread over the classes: from 1 / classes (one alone) to 1 (all alike).

    It is the exponential of the entropy of the likeliest classes' histogram (the effective number of classes; Hill,
    1973) over the number of classes.

    Args:
        probabilities: (N, classes), one row an image. Raises ValueError for other shapes.
    """
    if probabilities.dim() != 2 or not probabilities.numel():
        raise ValueError(f"expected probabilities (N, classes), not {tuple(probabilities.shape)}")
    classes = probabilities.shape[1]
    shares = torch.bincount(probabilities.argmax(1), minlength=classes).double() / len(probabilities)
    return float(torch.special.entr(shares).sum().exp() / classes)


# -- new -------------------------------------------------------------------------------------------------


def novelty(generated: Tensor, training: Tensor, held_out: Tensor, shift: int = 1) -> float:
    """How far generated images are from the training images, where held-out images are at 1 and copies at 0.

    It is the ratio of two medians of `nearest_distances`, both to the training images. Noise exceeds 1.
    """
    usual = nearest_distances(held_out, training, shift).median()
    return float(nearest_distances(generated, training, shift).median() / usual)


def nearest_distances(images: Tensor, references: Tensor, shift: int = 1) -> Tensor:
    """Distance (N,) of each image (N, C, H, W) to the nearest reference (M, C, H, W), in L2 over all pixels.

    Args:
        shift: pixels by which the references are also shifted each way (edges repeated), because a copy moved by one
            pixel is a copy to the eye but far away in L2.

    Raises ValueError for shapes that differ.
    """
    return _shifted_distances(images, references, shift).min(1).values


def relative_nearest_distance(images: Tensor, references: Tensor, others: int = 9, shift: int = 1) -> float:
    """Median over images of the distance to the nearest reference, over the mean of those to the `others` next ones.

    An image that was made from one reference is much nearer to it than to the next ones, noise or not; a new one is
    about as near to several. Compare with what held-out images get. Raises ValueError as `nearest_distances`, and for
    too few references. Source: Carlini et al., Extracting Training Data from Diffusion Models, 2023
    (https://arxiv.org/abs/2301.13188).
    """
    if len(references) <= others:
        raise ValueError(f"{len(references)} images are too few: more than {others} are needed")
    nearest = _shifted_distances(images, references, shift).topk(others + 1, dim=1, largest=False).values
    return float((nearest[:, 0] / nearest[:, 1:].mean(1).clamp(min=1e-12)).median())


def nearest_blend_distances(images: Tensor, references: Tensor, among: int = 12) -> Tensor:
    """Distance (N,) of each image to the nearest blend of two of its `among` nearest references, in L2 over all pixels.

    A reference itself counts as a blend, so copies are at 0, and so is whatever lies between two similar images. Raises
    ValueError for shapes that differ, and for too few references.
    """
    if images.dim() != 4 or images.shape[1:] != references.shape[1:]:
        raise ValueError(f"the images differ in shape: {tuple(images.shape)} and {tuple(references.shape)}")
    if not 2 <= among <= len(references):
        raise ValueError(f"{len(references)} images are too few: at least {max(2, among)} are needed")
    points, others = images.flatten(1), references.flatten(1)
    near = others[_distances(points, others).topk(among, dim=1, largest=False).indices]
    first, second = torch.triu_indices(among, among, 1, device=images.device)
    start, way = near[:, first], near[:, second] - near[:, first]
    offset = points[:, None] - start
    share = ((offset * way).sum(2) / way.square().sum(2).clamp(min=1e-12)).clamp(0, 1)
    return (offset - share[..., None] * way).norm(dim=2).min(1).values


def fine_structure(images: Tensor, held_out: Tensor, training: Tensor, directions: int = 30) -> float:
    """Energy of what the training images' first principal components leave out, relative to that of held-out images.

    Noise spreads over all directions, digits do not: 1 for honest images, below for smooth ones, above for noisy ones.
    Raises ValueError for shapes that differ, and where no direction is left.
    """
    if not images.shape[1:] == held_out.shape[1:] == training.shape[1:]:
        raise ValueError(f"the images differ in shape: {tuple(images.shape)} and {tuple(training.shape)}")
    points = training.flatten(1).double()
    if directions >= points.shape[1]:
        raise ValueError(f"images of {points.shape[1]} values have no direction beyond the first {directions}")
    left_out = torch.linalg.eigh(torch.cov(points.T)).eigenvectors[:, :-directions]
    energies = [((some.flatten(1).double() - points.mean(0)) @ left_out).square().mean() for some in (images, held_out)]
    return float(energies[0] / energies[1].clamp(min=1e-12))


def _shifted_distances(images: Tensor, references: Tensor, shift: int) -> Tensor:
    """Distances (N, M), each the least over all shifts of the reference."""
    if images.dim() != 4 or images.shape[1:] != references.shape[1:] or not len(references):
        raise ValueError(f"the images differ in shape: {tuple(images.shape)} and {tuple(references.shape)}")
    height, width = references.shape[-2:]
    wide = functional.pad(references, (shift,) * 4, mode="replicate") if shift else references
    points = images.flatten(1)
    least = torch.full((len(images), len(references)), torch.inf, device=images.device)
    for top in range(2 * shift + 1):
        for left in range(2 * shift + 1):
            shifted = wide[..., top : top + height, left : left + width].flatten(1)
            least = torch.minimum(least, torch.cdist(points, shifted))
    return least


# -- help ------------------------------------------------------------------------------------------------


def _clouds(a: Tensor, b: Tensor, least: int) -> tuple[Tensor, Tensor]:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"expected features (N, D) and (M, D), not {tuple(a.shape)} and {tuple(b.shape)}")
    if min(len(a), len(b)) < least:
        raise ValueError(f"{min(len(a), len(b))} images are too few: at least {least} are needed")
    return a.detach().double(), b.detach().double()


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # Exact differences: by matrix products, equal points come out slightly apart, and equal sets no longer cover.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(points: Tensor, k: int) -> Tensor:
    """Distance (N,) of each point to its k-th nearest neighbour, itself not counted."""
    return _distances(points, points).kthvalue(k + 1, dim=1).values
