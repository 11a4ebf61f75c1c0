"""A package is a place to start from: its network answers as it did, and learns on."""
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from hilum_training.errors import TrainingError
from hilum_training.export.graph import to_onnx
from hilum_training.export.variants import shrink
from hilum_training.judge.readers import ClassifierReader, DetectorReader
from hilum_training.networks.backbones import ARCHITECTURES
from hilum_training.networks.build import build
from hilum_training.networks.package_weights import read_package, unfold
from hilum_training.networks.weights import load_weights

CONFIG = {
    "detector": {"arch": "detector", "task": "detection", "size": 64},
    **{arch: {"arch": arch, "task": "type", "size": 64, "hidden": [8], "dropout": 0.2} for arch in ARCHITECTURES},
}
IMAGES = np.random.default_rng(1).integers(0, 256, (24, 64, 64), np.uint8)


def used(arch: str) -> nn.Module:
    """A network whose normalisations have seen something, and shift and scale as a trained one's do."""
    torch.manual_seed(2)
    torch.set_num_threads(1)
    network = build(CONFIG[arch])
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
        network.train()
        for start in (0, 8, 16):
            network(asked(arch)[start:start + 8])
    return network.eval()


def asked(arch: str) -> torch.Tensor:
    side = CONFIG[arch]["size"]
    return torch.from_numpy(IMAGES[:, :side, :side]).unsqueeze(1).float() / 255


def packed(network: nn.Module, arch: str, file: Path, variant: str = "float32") -> Path:
    reader = DetectorReader([network], True) if arch == "detector" else ClassifierReader([network], (False, True, True), True)
    onnx.save(shrink(to_onnx(reader, CONFIG[arch]["size"]), variant), str(file))
    return file


def started(arch: str, file: Path) -> nn.Module:
    network = build(CONFIG[arch])
    load_weights(network, file)
    unfold(network, read_package(file), IMAGES[:, : CONFIG[arch]["size"], : CONFIG[arch]["size"]])
    return network


# Of VGG the convolutions have a bias of their own; of DenseNet some normalisations stand before no convolution, and stay in the graph.
@pytest.mark.parametrize("arch", ["detector", "resnet18", "vgg19", "densenet169", "mobilenet-v3"])
def test_a_network_started_from_a_package_answers_as_the_package_does(arch: str, tmp_path: Path) -> None:
    network = used(arch)
    again = started(arch, packed(network, arch, tmp_path / "model.onnx"))
    with torch.no_grad():
        for before, after in zip(network(asked(arch)), again.eval()(asked(arch))):
            assert torch.allclose(before, after, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


@pytest.mark.parametrize("arch", ["detector", "resnet18"])
def test_its_normalisation_is_that_of_the_images_so_that_it_learns_on_from_where_it_was(arch: str, tmp_path: Path) -> None:
    network = used(arch)
    again = started(arch, packed(network, arch, tmp_path / "model.onnx"))
    with torch.no_grad():
        expected = network(asked(arch))[0]
        for module in again.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        learning = again.train()(asked(arch))[0]
    assert torch.allclose(expected, learning, atol=0.05 * float(expected.std()))


@pytest.mark.parametrize(("variant", "most"), [("fp16", 0.01), ("int8", 0.1)])
def test_weights_that_are_stored_smaller_are_unfolded(variant: str, most: float, tmp_path: Path) -> None:
    network = used("resnet18")
    again = started("resnet18", packed(network, "resnet18", tmp_path / "model.onnx", variant)).eval()
    with torch.no_grad():
        before, after = network(asked("resnet18"))[0], again(asked("resnet18"))[0]
    assert float((before - after).abs().max()) < most * float(before.std())


def test_a_package_of_several_networks_and_a_file_that_is_none_are_refused_by_name(tmp_path: Path) -> None:
    reader = ClassifierReader([used("plain-cnn"), used("plain-cnn")], (False, True, True), False)
    onnx.save(to_onnx(reader, 64), str(tmp_path / "two.onnx"))
    with pytest.raises(TrainingError, match=r"two\.onnx averages several networks"):
        read_package(tmp_path / "two.onnx")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(TrainingError, match=r"text\.onnx is not a readable ONNX file"):
        read_package(tmp_path / "text.onnx")
    with pytest.raises(TrainingError, match=r"nowhere\.onnx is not a readable ONNX file"):
        read_package(tmp_path / "nowhere.onnx")
