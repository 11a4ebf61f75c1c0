"""Figures of an image's answer. Each takes weights [d, n], how often each image counts in each of d resamples, and
gives [d]: with one row of ones it is the plain figure, with the rows of bootstrap.py it is its distribution.

A figure that its images do not determine (no positive, nothing called positive) is NaN.
"""

import numpy as np

Array = np.ndarray


def ones(n: int) -> Array:
    """The weights of the plain figure, [1, n]."""
    return np.ones((1, n))


def _share(part: Array, whole: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _by_distinct_score(scores: Array, truth: Array, weights: Array) -> tuple[Array, Array]:
    """Weight of positives and of negatives at each distinct score, lowest first: two of [d, groups]."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    positive = np.add.reduceat(weights[:, order] * truth[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * (1 - truth[order]), starts, axis=1)
    return positive, negative


def auc(scores: Array, truth: Array, weights: Array) -> Array:
    """Area under the ROC curve: the share of pairs (positive, negative) in the right order, ties a half."""
    positive, negative = _by_distinct_score(scores, truth, weights)
    below = np.cumsum(negative, 1) - negative
    return _share((positive * (below + negative / 2)).sum(1), positive.sum(1) * negative.sum(1))


def average_precision(scores: Array, truth: Array, weights: Array) -> Array:
    """Precision at every threshold, weighted by the recall it adds (no interpolation)."""
    positive, negative = (part[:, ::-1] for part in _by_distinct_score(scores, truth, weights))
    right, told = np.cumsum(positive, 1), np.cumsum(positive + negative, 1)
    precision = np.nan_to_num(_share(right, told))
    return _share((precision * positive).sum(1), positive.sum(1))


def at_threshold(probability: Array, truth: Array, threshold: float, weights: Array) -> dict[str, Array]:
    """Accuracy, sensitivity, specificity, precision and F1 where positive means `probability` >= `threshold`."""
    told = (probability >= threshold).astype(float)
    tp, fp = weights @ (told * truth), weights @ (told * (1 - truth))
    fn, tn = weights @ ((1 - told) * truth), weights @ ((1 - told) * (1 - truth))
    return {
        "accuracy": _share(tp + tn, tp + tn + fp + fn),
        "sensitivity": _share(tp, tp + fn),
        "specificity": _share(tn, tn + fp),
        "precision": _share(tp, tp + fp),
        "f1": _share(2 * tp, 2 * tp + fp + fn),
    }


def sensitivity(probability: Array, truth: Array, threshold: float) -> float:
    return float(at_threshold(probability, truth, threshold, ones(len(truth)))["sensitivity"][0])


def calibration_error(probability: Array, truth: Array, weights: Array, bins: int = 10) -> Array:
    """Expected calibration error over `bins` equal steps of probability (Guo 2017, arXiv 1706.04599)."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    member = (place[:, None] == np.arange(bins)).astype(float)
    return _share(np.abs(weights @ (member * (probability - truth)[:, None])).sum(1), weights.sum(1))


def share_right(told: Array, truth: Array, weights: Array) -> Array:
    """Accuracy over several classes: `told` and `truth` hold class numbers."""
    return _share(weights @ (told == truth).astype(float), weights.sum(1))


def confusion(told: Array, truth: Array, classes: int) -> Array:
    """Counts [truth, told], int."""
    return np.bincount(truth * classes + told, minlength=classes * classes).reshape(classes, classes)


def roc_points(scores: Array, truth: Array) -> tuple[Array, Array]:
    """False positive rate and sensitivity, from the strictest threshold to the mildest, with (0, 0)."""
    positive, negative = (part[0, ::-1] for part in _by_distinct_score(scores, truth, ones(len(truth))))
    return tuple(np.concatenate([[0], np.cumsum(part) / max(1, part.sum())]) for part in (negative, positive))


def precision_recall_points(scores: Array, truth: Array) -> tuple[Array, Array]:
    """Recall and precision, from the strictest threshold to the mildest."""
    positive, negative = (part[0, ::-1] for part in _by_distinct_score(scores, truth, ones(len(truth))))
    right = np.cumsum(positive)
    return right / max(1, positive.sum()), right / np.cumsum(positive + negative)
