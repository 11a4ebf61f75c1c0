"""From the configuration that a checkpoint carries to the network that it describes, and its trained weights."""
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from .classifier import Classifier
from .detector import BACKBONES, Detector

# What an image can be called, by task; for detection too, where one logit speaks for the image.
LABELS: dict[str, list[str]] = {
    "pneumonia": ["normal", "pneumonia"],
    "type": ["normal", "bacterial", "viral"],
    "detection": ["normal", "pneumonia"],
}

# What torch.load raises for a file that torch.save did not write, or wrote with classes that are not here.
UNREADABLE = (
    OSError, RuntimeError, EOFError, UnpicklingError, BadZipFile, AttributeError, ImportError, ValueError,
    MemoryError, KeyError, IndexError, TypeError,
)


def build(config: dict[str, Any]) -> nn.Module:
    """`config`: arch, task, size, hidden, dropout. @raises TrainingError if there is no such network."""
    arch, task = config["arch"], config["task"]
    if task not in LABELS:
        raise TrainingError(f"no task '{task}': there are {', '.join(LABELS)}")
    if task == "detection":
        backbone = config.get("backbone", "resnet18")
        if arch != "detector":
            raise TrainingError(f"architecture '{arch}' gives no boxes: detection is --arch detector")
        if backbone not in BACKBONES:
            raise TrainingError(f"no backbone '{backbone}' for the detector: there are {', '.join(BACKBONES)}")
        if config["size"] % 32:
            raise TrainingError(
                f"the detector needs images whose side is a multiple of 32 pixels, not {config['size']}"
            )
        return Detector(backbone)
    if arch == "detector":
        raise TrainingError(f"the detector is trained for detection, not for task '{task}'")
    network = Classifier(arch, 1 if task == "pneumonia" else len(LABELS[task]), config["hidden"], config["dropout"])
    if config["size"] < network.least:
        raise TrainingError(f"{arch} needs images of at least {network.least} pixels, not {config['size']}")
    return network


def read_checkpoint(file: Path) -> dict[str, Any]:
    """The parts of a file that torch.save wrote, on the CPU. @raises TrainingError if it is none."""
    if not file.is_file():
        raise TrainingError(f"no checkpoint at {file}")
    try:
        if is_zipfile(file):  # torch checks no sums: weights with a flipped bit would pass for trained ones
            with ZipFile(file) as parts:
                spoilt = parts.testzip()
            if spoilt:
                raise BadZipFile(f"its part {spoilt} is damaged")
        kept = torch.load(file, map_location="cpu")
    except UNREADABLE as reason:
        raise TrainingError(f"{file} is not a readable checkpoint: {str(reason).splitlines()[0]}") from reason
    if not isinstance(kept, dict):
        raise TrainingError(f"{file} holds no named tensors but a {type(kept).__name__}")
    return kept


def fill(network: nn.Module, weights: dict[str, Tensor], file: Path) -> None:
    """Give a network all the weights that `file` has for it. @raises TrainingError if they are another network's"""
    try:
        network.load_state_dict(weights)
    except RuntimeError as reason:
        own = network.state_dict()
        other = [k for k in {**own, **weights} if k not in own or k not in weights or own[k].shape != weights[k].shape]
        raise TrainingError(
            f"{file} holds another network than this version has: {', '.join(other[:3])}{', …' if len(other) > 3 else ''} "
            "differ; a new run can begin with what fits of it (--weights)"
        ) from reason


def load_run(file: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The averaged network of a checkpoint of ours, ready to be asked, and its configuration.

    @raises TrainingError if the file is no checkpoint of `train fit`.
    """
    kept = read_checkpoint(file)
    if not {"config", "average"} <= kept.keys():
        raise TrainingError(f"{file} is no checkpoint of `train fit`")
    network = build(kept["config"])
    fill(network, kept["average"], file)
    return network.eval(), kept["config"]
