"""What is fitted on validation: calibration, the operating point, and how places become regions."""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..errors import TrainingError
from . import calibration, metrics
from .answers import Answers
from .bootstrap import DRAWS
from .boxes import Curve, Found, told_figures
from .calibration import Calibration
from .operating_point import OperatingPoint, for_sensitivity, for_youden
from .regions import MapRule, map_regions, reported

# Shares of a map's highest value that are tried, and what is taken where no box tells which is best.
MAP_SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
DEFAULT_SHARE = 0.5
# The gateway's own default for a detector that was never shown where to look.
DEFAULT_SCORE = 0.3
# An opacity has no sharp border: the boxes that two readers draw around one often share no more.
LEAST_IOU = 0.3


@dataclass(frozen=True)
class Options:
    """`sensitivity` wanted on validation, or the best Youden index with `youden`; false boxes an image to be borne."""

    sensitivity: float = 0.95
    youden: bool = False
    false_an_image: float = 0.75
    draws: int = DRAWS
    seed: int = 1


@dataclass(frozen=True)
class Fitted:
    """`score`: boxes are told from it on (a detector). `rule`: how a map becomes regions (a classifier)."""

    labels: tuple[str, ...]
    calibration: Calibration
    point: OperatingPoint
    score: float
    rule: MapRule | None


def require_both(answers: Answers, part: str) -> None:
    truth = answers.truth()
    for label, present in (("normal", truth == 0), ("positive", truth == 1)):
        if not present.any():
            raise TrainingError(f"class {label} is empty in {part}: {len(truth)} images, none of them {label}")


def candidates(answers: Answers, rule: MapRule | None) -> list[Found]:
    """The places that could be told, on every image."""
    if answers.boxes is not None:
        return answers.boxes
    regions = (map_regions(each, rule, answers.size) for each in answers.maps)
    return [Found(boxes, scores, truth) for (boxes, scores), truth in zip(regions, answers.true_boxes())]


def located(answers: Answers) -> np.ndarray:
    """Images whose true boxes are all known, of sources that have boxes: bool [n]."""
    boxed = {s.source for s in answers.samples if len(s.boxes)}
    return np.array([s.located and s.source in boxed for s in answers.samples], bool)


def told(answers: Answers, fitted: Fitted) -> list[Found]:
    """The regions that the gateway would report."""
    probability = fitted.calibration.probability(answers.logits)
    return reported(candidates(answers, fitted.rule), probability, fitted.point.threshold, fitted.score)


def _fit_score(answers: Answers, fitted: Fitted, options: Options) -> Fitted:
    """A detector: the lowest score with no more false boxes an image than are borne."""
    probability = fitted.calibration.probability(answers.logits)
    curve = Curve(reported(answers.boxes, probability, fitted.point.threshold, 0), LEAST_IOU)
    return replace(fitted, score=min(1.0, math.ceil(100 * curve.score_for(options.false_an_image)) / 100))


def _fit_rule(answers: Answers, fitted: Fitted) -> Fitted:
    """A classifier's map: the share of its highest value with the best F1 of its regions."""

    def worth(one: Fitted) -> float:
        rates = told_figures(told(answers, one), LEAST_IOU, metrics.ones(len(answers.samples)))
        hit, precision = rates["hitRate"][0], np.nan_to_num(rates["precision"][0])
        return 2 * hit * precision / max(hit + precision, 1e-9)

    return max((replace(fitted, rule=MapRule(share)) for share in MAP_SHARES), key=worth)


def fit(validation: Answers, labels: tuple[str, ...], positive: tuple[bool, ...], options: Options) -> Fitted:
    """@raises TrainingError where validation lacks a label"""
    require_both(validation, "validation")
    truth = validation.truth() if len(labels) == 1 else validation.kinds(labels)
    known = truth >= 0
    for number, label in enumerate(labels if len(labels) > 1 else ()):
        if not (truth == number).any():
            raise TrainingError(f"class {label} is empty in validation: nothing to calibrate it with")
    weights = calibration.source_weights(validation.sources[known])
    scaled = calibration.fit(validation.logits[known], truth[known], positive, weights)
    choose = for_youden if options.youden else partial(for_sensitivity, wanted=options.sensitivity)
    point = choose(scaled.probability(validation.logits), validation.truth(), validation.sources)
    boxed = validation.only(located(validation))
    if validation.boxes is not None:
        fitted = Fitted(labels, scaled, point, DEFAULT_SCORE, None)
        return _fit_score(boxed, fitted, options) if boxed.samples else fitted
    fitted = Fitted(labels, scaled, point, 0, MapRule(DEFAULT_SHARE))
    return _fit_rule(boxed, fitted) if boxed.samples else fitted
