"""How two images differ: the difference made visible, and what of it comes from a third image."""

from __future__ import annotations

from torch import Tensor


def amplified_difference(image: Tensor, original: Tensor, gain: float = 20) -> Tensor:
    """The difference image - original, `gain` times as strong around mid-grey: float32 (3, H, W) in [0, 1].

    Grey (0.5) is where nothing changed; at a gain of 20 a change of 6 levels of 255 is black or white.
    Raises ValueError for images of different shapes.
    """
    _same_shape(image, original)
    return (0.5 + gain * (image - original)).clamp(0, 1)


def added_correlation(image: Tensor, original: Tensor, added: Tensor) -> float:
    """How far an image is "original plus added": a correlation in [-1, 1], 1 for every weighted sum of the two.

    Partial correlation (Pearson): of image and added, once the part of each that is linear in the original is taken
    out. So it does not matter whether the original was dimmed in the mixing. 0 where nothing remains of either.
    Raises ValueError for images of different shapes.
    """
    _same_shape(image, original)
    _same_shape(added, original)
    first, second = _without(image, original), _without(added, original)
    scale = float(first.norm() * second.norm())
    # Of images that differ by rounding alone nothing remains; 1e-6 of full scale a pixel is far below one 8-bit level.
    if min(float(first.norm()), float(second.norm())) < 1e-6 * original.numel() ** 0.5:
        return 0.0
    return float(first @ second) / scale


def _without(image: Tensor, original: Tensor) -> Tensor:
    """Least-squares residual of the image's values on the original's values and a constant; float64, flat."""
    values, base = image.double().flatten(), original.double().flatten()
    values, base = values - values.mean(), base - base.mean()
    power = base @ base
    return values - (values @ base) / power * base if power > 0 else values


def _same_shape(image: Tensor, original: Tensor) -> None:
    if image.shape != original.shape:
        raise ValueError(f"images of shapes {tuple(image.shape)} and {tuple(original.shape)} cannot be compared")
