"""Calibration and thresholds, fitted on one half of the held-out patients and measured on the other.

AUC and AP need no fitted number and are measured on all of the held-out patients.
"""
import math
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from .legacy_data import ImageSet, patient_hash
from .metrics import Found, average_precision, box_figures, calibration_error, rates, score_for

# False regions an image that a reader is asked to bear: at the best F1 (0.4) four in ten opacities were pointed at, here five.
MOST_FALSE = 0.75
# How much worse than the best (sensitivity + specificity, mean of the sets) a threshold counts as equally good.
PLATEAU = 0.015

Answers = tuple[np.ndarray, list[Found]]


@dataclass
class Fitted:
    """probability = sigmoid(scale * logit + offset); positive from `threshold` on; boxes from `score` on."""

    scale: float
    offset: float
    threshold: float
    score: float

    def probability(self, logits: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(self.scale * logits + self.offset)))


def labels(images: ImageSet) -> np.ndarray:
    """1 where the radiograph shows an opacity, float [n]."""
    return np.array([item.positive for item in images.items], float)


def summary(images: ImageSet, result: Answers) -> dict[str, float]:
    """AUC of the logit and, where the set has boxes, AP at IoU 0.5."""
    logits, found = result
    figures = {"n": len(logits), "auc": float(roc_auc_score(labels(images), logits))}
    if any(len(f.truth) for f in found):
        figures["ap50"] = average_precision(found)
    return figures


def _tuning(images: ImageSet) -> np.ndarray:
    """Half of the patients, by another digit of the hash than the one that held them out: bool [n]."""
    return np.array([patient_hash(item.patient) // 100 % 2 == 0 for item in images.items])


def fit(sets: list[ImageSet], results: list[Answers]) -> Fitted:
    """Platt scaling over all sets together; the threshold with the best mean of Youden's J over the sets."""
    halves = [_tuning(s) for s in sets]
    logits = [r[0][h] for r, h in zip(results, halves)]
    truths = [labels(s)[h] for s, h in zip(sets, halves)]
    platt = LogisticRegression(C=1e6).fit(np.concatenate(logits)[:, None], np.concatenate(truths))
    fitted = Fitted(float(platt.coef_[0, 0]), float(platt.intercept_[0]), 0.5, 0.0)
    candidates = np.arange(0.05, 0.96, 0.01)
    worth = [np.mean([sum(rates(fitted.probability(x), t, c)) for x, t in zip(logits, truths)]) for c in candidates]
    # The peak moves with a few images; the middle of the plateau around it does not.
    plateau = candidates[np.array(worth) >= max(worth) - PLATEAU]
    fitted.threshold = round(float(plateau.mean()), 2)
    for s, (logit, found), half in zip(sets, results, halves):
        if s.name == "siim":
            shown = reported(found, fitted.probability(logit), fitted.threshold)
            fitted.score = math.ceil(100 * score_for([f for f, use in zip(shown, half) if use], MOST_FALSE)) / 100
    return fitted


def reported(found: list[Found], probability: np.ndarray, threshold: float) -> list[Found]:
    """Regions are reported only on images that are called positive."""
    return [f if p >= threshold else Found(f.boxes[:0], f.scores[:0], f.truth) for f, p in zip(found, probability)]


def judge(sets: list[ImageSet], results: list[Answers]) -> tuple[dict[str, dict], Fitted]:
    """Figures of each set, and the fitted numbers they were reached with."""
    fitted, report = fit(sets, results), {}
    for images, result in zip(sets, results):
        rest = ~_tuning(images)
        probability, truth = fitted.probability(result[0][rest]), labels(images)[rest]
        sensitivity, specificity = rates(probability, truth, fitted.threshold)
        figures = summary(images, result) | {
            "nThreshold": int(rest.sum()),
            "sensitivity": sensitivity,
            "specificity": specificity,
            "calibrationError": calibration_error(probability, truth),
        }
        if "ap50" in figures:
            shown = reported([f for f, use in zip(result[1], rest) if use], probability, fitted.threshold)
            figures["regions"] = box_figures(shown, fitted.score)
        report[images.name] = figures
    report["fitted"] = asdict(fitted)
    return report, fitted
