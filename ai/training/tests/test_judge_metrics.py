"""Figures of an image's answer, against scikit-learn and against counting by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from hilum_training.judge import metrics
from hilum_training.judge.metrics import ones

TRUTH = np.array([0, 0, 1, 1, 1, 0, 1, 0], float)
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.4, 0.2, 0.9, 0.95])


@pytest.fixture
def many() -> tuple[np.ndarray, np.ndarray]:
    """Rounded, so that there are ties."""
    rng = np.random.default_rng(4)
    truth = (rng.random(500) < 0.3).astype(float)
    return (truth + rng.normal(0, 1.5, 500)).round(1), truth


def test_auc_and_average_precision_are_those_of_scikit_learn(many) -> None:
    scores, truth = many
    assert metrics.auc(scores, truth, ones(500))[0] == pytest.approx(roc_auc_score(truth, scores))
    assert metrics.average_precision(scores, truth, ones(500))[0] == pytest.approx(
        average_precision_score(truth, scores)
    )


@pytest.mark.parametrize("figure", [metrics.auc, metrics.average_precision, metrics.calibration_error])
def test_a_weight_of_three_is_the_image_three_times(figure, many) -> None:
    scores, truth = many
    scores = 1 / (1 + np.exp(-scores))
    times = np.random.default_rng(5).integers(0, 4, 500)
    weighted = figure(scores, truth, times[None].astype(float))
    repeated = figure(scores.repeat(times), truth.repeat(times), ones(int(times.sum())))
    assert weighted == pytest.approx(repeated)


def test_auc_counts_a_tie_as_half() -> None:
    assert metrics.auc(np.array([0.5, 0.5]), np.array([0.0, 1.0]), ones(2))[0] == 0.5
    assert metrics.auc(np.array([0.5, 0.5, 0.9]), np.array([0.0, 1.0, 1.0]), ones(3))[0] == 0.75


def test_what_is_counted_at_a_threshold() -> None:
    found = metrics.at_threshold(SCORES, TRUTH, 0.4, ones(8))  # called: 0.4 (-), 0.8 (+), 0.4 (+), 0.9 (+), 0.95 (-)
    assert {name: value[0] for name, value in found.items()} == pytest.approx(
        {"accuracy": 5 / 8, "sensitivity": 3 / 4, "specificity": 2 / 4, "precision": 3 / 5, "f1": 6 / 9}
    )


def test_a_figure_that_nothing_determines_is_no_number() -> None:
    negative = np.zeros(3)
    found = metrics.at_threshold(np.array([0.1, 0.2, 0.3]), negative, 0.5, ones(3))
    assert np.isnan(found["sensitivity"][0]) and np.isnan(found["precision"][0]) and found["specificity"][0] == 1
    assert np.isnan(metrics.auc(SCORES[:3], negative, ones(3))[0])


def test_calibration_error_by_hand() -> None:
    # Two bins: 0.1 to 0.2 holds 0.15 and 0.11, of which none is true; 0.9 to 1 holds 1.0 and 0.9, of which one is.
    error = metrics.calibration_error(np.array([0.15, 0.11, 1.0, 0.9]), np.array([0.0, 0, 1, 0]), ones(4))[0]
    assert error == pytest.approx(0.5 * 0.13 + 0.5 * 0.45)


def test_curves_end_where_everything_is_called(many) -> None:
    scores, truth = many
    false, true = metrics.roc_points(scores, truth)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    wanted = roc_curve(truth, scores, drop_intermediate=False)
    assert np.allclose(false, wanted[0]) and np.allclose(true, wanted[1])
    recall, precision = metrics.precision_recall_points(scores, truth)
    assert recall[-1] == 1 and precision[-1] == pytest.approx(truth.mean())


def test_the_confusion_matrix_has_the_truth_in_its_rows() -> None:
    assert metrics.confusion(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), 3).tolist() == [
        [1, 1, 0],
        [0, 1, 1],
        [0, 0, 0],
    ]
