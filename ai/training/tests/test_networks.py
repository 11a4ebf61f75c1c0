"""Every architecture builds, answers and learns; weights from elsewhere fit; a summary counts what is there."""
import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from hilum_training.commands import summary
from hilum_training.errors import TrainingError
from hilum_training.loop.optimisers import freeze
from hilum_training.networks.backbones import ARCHITECTURES
from hilum_training.networks.build import build, load_run
from hilum_training.networks.classifier import Classifier
from hilum_training.networks.summary import layers, totals
from hilum_training.networks.weights import load_published, load_weights

TRAIN = Path(__file__).parents[1] / "train"


@pytest.fixture(autouse=True)
def one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_each_architecture_answers_both_tasks_and_every_weight_learns(arch: str) -> None:
    size = max(64, ARCHITECTURES[arch].least)
    for task, classes in (("pneumonia", 1), ("type", 3)):
        network = build({"arch": arch, "task": task, "size": size, "hidden": [8], "dropout": 0.0})
        logits, cam = network(torch.rand(2, 1, size, size))
        assert logits.shape == (2, classes) and cam.shape[:2] == (2, classes) and cam.ndim == 4
        assert torch.isfinite(logits).all() and torch.isfinite(cam).all()
    logits.pow(2).sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None]
    assert still == []


def test_without_dense_layers_the_logit_is_the_mean_of_the_map() -> None:
    network = Classifier("plain-cnn", 3).eval()
    logits, cam = network(torch.rand(2, 1, 96, 64))
    assert cam.shape == (2, 3, 3, 2)
    assert torch.allclose(cam.mean(dim=(2, 3)), logits, atol=1e-5)


def test_an_answer_does_not_depend_on_window_and_exposure() -> None:
    network, image = Classifier("plain-cnn", 1, (16,)).eval(), torch.rand(2, 1, 64, 64)
    assert torch.allclose(network(image)[0], network(0.2 + 0.5 * image)[0], atol=1e-2)


def test_bad_wishes_are_refused_by_name() -> None:
    with pytest.raises(TrainingError, match="no architecture 'resnet19'.*resnet18"):
        Classifier("resnet19", 1)
    with pytest.raises(TrainingError, match="inception-v3 needs images of at least 75 pixels, not 64"):
        build({"arch": "inception-v3", "task": "type", "size": 64, "hidden": [], "dropout": 0.0})
    with pytest.raises(TrainingError, match="'vgg19' gives no boxes"):
        build({"arch": "vgg19", "task": "detection", "size": 64, "hidden": [], "dropout": 0.0})
    with pytest.raises(TrainingError, match="detector is trained for detection"):
        build({"arch": "detector", "task": "type", "size": 64, "hidden": [], "dropout": 0.0})


PUBLISHED = {
    "resnet18": models.resnet18, "mobilenet-v2": models.mobilenet_v2, "densenet169": models.densenet169,
    "inception-v3": lambda: models.inception_v3(weights=None, init_weights=False, aux_logits=True),
}


@pytest.mark.parametrize("arch", PUBLISHED)
def test_a_file_of_torchvisions_fills_the_whole_backbone(arch: str, tmp_path: Path) -> None:
    theirs = PUBLISHED[arch]().eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    network = Classifier(arch, 3).eval()
    matched = load_weights(network, tmp_path / "w.pth")
    assert all(name.startswith("head.") for name in matched.missing) and matched.filled == matched.total - 2
    assert str(matched) == f"{matched.filled} of {matched.total} tensors; not there: head.1.weight, head.1.bias"


def test_three_channels_become_one_that_says_the_same_of_a_gray_image(tmp_path: Path) -> None:
    theirs = models.resnet18().eval()
    torch.save({"state_dict": {f"module.{k}": v for k, v in theirs.state_dict().items()}}, tmp_path / "w.pth")
    network = Classifier("resnet18", 1).eval()
    load_weights(network, tmp_path / "w.pth")
    gray = torch.rand(1, 1, 64, 64)
    assert torch.allclose(network.backbone.conv1(gray), theirs.conv1(gray.expand(-1, 3, -1, -1)), atol=1e-5)


def test_vgg19_takes_weights_without_normalisation_in_the_right_order(tmp_path: Path) -> None:
    theirs = models.vgg.make_layers(models.vgg.cfgs["E"]).state_dict()
    torch.save({f"features.{k}": v for k, v in theirs.items()}, tmp_path / "w.pth")
    network = Classifier("vgg19", 1)
    load_weights(network, tmp_path / "w.pth")
    ours = [m.weight for m in network.backbone.modules() if isinstance(m, nn.Conv2d)]
    given = [v for k, v in theirs.items() if k.endswith("weight")]
    assert len(ours) == len(given) == 16
    assert all(torch.equal(o, g) for o, g in zip(ours[1:], given[1:])) and torch.equal(
        ours[0], given[0].sum(1, keepdim=True)
    )


