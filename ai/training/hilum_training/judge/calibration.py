"""From logits to probabilities that mean what they say (Platt 1999; vector scaling, Guo 2017, arXiv 1706.04599)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

# The manifest wants a positive scale. A network that answers at random would be given 0 or less.
LEAST_SCALE, MOST_SCALE = 1e-2, 1e2


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


@dataclass(frozen=True)
class Calibration:
    """`platt`: one logit, probability = sigmoid(scale * logit + offset). `vector`: softmax(scale * logits + offset),
    one scale and offset for each label; the image's probability is the sum over the labels that are `positive`."""

    method: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    positive: tuple[bool, ...]

    def classes(self, logits: np.ndarray) -> np.ndarray:
        """Logits [n, C] -> probabilities [n, C] of each label, or [n, 1] of the only one."""
        scaled = logits * np.array(self.scale) + np.array(self.offset)
        return sigmoid(scaled) if self.method == "platt" else softmax(scaled)

    def probability(self, logits: np.ndarray) -> np.ndarray:
        """Logits [n, C] -> probability [n] of the finding."""
        return self.classes(logits)[:, np.array(self.positive)].sum(1)


def none(positive: tuple[bool, ...]) -> Calibration:
    """The network's own probabilities."""
    ones, zeros = tuple(1.0 for _ in positive), tuple(0.0 for _ in positive)
    return Calibration("platt" if len(positive) == 1 else "vector", ones, zeros, positive)


def source_weights(sources: list[str]) -> np.ndarray:
    """Each source counts the same, however many images it has: mean 1, [n]."""
    names, place, counts = np.unique(sources, return_inverse=True, return_counts=True)
    return len(sources) / (len(names) * counts[place])


def fit(logits: np.ndarray, truth: np.ndarray, positive: tuple[bool, ...], weights: np.ndarray) -> Calibration:
    """`truth` [n]: 0 or 1 for one logit, else the number of the label. Targets stand off 0 and 1 by Platt's prior, so
    that a set told apart without fault does not ask for an endless scale. `weights` [n] as of `source_weights`."""
    labels = max(2, len(positive))
    target = np.full((len(truth), labels), 1.0) / (len(truth) + labels)
    target[np.arange(len(truth)), truth.astype(int)] += 1 - target.sum(1)
    k = len(positive)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, offset = parameters[:k], parameters[k:]
        scaled = logits * scale + offset
        if k == 1:
            scaled = np.concatenate([np.zeros_like(scaled), scaled], 1)
        told = softmax(scaled)
        gap = (weights[:, None] * (told - target))[:, -k:] / weights.sum()
        value = -(weights[:, None] * target * np.log(np.maximum(told, 1e-12))).sum() / weights.sum()
        return value, np.concatenate([(gap * logits).sum(0), gap.sum(0)])

    start = np.concatenate([np.ones(k), np.zeros(k)])
    bounds = [(LEAST_SCALE, MOST_SCALE)] * k + [(None, None)] * k
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    if k > 1:
        found[k:] -= found[k:].mean()  # a softmax does not mind what is added to all
    scale, offset = (tuple(round(float(v), 4) for v in part) for part in (found[:k], found[k:]))
    return Calibration("platt" if k == 1 else "vector", scale, offset, positive)
