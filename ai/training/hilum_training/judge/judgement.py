"""The figures that a fitted run reaches on a part that it has not seen, each with its interval."""

import numpy as np

from . import calibration, metrics
from .answers import Answers
from .bootstrap import Figure, Resampler
from .boxes import Curve, rsna_mean, told_figures
from .fitting import LEAST_IOU, Fitted, Options, located, require_both, told

# A group of fewer images says nothing about itself.
LEAST_GROUP = 20
# Infants, small children, children, adults young and old: years, the second one outside.
AGE_BANDS = ((0, 1), (1, 6), (6, 18), (18, 40), (40, 65), (65, 120))


def _image_figures(answers: Answers, fitted: Fitted, sampler: Resampler) -> dict[str, Figure]:
    truth, probability = answers.truth(), fitted.calibration.probability(answers.logits)
    before = calibration.none(fitted.calibration.positive).probability(answers.logits)

    def of(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "auc": metrics.auc(probability, truth, weights),
            "averagePrecision": metrics.average_precision(probability, truth, weights),
            **metrics.at_threshold(probability, truth, fitted.point.threshold, weights),
            "calibrationError": metrics.calibration_error(probability, truth, weights),
            "calibrationErrorBefore": metrics.calibration_error(before, truth, weights),
        }

    return sampler.figures(of, centred=("calibrationError", "calibrationErrorBefore"))


def _label_figures(answers: Answers, fitted: Fitted, options: Options) -> dict:
    """Over the images whose kind is known: each label against the rest, the most probable one right, and two positive
    labels against each other (the network's log-odds of the first, on images of either)."""
    answers = answers.only(answers.kinds(fitted.labels) >= 0)
    truth, classes = answers.kinds(fitted.labels), fitted.calibration.classes(answers.logits)
    finding = [i for i, positive in enumerate(fitted.calibration.positive) if positive]
    odds = np.log(classes[:, finding[0]] + 1e-12) - np.log(classes[:, finding[-1]] + 1e-12)

    def of(weights: np.ndarray) -> dict[str, np.ndarray]:
        figures = {"accuracy": metrics.share_right(classes.argmax(1), truth, weights)}
        for i, label in enumerate(fitted.labels):
            figures[f"auc {label}"] = metrics.auc(classes[:, i], (truth == i).astype(float), weights)
        if len(finding) == 2:
            either = weights * np.isin(truth, finding)
            figures["auc between"] = metrics.auc(odds, (truth == finding[0]).astype(float), either)
            figures["accuracy between"] = metrics.share_right(odds >= 0, truth == finding[0], either)
        return figures

    figures = Resampler(answers.patients, options.draws, options.seed).figures(of)
    between = " against ".join(fitted.labels[i] for i in finding)
    named = {name.replace("between", between): figure.record() for name, figure in figures.items()}
    return named | {
        "images": len(truth),
        "confusion": metrics.confusion(classes.argmax(1), truth, len(fitted.labels)).tolist(),
    }


def _region_figures(answers: Answers, fitted: Fitted, options: Options) -> dict:
    """AP and FROC over all boxes of a detector; hit rates and the RSNA figure over those that are told."""
    answers = answers.only(located(answers))
    shown = told(answers, fitted)
    curves = {} if answers.boxes is None else {iou: Curve(answers.boxes, iou) for iou in (LEAST_IOU, 0.5)}

    def of(weights: np.ndarray) -> dict[str, np.ndarray]:
        figures = {"rsnaMap": rsna_mean(shown, weights)} | told_figures(shown, LEAST_IOU, weights)
        for iou, curve in curves.items():
            figures[f"ap{iou * 100:.0f}"], figures[f"recallAtOneFalse{iou * 100:.0f}"] = curve.figures(weights)
        return figures

    figures = Resampler(answers.patients, options.draws, options.seed).figures(of)
    count = {"images": len(shown), "regions": sum(len(f.truth) for f in shown), "leastIou": LEAST_IOU}
    return count | {name: figure.record() for name, figure in figures.items()}


def image_record(answers: Answers, fitted: Fitted, options: Options) -> dict:
    """Figures of the images as wholes, with intervals, ready for JSON."""
    sampler = Resampler(answers.patients, options.draws, options.seed)
    truth = answers.truth()
    called = fitted.calibration.probability(answers.logits) >= fitted.point.threshold
    record: dict = {"images": len(truth), "patients": sampler.patients, "positives": int(truth.sum())}
    record["confusion"] = metrics.confusion(called.astype(int), truth.astype(int), 2).tolist()
    return record | {name: figure.record() for name, figure in _image_figures(answers, fitted, sampler).items()}


def full_record(answers: Answers, fitted: Fitted, options: Options) -> dict:
    """And those of labels and regions, where they are known."""
    record = image_record(answers, fitted, options)
    if len(fitted.labels) > 1 and (answers.kinds(fitted.labels) >= 0).any():
        record["labels"] = _label_figures(answers, fitted, options)
    if located(answers).any():
        record["regions"] = _region_figures(answers, fitted, options)
    return record


def _band(age: float | None) -> str:
    if age is None:
        return ""
    low, high = next((pair for pair in AGE_BANDS if age < pair[1]), AGE_BANDS[-1])
    return f"age {low} to {high - 1}"


def _groups(answers: Answers) -> dict[str, np.ndarray]:
    """Sex, age band and view, where they are known of some: name -> bool [n]."""
    described = [(s.sex and f"sex {s.sex}", _band(s.age), s.view and f"view {s.view}") for s in answers.samples]
    names = sorted({name for each in described for name in each if name})
    return {name: np.array([name in each for each in described], bool) for name in names}


def judge(answers: Answers, fitted: Fitted, part: str, options: Options) -> dict:
    """Figures of the part: of all its images, of each source where there are several, of each group.

    @raises TrainingError where the part lacks positives or negatives
    """
    require_both(answers, part)
    sources = sorted(set(answers.sources))
    sets = {"all": full_record(answers, fitted, options)}
    if len(sources) > 1:
        sets |= {source: full_record(answers.only(answers.sources == source), fitted, options) for source in sources}
    groups = {
        name: image_record(answers.only(keep), fitted, options)
        for name, keep in _groups(answers).items()
        if LEAST_GROUP <= keep.sum() < len(keep)
    }
    return {"part": part, "sources": sources, "sets": sets, "groups": groups}
