"""The detector's second look: what its answers learn, how they are ranked, and that a mirror image changes nothing."""
import pytest
import torch

from hilum_training.judge.readers import DetectorReader
from hilum_training.loop.detection import second_look_loss
from hilum_training.networks.detector import OTHERS_WORTH, REPEATED_WORTH, Detector, Seen, answered
from hilum_training.networks.second_look import OTHERS, mirrored, moved, overlap

ANSWERS = 1 + len(OTHERS)


def seen(boxes: torch.Tensor, shift: torch.Tensor, quality: torch.Tensor) -> Seen:
    nothing = torch.zeros(0)
    return Seen(nothing, nothing, nothing, boxes, torch.ones(boxes.shape[:2]), shift, quality)


def looked_at(first: list[float]) -> tuple[Seen, torch.Tensor]:
    """A box of 100 x 100 whose opacity is its lower half; the first answer is moved by `first`, the second is nearly the lower
    half, the others are far too small."""
    boxes = torch.tensor([[[50.0, 50, 150, 150]]])
    shift = torch.tensor([[[first, [0.0, 0.25, 0.0, -0.5]] + [[0.0, 0.0, -1.0, -1.0]] * (ANSWERS - 2)]])
    shift.requires_grad_(True)
    quality = torch.zeros(1, 1, ANSWERS, requires_grad=True)
    return seen(boxes, shift, quality), torch.tensor([[[50.0, 100, 150, 150]]])


def test_where_the_first_answer_misses_the_closest_other_learns_and_is_told_to_be_right() -> None:
    look, truth = looked_at([0.0, -0.2, 0.0, 0.0])  # shares 30 with 120 of the opacity
    place, quality = second_look_loss(look, truth, torch.ones(1))
    place.backward(retain_graph=True)
    learnt = look.shift.grad[0, 0].abs().sum(1)
    # The closest one learns for all of the others; those astray a little.
    assert (learnt[1] > 5 * learnt[2:]).all()
    assert learnt[0] > 0.1 and (learnt[2:] > 0).all() and (learnt[2:] < learnt[0]).all()
    quality.backward()
    up = look.quality.grad[0, 0] < 0
    assert up.tolist() == [False, True] + [False] * (ANSWERS - 2)


def test_where_the_first_answer_hits_the_others_are_left_alone_and_told_to_be_of_no_use() -> None:
    look, truth = looked_at([0.0, 0.25, 0.0, -0.6])
    place, quality = second_look_loss(look, truth, torch.ones(1))
    place.backward(retain_graph=True)
    assert (look.shift.grad[0, 0, 1:] == 0).all() and look.shift.grad[0, 0, 0].abs().sum() > 0
    quality.backward()
    assert (look.quality.grad[0, 0] < 0).tolist() == [True] + [False] * (ANSWERS - 1)


def test_an_image_without_known_boxes_teaches_the_second_look_nothing() -> None:
    look, truth = looked_at([0.0, -0.2, 0.0, 0.0])
    assert [float(part) for part in second_look_loss(look, truth, torch.zeros(1))] == [0, 0]


def test_answers_are_told_within_the_frame_and_others_below_the_first() -> None:
    boxes, peaks = torch.tensor([[[0.0, 0, 100, 100], [120, 40, 220, 90]]]), torch.tensor([[0.64, 0.36]])
    shift = torch.zeros(1, 2, ANSWERS, 4)
    shift[0, 0, 1] = torch.tensor([-0.5, 0, 0, 0])
    told, scores = answered(boxes, peaks, shift, torch.full((1, 2, ANSWERS), 0.25), 200)
    assert told.shape == (1, 2 * ANSWERS, 4) and scores.shape == (1, 2 * ANSWERS)
    assert told[0, 0].tolist() == [0, 0, 100, 100] and told[0, 1].tolist() == [0, 0, 50, 100]
    assert told[0, ANSWERS].tolist() == [120, 40, 200, 90]
    expected = [0.4] + [0.4 * OTHERS_WORTH] * (ANSWERS - 1) + [0.3] + [0.3 * OTHERS_WORTH] * (ANSWERS - 1)
    assert scores[0].tolist() == pytest.approx(expected)


def test_all_answers_of_a_box_that_repeats_a_better_one_count_less() -> None:
    boxes = torch.tensor([[[10.0, 0, 60, 100], [0, 0, 50, 100], [40, 0, 90, 100], [120, 0, 170, 100]]])
    # The second is the best; the first shares 2/3 with it, the third 1/9, and 1/4 with the first.
    peaks = torch.tensor([[0.36, 0.64, 0.49, 0.16]])
    _, scores = answered(boxes, peaks, torch.zeros(1, 4, ANSWERS, 4), torch.full((1, 4, ANSWERS), 0.25), 200)
    rank = torch.tensor([0.3 * REPEATED_WORTH, 0.4, 0.35, 0.2])
    assert torch.allclose(scores.view(4, ANSWERS), rank.unsqueeze(1) * torch.tensor([1.0] + [OTHERS_WORTH] * (ANSWERS - 1)))


def test_a_mirror_image_gets_the_mirrored_answer() -> None:
    torch.manual_seed(3)
    network = Detector()
    for layer in (network.second.shift, network.second.other_shift, network.distance[-1], network.image):
        torch.nn.init.normal_(layer.weight, std=0.05)
    reader, image = DetectorReader([network], flip=True).eval(), torch.rand(2, 1, 128, 128)
    with torch.no_grad():
        logit, boxes, scores = reader(image)
        other_logit, other_boxes, other_scores = reader(image.flip(3))
    assert torch.allclose(logit, other_logit, atol=1e-5)
    # The order of equals may differ: every box has its like in the other.
    for one, many, score, others in zip(mirrored(other_boxes, 128), boxes, other_scores, scores):
        share, _ = overlap(one.unsqueeze(1), many.unsqueeze(0))
        same = (share > 0.99) & torch.isclose(score.unsqueeze(1), others.unsqueeze(0), atol=1e-4)
        wide = (one[:, 2:] - one[:, :2]).amin(1) > 1
        assert wide.sum() > 10 and same.any(1)[wide].all()


def test_a_shift_of_nothing_moves_nothing() -> None:
    boxes = torch.rand(3, 5, 4).cumsum(2) * 50
    assert torch.allclose(moved(boxes, torch.zeros(3, 5, 4)), boxes)
