"""The probability from which an image is called positive, chosen on validation."""

import math
from dataclasses import dataclass

import numpy as np

from .metrics import at_threshold, ones

# How much worse than the best Youden index a threshold counts as equally good: the peak moves with a few images, the
# middle of the plateau around it does not.
PLATEAU = 0.015


@dataclass(frozen=True)
class OperatingPoint:
    threshold: float
    chosen_for: str


def _rates(probability: np.ndarray, truth: np.ndarray, sources: np.ndarray, threshold: float) -> tuple[float, float]:
    """Sensitivity and specificity, each the mean over the sources that have such images."""
    rates = [
        at_threshold(probability[one], truth[one], threshold, ones(int(one.sum())))
        for one in (sources == name for name in np.unique(sources))
    ]
    return tuple(float(np.nanmean([rate[name][0] for rate in rates])) for name in ("sensitivity", "specificity"))


def _on(sources: np.ndarray) -> str:
    names = list(np.unique(sources))
    return "validation" if len(names) == 1 else f"validation, mean of {' and '.join(names)}"


def for_sensitivity(probability: np.ndarray, truth: np.ndarray, sources: np.ndarray, wanted: float) -> OperatingPoint:
    """The highest threshold with at least the wanted sensitivity, half way down to the next lower image."""
    told = np.unique(probability)
    low, high = 0, len(told) - 1  # sensitivity falls as the threshold rises: search by halves
    while low < high:
        middle = (low + high + 1) // 2
        if _rates(probability, truth, sources, told[middle])[0] >= wanted:
            low = middle
        else:
            high = middle - 1
    below = told[low - 1] if low > 0 else 0.0
    threshold = math.floor((told[low] + below) / 2 * 1e4) / 1e4
    return OperatingPoint(threshold, f"sensitivity of at least {wanted:g} on {_on(sources)}")


def for_youden(probability: np.ndarray, truth: np.ndarray, sources: np.ndarray) -> OperatingPoint:
    """The middle of the plateau of sensitivity + specificity."""
    candidates = np.arange(0.02, 0.981, 0.01)
    worth = np.array([sum(_rates(probability, truth, sources, c)) for c in candidates])
    middle = candidates[worth >= worth.max() - PLATEAU].mean()
    return OperatingPoint(round(float(middle), 2), f"the best sensitivity + specificity on {_on(sources)}")
