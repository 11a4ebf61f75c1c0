"""How good an answer is: average precision of boxes, calibration, and the operating point."""
from dataclasses import dataclass

import numpy as np


@dataclass
class Found:
    """The boxes reported on one image, best first: [k, 4] in pixels, and their scores [k]; and the true ones [m, 4]."""

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
    """Which reported boxes hit a true box that no better-scored one has hit: bool [k]."""
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


def precision_recall(found: list[Found]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, precision and recall after each reported box, over all images together, best score first."""
    scores = np.concatenate([f.scores for f in found])
    hits = np.concatenate([matches(f) for f in found])
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    return scores[order], right / np.arange(1, len(right) + 1), right / max(1, sum(len(f.truth) for f in found))


def average_precision(found: list[Found]) -> float:
    """Area under the precision envelope at IoU 0.5 (PASCAL VOC 2010)."""
    _, precision, recall = precision_recall(found)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0) * envelope).sum())


def score_for(found: list[Found], most_false: float) -> float:
    """The lowest score from which boxes can be reported with at most `most_false` false ones an image."""
    scores, precision, _ = precision_recall(found)
    told = np.arange(1, len(scores) + 1)
    within = np.flatnonzero(told * (1 - precision) <= most_false * len(found))
    return float(scores[within[-1]]) if len(within) else 1.0


def box_figures(found: list[Found], threshold: float) -> dict[str, float]:
    """Precision, recall and false regions an image when boxes from `threshold` on are reported."""
    kept = [Found(f.boxes[f.scores >= threshold], f.scores[f.scores >= threshold], f.truth) for f in found]
    right, told = sum(int(matches(f).sum()) for f in kept), sum(len(f.scores) for f in kept)
    return {
        "threshold": threshold,
        "precision": right / max(1, told),
        "recall": right / max(1, sum(len(f.truth) for f in kept)),
        "falseAnImage": (told - right) / len(kept),
    }


def calibration_error(probability: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over `bins` equal steps of probability (Guo 2017, arXiv 1706.04599)."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [abs(probability[place == b].mean() - truth[place == b].mean()) * (place == b).mean()
            for b in range(bins) if (place == b).any()]
    return float(sum(gaps))


def rates(probability: np.ndarray, truth: np.ndarray, threshold: float) -> tuple[float, float]:
    """Sensitivity and specificity when positive means `probability` >= `threshold`."""
    told = probability >= threshold
    return float(told[truth == 1].mean()), float((~told)[truth == 0].mean())
