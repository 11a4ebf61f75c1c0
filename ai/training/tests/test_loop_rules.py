"""Losses, schedules, optimisers, drawing, early stopping: each by what it promises."""
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hilum_training.data.samples import Sample
from hilum_training.loop.early_stopping import Best
from hilum_training.loop.losses import ClassLoss, weighted_mean
from hilum_training.loop.optimisers import OPTIMISERS, RATES, optimiser, set_rate
from hilum_training.loop.sampling import Sampler
from hilum_training.loop.schedules import SCHEDULES, rate
from hilum_training.networks.classifier import Classifier


def test_cross_entropy_is_pytorchs_and_focal_counts_the_easy_less() -> None:
    torch.manual_seed(0)
    one, three = torch.randn(6, 1), torch.randn(6, 3)
    binary, classes = torch.tensor([[0.0], [1], [1], [0], [1], [0]]), torch.tensor([0, 1, 2, 2, 1, 0])
    hot = F.one_hot(classes, 3).float()
    assert torch.allclose(ClassLoss()(one, binary).mean(), F.binary_cross_entropy_with_logits(one, binary))
    assert torch.allclose(ClassLoss()(three, hot), F.cross_entropy(three, classes, reduction="none"))
    smooth = F.cross_entropy(three, classes, label_smoothing=0.1)
    assert torch.allclose(ClassLoss(smoothing=0.1)(three, hot).mean(), smooth)
    p = three.softmax(1).gather(1, classes[:, None])[:, 0]
    assert torch.allclose(ClassLoss(gamma=2.0)(three, hot), -(1 - p) ** 2 * p.log(), atol=1e-6)
    easy, hard = torch.tensor([[4.0]]), torch.tensor([[-1.0]])
    ratio = [
        float(ClassLoss(gamma=g)(hard, torch.ones(1, 1)) / ClassLoss(gamma=g)(easy, torch.ones(1, 1)))
        for g in (0.0, 2.0)
    ]
    assert ratio[1] > 100 * ratio[0]


def test_a_target_between_the_classes_is_learnt_exactly() -> None:
    logit = torch.zeros(1, 1, requires_grad=True)
    learn = torch.optim.SGD([logit], lr=2.0)
    for _ in range(200):
        learn.zero_grad()
        ClassLoss()(logit, torch.tensor([[0.3]])).sum().backward()
        learn.step()
    assert float(logit.sigmoid()) == pytest.approx(0.3, abs=1e-3)


def test_an_images_weight_is_what_it_counts() -> None:
    assert float(weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.5]))) == pytest.approx(1.75)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_schedule_reaches_its_peak_and_never_passes_it(schedule: str) -> None:
    values = [rate(schedule, d) for d in np.linspace(0, 1.2, 121)]
    assert max(values) == pytest.approx(1.0, abs=0.01) and min(values) > 0
    assert values[-1] == (1.0 if schedule == "constant" else pytest.approx(0.01))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_optimiser_lowers_the_loss_and_spares_normalisation_from_decay(name: str) -> None:
    torch.manual_seed(0)
    network = Classifier("plain-cnn", 1)
    learn = optimiser(name, network, 0.05, 0.1)
    assert all(p.ndim > 1 for g in learn.param_groups if g["weight_decay"] for p in g["params"])
    assert sum(len(g["params"]) for g in learn.param_groups) == len(list(network.parameters()))
    set_rate(learn, RATES[name])
    assert sorted({round(g["lr"] / RATES[name], 6) for g in learn.param_groups}) == [0.1, 1.0]
    x, y, losses = torch.rand(8, 1, 32, 32), torch.tensor([[0.0], [1]] * 4), []
    x[1::2, :, 8:20, 8:20] += 2
    for _ in range(12):
        loss = ClassLoss()(network(x)[0], y).mean()
        learn.zero_grad()
        loss.backward()
        learn.step()
        losses.append(float(loss))
    assert losses[-1] < 0.8 * losses[0]


def samples(**counts: int) -> tuple[list[Sample], list[int]]:
    """`kermany_viral=3` is three images of Kermany labelled viral."""
    made = [Sample(Path(f"{name}{i}.png"), f"{name}{i}", name.split("_")[0], name.split("_")[1])
            for name, count in counts.items() for i in range(count)]
    return made, [int(s.positive) for s in made]


def test_balance_by_loss_shows_all_once_and_lets_the_classes_of_each_source_weigh_the_same() -> None:
    made, classes = samples(kermany_normal=10, kermany_viral=30, siim_normal=7, siim_pneumonia=3)
    order, weight = Sampler(made, classes, "loss", {}).epoch(1, 0)
    assert sorted(order) == list(range(50)) and weight.mean() == pytest.approx(1.0)
    worth = {}
    for i, w in zip(order, weight):
        key = made[i].source, classes[i]
        worth[key] = worth.get(key, 0) + w
    assert worth == pytest.approx({("kermany", 0): 20, ("kermany", 1): 20, ("siim", 0): 5, ("siim", 1): 5})


def test_balance_by_drawing_shows_the_classes_equally_often_and_leaves_nobody_out() -> None:
    made, classes = samples(kermany_normal=10, kermany_viral=30)
    order, weight = Sampler(made, classes, "draw", {}).epoch(1, 0)
    counts = np.bincount(order, minlength=40)
    assert len(order) == 40 and counts[:10].tolist() == [2] * 10 and sorted(counts[10:]) == [0] * 10 + [1] * 20
    assert (weight == 1).all()


def test_a_bounded_source_shows_as_many_of_each_class_and_others_the_next_time() -> None:
    made, classes = samples(kermany_normal=20, kermany_viral=60, siim_normal=5)
    sampler = Sampler(made, classes, "loss", {"kermany": 16})
    (first, weight), (second, _) = sampler.epoch(1, 0), sampler.epoch(1, 1)
    shown = [(made[i].source, classes[i]) for i in first]
    assert (shown.count(("kermany", 0)), shown.count(("kermany", 1)), shown.count(("siim", 0))) == (8, 8, 5)
    assert (weight == 1).all() and set(first) != set(second)
    assert np.array_equal(first, sampler.epoch(1, 0)[0])


def test_the_best_is_the_highest_score_then_the_lowest_loss_and_patience_ends() -> None:
    best = Best()
    assert [
        best.saw(*seen) for seen in ((0.8, 1.0, 0), (0.9, 1.2, 1), (0.9, 0.7, 2), (0.9, 0.8, 3), (0.85, 0.1, 4))
    ] == [True, True, True, False, False]
    assert (best.epoch, best.waited) == (2, 2)
    assert best.exhausted(2) and not best.exhausted(3) and not best.exhausted(0)