def test_a_classifiers_backbone_serves_the_detector(tmp_path: Path) -> None:
    torch.save(Classifier("resnet18", 3).state_dict(), tmp_path / "w.pth")
    detector = build({"arch": "detector", "task": "detection", "size": 64, "backbone": "resnet18"})
    matched = load_weights(detector, tmp_path / "w.pth")
    assert not any(name.startswith("backbone.") for name in matched.missing)


def test_weights_that_fit_nowhere_or_are_none_are_refused(tmp_path: Path) -> None:
    network = Classifier("plain-cnn", 1)
    torch.save({"somebody.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(TrainingError, match="no tensor of .*other.pth fits"):
        load_weights(network, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(TrainingError, match="text.pth is not a readable checkpoint"):
        load_weights(network, tmp_path / "text.pth")
    with pytest.raises(TrainingError, match="no checkpoint at .*nowhere.pth"):
        load_weights(network, tmp_path / "nowhere.pth")
    with pytest.raises(TrainingError, match="is no checkpoint of `train fit`"):
        load_run(tmp_path / "other.pth")
    with pytest.raises(TrainingError, match="plain-cnn has no published weights"):
        load_published(network, "plain-cnn", ARCHITECTURES["plain-cnn"].published)


def test_a_run_of_an_earlier_detector_is_refused_by_what_differs_and_can_be_begun_from(tmp_path: Path) -> None:
    config = {"arch": "detector", "task": "detection", "size": 64, "backbone": "resnet18"}
    earlier = {k: v for k, v in build(config).state_dict().items() if "other_" not in k}
    torch.save({"config": config, "average": earlier}, tmp_path / "best.pt")
    with pytest.raises(TrainingError, match="another network than this version has: second.other_shift.weight, .*--weights"):
        load_run(tmp_path / "best.pt")
    missing = load_weights(build(config), tmp_path / "best.pt").missing
    assert missing and all("other_" in name for name in missing)


def test_a_frozen_backbone_neither_moves_nor_forgets_and_wakes_again() -> None:
    network = Classifier("resnet18", 1)
    before = {k: v.clone() for k, v in network.backbone.state_dict().items()}
    learn = torch.optim.SGD(network.parameters(), lr=0.5)

    def step(frozen: bool) -> list[str]:
        network.train()
        freeze(network, frozen)
        learn.zero_grad(set_to_none=True)
        network(torch.rand(4, 1, 64, 64))[0].sum().backward()
        learn.step()
        return [k for k, v in network.backbone.state_dict().items() if not torch.equal(v, before[k])]

    head = network.head[1].weight.clone()
    assert step(frozen=True) == [] and not torch.equal(network.head[1].weight, head)
    assert {"conv1.weight", "bn1.running_mean"} <= set(step(frozen=False))


def test_the_summary_counts_parameters_and_multiply_adds() -> None:
    network = Classifier("plain-cnn", 1, (128,))
    told = layers(network, 64)
    sums = totals(network, told)
    assert sums["parameters"] == sum(p.numel() for p in network.parameters()) == sum(one.parameters for one in told)
    first = told[0]
    assert (first.name, first.kind, first.shape, first.operations) == (
        "backbone.0",
        "Conv2d",
        (32, 64, 64),
        64 * 64 * 32 * 9,
    )
    assert sum(one.kind == "Linear" for one in told) == 2


def test_summary_prints_layers_and_a_line_for_each_size_or_one_line_of_error(capsys) -> None:
    summary.run(Namespace(arch="plain-cnn", task="pneumonia", size=[64, 128], hidden=None, json=False))
    plain = capsys.readouterr().out
    assert "backbone.0" in plain and "plain-cnn at 128 x 128: 569,057 parameters" in plain
    wrong = subprocess.run([sys.executable, TRAIN, "summary", "--arch", "resnet19"], capture_output=True, text=True)
    assert (
        wrong.returncode == 1
        and wrong.stderr.startswith("train: no architecture 'resnet19'")
        and wrong.stderr.count("\n") == 1
    )
    summary.run(Namespace(arch="plain-cnn", task="type", size=[64], hidden=[], json=True))
    assert json.loads(capsys.readouterr().out)["plain-cnn"]["64"]["parameters"] == 536032 + 3 * 257
