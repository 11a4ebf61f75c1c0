"""Lungs that people outlined (v7labs' masks of Kermany's radiographs, CC BY 4.0): masks.csv with image, mask and match,
beside masks/. `match` is segment where the mask is a person's; what a program filled in is not learnt from.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from .listing import folder, read_rows
from .pixels import read_gray
from .samples import Sample, quiet

# Shares of the image and of each other, a little wider than people's outlines of whole lungs are (docs/severity.md).
LEAST_AREA, MOST_AREA = 0.04, 0.4
LEAST_RATIO = 0.4
LEAST_DISTANCE = 0.15
# More than this share of a mask beside its two largest parts, and it is not two lungs.
MOST_SCATTERED = 0.02


def lungs_of(mask: np.ndarray) -> np.ndarray | str:
    """bool [h, w] -> bool [2, h, w]: the lung on the left of the image, which is the patient's right one, and the
    other; or what is wrong with the mask, in words."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return "lungs not apart"
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    largest = np.argsort(-area)[:2] + 1
    if mask.sum() - area[largest - 1].sum() > MOST_SCATTERED * mask.sum():
        return "more than two pieces"
    shares = area[largest - 1] / mask.size
    if shares.min() < LEAST_AREA or shares.max() > MOST_AREA or shares.min() < LEAST_RATIO * shares.max():
        return "of an area that lungs do not have"
    centres = np.array([np.nonzero(labels == part)[1].mean() for part in largest])
    if abs(centres[0] - centres[1]) < LEAST_DISTANCE * mask.shape[1]:
        return "not side by side"
    return np.stack([labels == part for part in largest[np.argsort(centres)]])


def mask_files(place: Path) -> dict[str, Path]:
    """The people's masks, by the file name of their image. @raises TrainingError for a missing list or column"""
    folder(place, "the layout of lung masks is masks.csv and masks/")
    rows = read_rows(place / "masks.csv", ("image", "mask", "match"))
    drawn = [row for row in rows if row.text("match") == "segment"]
    return {Path(row.required("image")).name: place / row.required("mask") for row in drawn}


@dataclass
class LungMasks:
    """Radiographs and their lungs, packed: a bit for each pixel of each lung. `left_out` counts reasons."""

    samples: list[Sample]
    size: int
    packed: np.ndarray
    left_out: Counter[str]

    def at(self, indices) -> np.ndarray:
        """bool [k, 2, size, size]."""
        bits = np.unpackbits(self.packed[np.asarray(indices, int)], axis=1, count=2 * self.size**2)
        return bits.reshape(-1, 2, self.size, self.size).astype(bool)


def read_lung_masks(samples: list[Sample], place: Path, size: int) -> LungMasks:
    """Those of `samples` that have a mask of two lungs, at size x size.

    @raises TrainingError if the list or a mask cannot be read
    """
    files, kept, packed, left_out = mask_files(place), [], [], Counter()
    outlined = [sample for sample in samples if sample.path.name in files]
    for sample in tqdm(outlined, "reading masks", unit="", disable=quiet(len(outlined))):
        lungs = lungs_of(read_gray(files[sample.path.name], size, Image.NEAREST) > 0)
        if isinstance(lungs, str):
            left_out[lungs] += 1
            continue
        kept.append(sample)
        packed.append(np.packbits(lungs))
    return LungMasks(kept, size, np.array(packed, np.uint8).reshape(len(kept), -1), left_out)
