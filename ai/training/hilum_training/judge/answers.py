"""What a network said about a set of images, whichever runtime ran it."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ..data.samples import Sample, SampleSet
from ..errors import TrainingError
from .boxes import Found, suppress
from .regions import NMS_IOU

# Fewer images than this are asked in a moment: no progress bar.
WORTH_A_BAR = 200


@dataclass
class Answers:
    """`logits` [n, C]; `boxes` (a detector's, overlaps removed, every score) or `maps` [n, h, w] (a classifier's, 0 to
    1)."""

    samples: list[Sample]
    size: int
    logits: np.ndarray
    boxes: list[Found] | None = None
    maps: np.ndarray | None = None
    patients: list[str] = field(init=False)
    sources: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.patients = [f"{s.source} {s.patient}" for s in self.samples]
        self.sources = np.array([s.source for s in self.samples])

    def truth(self) -> np.ndarray:
        """1 where the radiograph shows the finding, float [n]."""
        return np.array([s.positive for s in self.samples], float)

    def kinds(self, labels: tuple[str, ...]) -> np.ndarray:
        """The number of each image's label, or -1 where its kind is not known: int [n]."""
        return np.array([labels.index(s.label) if s.label in labels else -1 for s in self.samples])

    def true_boxes(self) -> list[np.ndarray]:
        """[m, 4] a image, in pixels of the network's frame."""
        return [s.boxes * self.size for s in self.samples]

    def only(self, keep: np.ndarray) -> "Answers":
        """Those at `keep`, bool [n]."""
        at = np.flatnonzero(keep)
        boxes = [self.boxes[i] for i in at] if self.boxes is not None else None
        maps = self.maps[at] if self.maps is not None else None
        return Answers([self.samples[i] for i in at], self.size, self.logits[at], boxes, maps)


def from_tensors(tensors: dict[str, np.ndarray], samples: list[Sample], size: int) -> Answers:
    """`tensors` by the names of the exported graph: logit, and boxes with scores or cam.

    @raises TrainingError naming the first image for which one holds a value that is no number
    """
    for name, values in tensors.items():
        spoilt = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(1))
        if len(spoilt):
            raise TrainingError(
                f"the network answers NaN in {name} for {samples[spoilt[0]].path} and {len(spoilt) - 1} more"
            )
    answers = Answers(samples, size, tensors["logit"].astype(np.float64))
    if "boxes" in tensors:
        answers.boxes = []
        for boxes, scores, truth in zip(tensors["boxes"], tensors["scores"], answers.true_boxes()):
            kept = suppress(boxes, scores, NMS_IOU)
            answers.boxes.append(Found(boxes[kept], scores[kept], truth))
    else:
        answers.maps = tensors["cam"][:, 0]
    return answers


def run(reader: nn.Module, images: np.ndarray, batch: int = 16) -> dict[str, np.ndarray]:
    """Bytes [n, size, size] -> the reader's outputs by name, float32."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in reader.outputs}
    reader.eval().to(memory_format=torch.channels_last)  # twice as fast on a CPU
    with torch.no_grad():
        for start in tqdm(
            range(0, len(images), batch), "asking the network", unit="batch", disable=len(images) < WORTH_A_BAR
        ):
            x = torch.from_numpy(images[start : start + batch]).unsqueeze(1).float() / 255
            for name, value in zip(reader.outputs, reader(x.contiguous(memory_format=torch.channels_last))):
                found[name].append(value.float().numpy())
    return {name: np.concatenate(values) for name, values in found.items()}


def ask(reader: nn.Module, images: SampleSet, batch: int = 16) -> Answers:
    return from_tensors(run(reader, images.images, batch), images.samples, images.size)
