"""Calibration and thresholds, fitted on one half of the held-out patients and measured on the other.

AUC and AP need no fitted number and are measured on all of the held-out patients.
"""
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from .data import ImageSet, patient_hash
from .metrics import Found, average_precision, best_f1, box_figures, calibration_error, rates

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
    fitted.threshold = round(float(candidates[int(np.argmax(worth))]), 2)
    boxes = [f for s, r, h in zip(sets, results, halves) for f, use in zip(r[1], h) if use and s.name == "siim"]
    fitted.score = round(best_f1(boxes)["threshold"], 2)
    return fitted


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
            told = result[0], [f for f, use in zip(result[1], rest) if use]
            # Regions are reported only on images that are called positive.
            shown = [f if p >= fitted.threshold else Found(f.boxes[:0], f.scores[:0], f.truth)
                     for f, p in zip(told[1], probability)]
            figures["regions"] = box_figures(shown, fitted.score)
        report[images.name] = figures
    report["fitted"] = asdict(fitted)
    return report, fitted
