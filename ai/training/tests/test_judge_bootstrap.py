"""Intervals: as wide as statistics says, and by patient."""

import time

import numpy as np
import pytest

from hilum_training.judge import metrics
from hilum_training.judge.bootstrap import Resampler


def share(values: np.ndarray):
    return lambda weights: {"share": (weights @ values) / weights.sum(1)}


def test_the_interval_of_a_share_is_that_of_the_textbook() -> None:
    values = (np.random.default_rng(0).random(900) < 0.3).astype(float)
    found = Resampler([str(i) for i in range(900)]).figures(share(values))["share"]
    half = 1.96 * np.sqrt(values.mean() * (1 - values.mean()) / 900)
    assert found.value == pytest.approx(values.mean(), abs=1e-4)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.006)


def test_images_of_one_patient_are_drawn_together() -> None:
    values = np.repeat([0.0, 1.0] * 20, 25)  # forty patients whose 25 images are all alike
    patients = np.repeat(np.arange(40).astype(str), 25)
    by_patient = Resampler(list(patients)).figures(share(values))["share"]
    by_image = Resampler([str(i) for i in range(1000)]).figures(share(values))["share"]
    wide, narrow = by_patient.high - by_patient.low, by_image.high - by_image.low
    assert wide / narrow == pytest.approx(5, rel=0.15)  # the square root of 25


def test_a_thousand_draws_of_two_thousand_images_take_seconds() -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random(2000) < 0.5).astype(float)
    scores = truth + rng.normal(0, 1, 2000)
    start = time.monotonic()
    found = Resampler([str(i // 2) for i in range(2000)]).figures(lambda w: {"auc": metrics.auc(scores, truth, w)})[
        "auc"
    ]
    assert time.monotonic() - start < 10
    assert found.low < found.value < found.high


def test_what_the_images_do_not_determine_has_no_figure() -> None:
    truth = np.zeros(30)
    found = Resampler([str(i) for i in range(30)]).figures(lambda w: {"auc": metrics.auc(np.arange(30.0), truth, w)})[
        "auc"
    ]
    assert (found.value, found.low, found.high) == (None, None, None)


def test_the_interval_of_a_distance_from_zero_holds_its_value() -> None:
    """A draw of a calibrated set is never quite calibrated: without centring the interval lies above the value."""
    rng = np.random.default_rng(2)
    probability = rng.random(300)
    truth = (rng.random(300) < probability).astype(float)

    def of(weights: np.ndarray) -> dict[str, np.ndarray]:
        error = metrics.calibration_error(probability, truth, weights)
        return {"error": error, "plain": error}

    found = Resampler([str(i) for i in range(300)]).figures(of, centred=("error",))
    assert 0 <= found["error"].low < found["error"].value < found["error"].high
    assert found["error"].high < found["plain"].high
