"""The runs that are judged or exported together, as one reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import TrainingError
from ..networks.build import load_run, read_checkpoint
from .readers import ClassifierReader, DetectorReader

# What runs must share to be averaged, and to be judged on the same images.
SHARED = ("task", "labels", "size")


@dataclass
class Runs:
    """`labels` in the order of the logits; a single logit is that of the only one that is positive. `progress` is how
    far each run has come, whichever of its weights are taken."""

    folders: list[Path]
    configs: list[dict[str, Any]]
    networks: list[nn.Module]
    progress: list[dict[str, Any]]

    @property
    def lengths(self) -> list[str]:
        """How long each was trained, in words."""
        return [
            f"{p['epoch']} epochs, {p['step']:,} steps of {c['options']['batch']} images, {p['seconds'] / 60:.0f} "
            "minutes" + (f"; the weights of epoch {best + 1}" if best >= 0 else "")
            for p, c, best in zip(self.progress, self.configs, (p["best"]["epoch"] for p in self.progress))
        ]

    @property
    def config(self) -> dict[str, Any]:
        return self.configs[0]

    @property
    def task(self) -> str:
        return self.config["task"]

    @property
    def size(self) -> int:
        return self.config["size"]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.config["labels"] if self.task == "type" else self.config["labels"][1:])

    @property
    def positive(self) -> tuple[bool, ...]:
        return tuple(label != "normal" for label in self.labels)

    def reader(self, flip: bool) -> nn.Module:
        if self.task == "detection":
            return DetectorReader(self.networks, flip).eval()
        return ClassifierReader(self.networks, self.positive, flip).eval()


def checkpoint(folder: Path, which: str) -> Path:
    """`which` is best or last; the other where there is only that. @raises TrainingError if there is neither"""
    for name in (which, "last" if which == "best" else "best"):
        if (folder / f"{name}.pt").is_file():
            return folder / f"{name}.pt"
    raise TrainingError(f"no {which}.pt in {folder}: is it the --out of a `train fit`?")


def load_runs(folders: Sequence[Path], which: str = "best") -> Runs:
    """@raises TrainingError if a folder holds no run, or two are not of one task, size and set of labels"""
    files = [checkpoint(folder, which) for folder in folders]
    loaded = [load_run(file) for file in files]
    progress = [read_checkpoint(checkpoint(folder, "last"))["progress"] for folder in folders]
    runs = Runs(list(folders), [config for _, config in loaded], [network for network, _ in loaded], progress)
    for folder, config in zip(folders, runs.configs):
        for key in SHARED:
            if config[key] != runs.config[key]:
                raise TrainingError(
                    f"{folder} has {key} {config[key]}, but {folders[0]} has {runs.config[key]}: they cannot be "
                    "averaged"
                )
    return runs
