"""Boxes against the truth: average precision, the RSNA competition's figure, FROC, hit rates.

A box is x1, y1, x2, y2 in pixels of the frame that the network sees; IoU does not mind that the frame is stretched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# RSNA Pneumonia Detection Challenge 2018.
RSNA_IOUS = np.arange(0.40, 0.7501, 0.05)


@dataclass
class Found:
    """The boxes on one image, best first: [k, 4] and their scores [k]; and the true ones [m, 4]."""

    boxes: np.ndarray
    scores: np.ndarray
    truth: np.ndarray


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [k, 4] and [m, 4] -> [k, m]."""
    inner = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = inner.clip(0).prod(2)
    areas = (a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None]
    return shared / np.maximum(areas - shared, 1e-6)


def suppress(boxes: np.ndarray, scores: np.ndarray, most_iou: float) -> np.ndarray:
    """Indices kept by greedy non-maximum suppression, best first: what the gateway does with the model's boxes."""
    overlap, kept = iou(boxes, boxes), []
    for i in np.argsort(-scores, kind="stable"):
        if all(overlap[i, j] <= most_iou for j in kept):
            kept.append(i)
    return np.array(kept, int)


def matches(found: Found, least_iou: float = 0.5) -> np.ndarray:
    """Which boxes hit a true box that no better-scored one has hit: bool [k]."""
    hit, taken = np.zeros(len(found.boxes), bool), set()
    if len(found.truth) == 0:
        return hit
    overlap = iou(found.boxes, found.truth)
    for i in range(len(found.boxes)):
        free = [j for j in range(len(found.truth)) if j not in taken and overlap[i, j] >= least_iou]
        if free:
            taken.add(max(free, key=lambda j: overlap[i, j]))
            hit[i] = True
    return hit


class Curve:
    """All boxes of a set in one list, best score first; figures for weights [d, images] as in metrics.py."""

    def __init__(self, found: Sequence[Found], least_iou: float) -> None:
        scores = np.concatenate([f.scores for f in found])
        order = np.argsort(-scores, kind="stable")
        self.scores = scores[order]
        self.hits = np.concatenate([matches(f, least_iou) for f in found])[order]
        self.image = np.repeat(np.arange(len(found)), [len(f.scores) for f in found])[order]
        self.truths = np.array([len(f.truth) for f in found], float)

    def _cumulated(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True and false boxes so far, each [d, boxes], and the number of true regions [d, 1]."""
        each = weights.astype(np.float32)[:, self.image]  # whole numbers: exact, and half the memory to move
        return np.cumsum(each * self.hits, 1), np.cumsum(each * ~self.hits, 1), (weights @ self.truths)[:, None]

    def figures(self, weights: np.ndarray, false_an_image: float = 1) -> tuple[np.ndarray, np.ndarray]:
        """Average precision, the area under the precision envelope (PASCAL VOC 2010); and the most recall that can be
        had with so many false boxes an image, one point of the FROC. Each [d], NaN without a true region."""
        right, wrong, truths = self._cumulated(weights)
        truths = np.where(truths > 0, truths, np.nan)
        within = wrong <= false_an_image * weights.sum(1, keepdims=True)
        recall = (right * within).max(1, initial=0) / truths[:, 0]
        precision = right / np.maximum(right + wrong, 1)
        envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        return (np.diff(right / truths, axis=1, prepend=0) * envelope).sum(1), recall

    def froc(self) -> tuple[np.ndarray, np.ndarray]:
        """False boxes an image and recall, after each box."""
        right, wrong, truths = self._cumulated(np.ones((1, len(self.truths))))
        return wrong[0] / len(self.truths), right[0] / max(1, truths[0, 0])

    def score_for(self, false_an_image: float) -> float:
        """The lowest score from which boxes can be told with at most so many false ones an image; 1 if there is
        none."""
        _, wrong, _ = self._cumulated(np.ones((1, len(self.truths))))
        within = np.flatnonzero(wrong[0] <= false_an_image * len(self.truths))
        return float(self.scores[within[-1]]) if len(within) else 1.0


def rsna_score(found: Found) -> float:
    """One image of the RSNA competition: the mean, over IoU 0.40 to 0.75 by 0.05, of TP / (TP + FP + FN); boxes take
    their match in the order of their score. NaN, to be left out, with neither truth nor boxes; 0 with boxes alone."""
    told, truths = len(found.boxes), len(found.truth)
    if told == 0 and truths == 0:
        return float("nan")
    best_first = np.argsort(-found.scores, kind="stable")
    ordered = Found(found.boxes[best_first], found.scores[best_first], found.truth)
    right = [int(matches(ordered, t - 1e-9).sum()) for t in RSNA_IOUS]  # the steps are not exact in binary
    return float(np.mean([tp / (told + truths - tp) for tp in right]))


def rsna_mean(found: Sequence[Found], weights: np.ndarray) -> np.ndarray:
    """The competition's figure: the mean of `rsna_score` over the images that are not left out, [d]."""
    scores = np.array([rsna_score(f) for f in found])
    counted = np.isfinite(scores)
    images = weights @ counted.astype(float)
    return (weights @ np.nan_to_num(scores)) / np.where(images > 0, images, np.nan)


def told_figures(found: Sequence[Found], least_iou: float, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Of the boxes that are told: the share of true regions hit, the share of boxes that hit, false boxes an image."""
    right = weights @ np.array([matches(f, least_iou).sum() for f in found], float)
    told, truths = (
        weights @ np.array([len(f.boxes) for f in found], float),
        weights @ np.array([len(f.truth) for f in found], float),
    )
    return {
        "hitRate": right / np.where(truths > 0, truths, np.nan),
        "precision": right / np.where(told > 0, told, np.nan),
        "falseAnImage": (told - right) / weights.sum(1),
    }
