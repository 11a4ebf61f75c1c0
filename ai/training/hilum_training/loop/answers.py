"""A network asked about a whole set in turn, and what several teachers make of a batch."""
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.samples import SampleSet
from ..networks.build import load_run
from .task import Ask


def asked(ask: Ask, images: SampleSet, batch: int) -> tuple[Tensor, ...]:
    """Every output over all images, float32 on the CPU."""
    told: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            x = torch.from_numpy(images.images[start:start + batch]).unsqueeze(1).float() / 255
            told.append(tuple(part.float().cpu() for part in ask(x)))
    return tuple(torch.cat(parts) for parts in zip(*told))


class Teachers:
    """Trained networks whose answers are learnt (Hinton 2015, arXiv 1503.02531); each is shown the very same image."""

    def __init__(self, files: list[Path], device: str) -> None:
        """@raises TrainingError if a file is no checkpoint of a run"""
        self._all: list[tuple[nn.Module, str, int]] = []
        for file in files:
            network, config = load_run(file)
            network = network.to(device, memory_format=torch.channels_last)
            self._all.append((network, config["task"], config["size"]))

    @property
    def tasks(self) -> list[str]:
        return [task for _, task, _ in self._all]

    @property
    def sizes(self) -> list[int]:
        return [size for _, _, size in self._all]

    def ask(self, images: Tensor) -> list[tuple[str, tuple[Tensor, ...]]]:
        """Each teacher's task and outputs, for images [n, 1, s, s], brought to the size that it was trained with."""
        told = []
        with torch.no_grad():
            for network, task, size in self._all:
                x = images
                if size != images.shape[-1]:
                    x = F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
                told.append((task, network(x.contiguous(memory_format=torch.channels_last))))
        return told
