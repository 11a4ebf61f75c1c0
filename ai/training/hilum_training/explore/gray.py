"""Gray values of whole images, and how much they give the class away."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

# Gray levels from either end that count as black and as white: JPEG blurs the flat corners by this much.
ENDS = 8


@dataclass(frozen=True)
class Gray:
    """One value an image, each [n]: mean and contrast (95th less 5th percentile) in gray levels, shares 0 to 1."""

    mean: np.ndarray
    contrast: np.ndarray
    black: np.ndarray
    white: np.ndarray
    histograms: np.ndarray  # [n, 256], each sums to 1


def gray_values(images: np.ndarray) -> Gray:
    """`images` uint8 [n, size, size]"""
    histograms = np.stack([np.bincount(image.ravel(), minlength=256) for image in images]) / images[0].size
    below = histograms.cumsum(1)
    low, high = ((below < share).sum(1) for share in (0.05, 0.95))
    return Gray(
        histograms @ np.arange(256), high - low, histograms[:, :ENDS].sum(1), histograms[:, -ENDS:].sum(1), histograms
    )


def auc(values: np.ndarray, truth: np.ndarray) -> float:
    """Chance that a positive has the larger value (Mann-Whitney), whichever way round it separates: 0.5 to 1."""
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return 0.5
    area = (rankdata(values)[truth].sum() - positive * (positive + 1) / 2) / (positive * negative)
    return float(max(area, 1 - area))
