"""Boxes against the truth, counted by hand."""

import numpy as np
import pytest

from hilum_training.judge.boxes import Curve, Found, iou, matches, rsna_mean, rsna_score, suppress, told_figures
from hilum_training.judge.metrics import ones


def boxes(*each: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(each, np.float32).reshape(-1, 4)


def found(told: np.ndarray, scores: list[float], truth: np.ndarray) -> Found:
    return Found(told, np.array(scores, np.float32), truth)


TRUE = (0, 0, 10, 10)
HALF = (0, 0, 10, 5)  # IoU 0.5 with it
AWAY = (50, 50, 60, 60)
OTHER = (20, 20, 30, 30)


def test_iou() -> None:
    assert iou(boxes(TRUE, AWAY), boxes(TRUE, HALF, (5, 0, 15, 10)))[0] == pytest.approx([1, 0.5, 1 / 3])
    assert iou(boxes(AWAY), boxes(TRUE))[0, 0] == 0


def test_a_true_region_is_hit_once_and_by_the_best_box() -> None:
    assert matches(found(boxes(HALF, TRUE), [0.9, 0.8], boxes(TRUE)), 0.5).tolist() == [True, False]
    assert matches(found(boxes(HALF, TRUE), [0.9, 0.8], boxes(TRUE)), 0.6).tolist() == [False, True]


def test_suppression_keeps_the_better_of_two_that_overlap() -> None:
    assert suppress(boxes(HALF, TRUE, AWAY), np.array([0.5, 0.9, 0.1]), 0.4).tolist() == [1, 2]
    assert sorted(suppress(boxes(HALF, TRUE, AWAY), np.array([0.5, 0.9, 0.1]), 0.6)) == [0, 1, 2]


def test_average_precision_by_hand() -> None:
    # Best first: a hit (1/1), a miss (1/2), a hit (2/3); three true regions. Envelope: 1, 2/3, 2/3.
    images = [found(boxes(TRUE, AWAY), [0.9, 0.8], boxes(TRUE)), found(boxes(TRUE), [0.7], boxes(TRUE, OTHER))]
    average, recall = Curve(images, 0.5).figures(ones(2), false_an_image=0.4)
    assert average[0] == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    assert recall[0] == pytest.approx(1 / 3)  # half a false box an image is one too many for 0.4
    assert Curve(images, 0.5).figures(ones(2), false_an_image=0.5)[1][0] == pytest.approx(2 / 3)


def test_an_image_drawn_twice_counts_twice() -> None:
    images = [found(boxes(TRUE, AWAY), [0.9, 0.8], boxes(TRUE)), found(boxes(AWAY), [0.85], boxes(TRUE))]
    once = Curve([images[0], images[0], images[1]], 0.5).figures(ones(3))
    assert np.allclose(Curve(images, 0.5).figures(np.array([[2.0, 1.0]])), once)


def test_the_score_from_which_no_more_false_boxes_are_told_than_are_borne() -> None:
    curve = Curve([found(boxes(TRUE, AWAY, OTHER), [0.9, 0.6, 0.3], boxes(TRUE)), found(boxes(), [], boxes())], 0.5)
    assert curve.score_for(0.5) == pytest.approx(0.6)
    assert curve.score_for(1) == pytest.approx(0.3)
    assert curve.score_for(0.4) == pytest.approx(0.9)
    assert Curve([found(boxes(AWAY), [0.6], boxes())], 0.5).score_for(0.5) == 1


def test_froc_ends_at_all_boxes() -> None:
    false, recall = Curve(
        [found(boxes(TRUE, AWAY), [0.9, 0.8], boxes(TRUE, OTHER)), found(boxes(), [], boxes())], 0.5
    ).froc()
    assert false.tolist() == [0, 0.5] and recall.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "told, scores, truth, score",
    [
        ([TRUE], [0.9], [TRUE], 1),
        ([], [], [TRUE], 0),  # a miss
        ([TRUE], [0.9], [], 0),  # boxes where there is nothing
        ([HALF], [0.9], [TRUE], 3 / 8),  # IoU 0.5: hit at 0.40, 0.45, 0.50, and not at the five steps above
        ([TRUE, AWAY], [0.9, 0.8], [TRUE], 1 / 2),  # TP 1, FP 1
        ([TRUE], [0.9], [TRUE, OTHER], 1 / 2),  # TP 1, FN 1
        ([TRUE, AWAY], [0.9, 0.8], [TRUE, OTHER], 1 / 3),  # TP 1, FP 1, FN 1
        ([HALF, TRUE], [0.9, 0.8], [TRUE], (3 * 1 / 2 + 5 * 1 / 2) / 8),  # whichever hits, the other is false
        ([HALF, TRUE], [0.1, 0.8], [TRUE], 1 / 2),  # in the order of the score, whatever the order of the list
    ],
)
def test_the_rsna_competition_by_hand(told, scores, truth, score) -> None:
    assert rsna_score(found(boxes(*told), scores, boxes(*truth))) == pytest.approx(score)


def test_the_rsna_competition_leaves_out_an_image_with_neither_truth_nor_boxes() -> None:
    nothing, right, alarm = (
        found(boxes(), [], boxes()),
        found(boxes(TRUE), [0.9], boxes(TRUE)),
        found(boxes(TRUE), [0.9], boxes()),
    )
    assert np.isnan(rsna_score(nothing))
    assert rsna_mean([nothing, right, alarm], ones(3))[0] == pytest.approx(1 / 2)
    assert rsna_mean([nothing, right, alarm], np.array([[5.0, 3, 1]]))[0] == pytest.approx(3 / 4)
    assert np.isnan(rsna_mean([nothing], ones(1))[0])


def test_what_is_told_of_regions() -> None:
    images = [found(boxes(HALF, AWAY), [0.9, 0.8], boxes(TRUE, OTHER)), found(boxes(), [], boxes())]
    rates = {name: value[0] for name, value in told_figures(images, 0.3, ones(2)).items()}
    assert rates == pytest.approx({"hitRate": 1 / 2, "precision": 1 / 2, "falseAnImage": 1 / 2})
