"""Whether a network's probabilities can be believed: of the images it is 80% sure of, is it right about 80%?"""

from __future__ import annotations

import torch
from torch import Tensor


def expected_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """By how much confidence and accuracy differ, on average over images: 0 for a calibrated network, at most 1.

    Args:
        probabilities: (N, categories), each row summing to 1. labels: whole numbers (N,).
        bins: of equal width, over the probability of the likeliest category.

    The images are binned by confidence; each bin's gap between mean confidence and accuracy weighs by its images.
    Raises ValueError for other shapes. Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities
    Using Bayesian Binning, AAAI 2015.
    """
    if probabilities.dim() != 2 or not len(probabilities) or labels.shape != probabilities.shape[:1] or bins < 1:
        raise ValueError(
            f"expected probabilities (N, K) and N labels, not {tuple(probabilities.shape)} and {tuple(labels.shape)}"
        )
    confidence, best = probabilities.double().max(dim=1)
    right = (best == labels).double()
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64, device=place.device).index_add_(0, place, confidence - right)
    return float(gaps.abs().sum() / len(labels))
