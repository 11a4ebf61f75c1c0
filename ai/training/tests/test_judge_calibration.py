"""Calibration, the operating point, and regions: what is fitted on validation."""

import json
import subprocess

import numpy as np
import pytest

from hilum_training.export.runtime import ROOT, node
from hilum_training.judge import calibration, metrics
from hilum_training.judge.boxes import Found
from hilum_training.judge.calibration import MOST_SCALE, fit, none, sigmoid, softmax, source_weights
from hilum_training.judge.metrics import ones
from hilum_training.judge.operating_point import for_sensitivity, for_youden
from hilum_training.judge.regions import MapRule, map_regions, reported


def test_platt_finds_the_scale_and_offset_that_were_taken_away() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 20000)
    truth = (rng.random(20000) < sigmoid(odds)).astype(float)
    found = fit(((odds - 0.7) / 2.5)[:, None], truth, (True,), ones(20000)[0])
    assert found.method == "platt"
    assert (found.scale[0], found.offset[0]) == pytest.approx((2.5, 0.7), abs=0.1)


def test_vector_scaling_finds_what_was_taken_away_from_each_label() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (30000, 3))
    truth = (rng.random(30000)[:, None] > softmax(logits).cumsum(1)).sum(1)
    spoilt = (logits - np.array([0.5, -0.2, -0.3])) / np.array([0.5, 1.0, 2.0])
    positive = (False, True, True)
    found = fit(spoilt, truth, positive, ones(30000)[0])
    assert found.method == "vector"
    assert found.scale == pytest.approx((0.5, 1, 2), abs=0.08) and found.offset == pytest.approx(
        (0.5, -0.2, -0.3), abs=0.08
    )
    sick = (truth > 0).astype(float)
    before, after = (
        metrics.calibration_error(c.probability(spoilt), sick, ones(30000))[0] for c in (none(positive), found)
    )
    assert after < 0.01 < before


def test_a_set_told_apart_without_fault_does_not_ask_for_an_endless_scale() -> None:
    logits, truth = np.array([-2.0, -1, 1, 2] * 10)[:, None], np.array([0.0, 0, 1, 1] * 10)
    found = fit(logits, truth, (True,), ones(40)[0])
    assert 1 < found.scale[0] < MOST_SCALE / 2
    assert found.probability(logits).max() < 1


def test_a_network_that_answers_the_wrong_way_round_gets_a_scale_that_the_gateway_takes() -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random(200) < 0.5).astype(float)
    found = fit((-3 * truth + rng.normal(0, 1, 200))[:, None], truth, (True,), ones(200)[0])
    assert found.scale[0] > 0
    assert found.probability(np.array([[0.0]]))[0] == pytest.approx(truth.mean(), abs=0.02)


def test_each_source_counts_the_same() -> None:
    weights = source_weights(["siim"] * 30 + ["kermany"] * 10)
    assert weights[:30].sum() == pytest.approx(weights[30:].sum()) and weights.mean() == pytest.approx(1)


def test_the_probability_of_several_positive_labels_is_their_sum() -> None:
    c = calibration.Calibration("vector", (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (False, True, True))
    assert c.probability(np.log([[0.2, 0.5, 0.3]])) == pytest.approx([0.8])


ONE = np.array(["csv"] * 10)
PROBABILITY = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.6, 0.7, 0.8, 0.9])
TRUTH = np.array([0.0, 0, 0, 1, 0, 1, 0, 1, 1, 1])


@pytest.mark.parametrize(
    "wanted, between", [(1, (0.2, 0.3)), (0.8, (0.4, 0.45)), (0.75, (0.4, 0.45)), (0.6, (0.6, 0.7))]
)
def test_the_threshold_is_the_highest_with_the_wanted_sensitivity(wanted: float, between: tuple[float, float]) -> None:
    point = for_sensitivity(PROBABILITY, TRUTH, ONE, wanted)
    assert between[0] < point.threshold <= between[1]
    assert metrics.sensitivity(PROBABILITY, TRUTH, point.threshold) >= wanted
    assert f"{wanted:g}" in point.chosen_for and "validation" in point.chosen_for


def test_a_large_source_does_not_hide_a_small_one() -> None:
    """Of 100 easy positives and 4 hard ones, most thresholds miss two of the hard: 0.98 of all, 0.75 of the mean."""
    probability = np.concatenate([np.full(100, 0.9), [0.2, 0.3, 0.7, 0.8], np.full(20, 0.1), np.full(20, 0.15)])
    truth = np.concatenate([np.ones(104), np.zeros(40)])
    sources = np.array(["easy"] * 100 + ["hard"] * 4 + ["easy"] * 20 + ["hard"] * 20)
    point = for_sensitivity(probability, truth, sources, 0.95)
    assert point.threshold <= 0.2
    assert "mean of easy and hard" in point.chosen_for


def test_the_youden_threshold_lies_in_the_middle_of_its_plateau() -> None:
    probability, truth = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.0, 0, 1, 1])
    assert for_youden(probability, truth, ONE[:4]).threshold == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_regions_of_a_map_are_those_of_the_gateway(share: float) -> None:
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:32, :48]
    heat = (
        sum(
            rng.uniform(3, 5) * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / s)
            for x, y, s in [(8, 8, 30), (30, 20, 60), (40, 5, 20), (12, 26, 6)]
        )
        - 2
        + rng.normal(0, 0.1, (32, 48))
    )
    heat = sigmoid(heat).astype(np.float32)
    boxes, scores = map_regions(heat, MapRule(share), 256)
    script = """
      import { interpolated, maskRegions } from './ai/runtime/mask.ts';
      const { values, width, height, threshold, minArea } = JSON.parse(process.argv[1]);
      const map = { values: Float32Array.from(values), width, height };
      console.log(JSON.stringify(maskRegions(interpolated(map), { width: 256, height: 256 }, { threshold, relative: true, minArea, maxRegions: 10 })));
    """
    given = {
        "values": heat.ravel().tolist(),
        "width": 48,
        "height": 32,
        "threshold": share,
        "minArea": MapRule(share).least_area,
    }
    done = subprocess.run(
        [node(), "--input-type=module", "-e", script, json.dumps(given)], cwd=ROOT, capture_output=True, text=True
    )
    told = json.loads(done.stdout)
    assert len(told) == len(boxes) > 0
    assert np.allclose([[each[k] for k in ("x1", "y1", "x2", "y2")] for each in told], boxes)
    assert np.allclose([each["score"] for each in told], scores, atol=1e-5)


def test_only_positive_images_tell_regions_and_a_faint_one_where_there_is_no_better() -> None:
    pair = Found(np.array([[0, 0, 1, 1], [2, 2, 3, 3]], float), np.array([0.4, 0.2]), np.zeros((0, 4)))

    def counts(probability: float, score: float) -> int:
        return len(reported([pair], np.array([probability]), 0.5, score)[0].boxes)

    assert counts(0.6, 0.1) == 2 and counts(0.6, 0.3) == 1 and counts(0.4, 0.1) == 0
    assert counts(0.6, 0.7) == 1  # the best comes half way
    assert counts(0.6, 0.9) == 0
