"""Radiographs with outlined lungs, and others of which only the box around both lungs is known; by parts."""
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, from_numpy
from torch.nn import functional as F

from ..data.duplicates import refuse_leaks
from ..data.lungmasks import LungMasks, read_lung_masks
from ..data.samples import Sample, SampleSet, load_images
from ..data.sources import read_source
from ..data.splits import part_indices, read_split
from ..errors import TrainingError
from ..networks.lungs import SIZE

# Twice as fine as what the network sees: moved at that, then averaged, images stay as sharp as unmoved ones.
FINE = 2 * SIZE


@dataclass
class Outlined:
    """Images and the lungs on them, `masks` of the same numbers as `images`."""

    images: SampleSet
    masks: LungMasks


@dataclass
class Lungs:
    """What a part of the split holds: outlined lungs, and `boxed` images, whose samples all have a `lung`."""

    outlined: Outlined
    boxed: SampleSet

    def truth(self) -> np.ndarray:
        """bool [n, 2, SIZE, SIZE] of the outlined."""
        masks = self.outlined.masks
        parts = np.array_split(np.arange(len(masks.samples)), 1 + len(masks.samples) // 64)
        return np.concatenate([halved(from_numpy(masks.at(part)).float()).numpy() > 0.5 for part in parts])


def seen(images: np.ndarray) -> Tensor:
    """uint8 [n, s, s] -> float32 [n, 1, s, s] in 0 to 1."""
    return from_numpy(images).unsqueeze(1).float() / 255


def halved(images: Tensor) -> Tensor:
    """[n, c, FINE, FINE] -> [n, c, SIZE, SIZE], as the gateway averages pixels."""
    return F.avg_pool2d(images, FINE // SIZE)


def shown(images: np.ndarray) -> np.ndarray:
    """uint8 [n, FINE, FINE] -> uint8 [n, SIZE, SIZE]."""
    parts = np.array_split(images, 1 + len(images) // 64)
    return np.concatenate([halved(seen(part)).mul(255).round().byte()[:, 0].numpy() for part in parts])


@dataclass
class Where:
    """As told on the command line. `masks` is the folder of masks.csv."""

    outlined: str
    masks: Path
    boxed: str
    splits: list[Path]
    cache: Path | None

    def record(self) -> dict[str, Any]:
        """What a checkpoint keeps, to know the material again."""
        files = [{"file": str(f), "sha256": hashlib.sha256(f.read_bytes()).hexdigest()} for f in self.splits]
        return {"data": [self.outlined, self.boxed], "masks": str(self.masks), "split": files}


def _some(what: list, where: Where, part: str, kind: str) -> None:
    if not what:
        raise TrainingError(f"no {kind} in the {part} part of {', '.join(map(str, where.splits))}")


def load_parts(where: Where, parts: tuple[str, ...]) -> dict[str, Lungs]:
    """@raises TrainingError for bad data, a patient in no part, a picture in two of them, or a part without material"""
    split = read_split(*where.splits)
    outlined, boxed = read_source(where.outlined), [s for s in read_source(where.boxed) if s.lung is not None]
    if not boxed:
        raise TrainingError(f"{where.boxed} tells of no image where its lungs are")
    listed = {where.outlined: outlined, where.boxed: boxed}
    whole = {spec: load_images(samples, FINE, where.cache) for spec, samples in listed.items()}
    for images in whole.values():
        refuse_leaks(images, split)
    at = {spec: part_indices(images.samples, split) for spec, images in whole.items()}
    found = {}
    for part in parts:
        candidates = whole[where.outlined].subset(at[where.outlined][part])
        masks = read_lung_masks(candidates.samples, where.masks, FINE)
        _some(masks.samples, where, part, f"outlined lungs of {where.outlined}")
        number = {id(sample): i for i, sample in enumerate(candidates.samples)}
        held = whole[where.boxed].subset(at[where.boxed][part])
        _some(held.samples, where, part, f"boxed lungs of {where.boxed}")
        found[part] = Lungs(Outlined(candidates.subset([number[id(s)] for s in masks.samples]), masks), held)
    return found


def lung_boxes(samples: list[Sample]) -> np.ndarray:
    """float32 [n, 4], fractions of the image."""
    return np.stack([s.lung for s in samples]).astype(np.float32)
