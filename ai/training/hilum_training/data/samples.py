"""One radiograph and what is known of it; a set of them with their pixels."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..errors import TrainingError
from .pixels import read_gray

NORMAL = "normal"
# "pneumonia" is one of unknown kind: bacterial and viral are pneumonia as well.
LABELS = (NORMAL, "bacterial", "viral", "pneumonia")
# Fewer images than this are read in a moment: no progress bar.
WORTH_A_BAR = 500


def quiet(count: int) -> bool | None:
    """tqdm's `disable` for so many things to do; None leaves it to tqdm, which is silent where nobody watches."""
    return True if count < WORTH_A_BAR else None


def no_boxes() -> np.ndarray:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, eq=False)
class Sample:
    """One radiograph.

    `boxes` is float32 [k, 4]: x1, y1, x2, y2 as fractions of the image's width and height, and so is `lung` [4], the
    box of both lungs. `located` says that the boxes are all there is to find, so that a detector may learn from the
    rest of the image too; it is true of every negative. `detail` is the source's own, finer class.
    """

    path: Path
    patient: str
    source: str
    label: str
    boxes: np.ndarray = field(default_factory=no_boxes)
    located: bool = True
    fold: str = ""
    age: float | None = None  # years
    sex: str = ""  # F, M, O as in Patient's Sex
    view: str = ""  # AP, PA, LL … as in View Position
    width: int = 0  # of the radiograph as taken; 0 where only a stretched copy is left
    height: int = 0
    lung: np.ndarray | None = None
    detail: str = ""

    @property
    def positive(self) -> bool:
        return self.label != NORMAL


@dataclass
class SampleSet:
    """Samples and their pixels: `images` is uint8 [n, size, size], 0 black, each radiograph stretched to the square."""

    samples: list[Sample]
    images: np.ndarray

    @property
    def size(self) -> int:
        return self.images.shape[1]

    def __len__(self) -> int:
        return len(self.samples)

    def subset(self, indices) -> "SampleSet":
        """Those at `indices` (integers), in that order."""
        indices = np.asarray(indices, int)
        return SampleSet([self.samples[i] for i in indices], self.images[indices])


def _cache_file(samples: list[Sample], size: int, cache: Path) -> Path:
    """Named by everything that the pixels follow from, so that a changed file never gives its old picture."""
    listing = hashlib.sha256()
    for sample in samples:
        try:
            state = os.stat(sample.path)
        except OSError as reason:
            raise TrainingError(f"cannot read image {sample.path}: {reason.strerror}") from reason
        listing.update(f"{sample.path}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return cache / f"{samples[0].source}-{size}-{len(samples)}-{listing.hexdigest()[:16]}.npy"


def _cached(file: Path, shape: tuple[int, int, int]) -> np.ndarray | None:
    if not file.exists():
        return None
    try:
        images = np.load(file)
    except (OSError, ValueError, EOFError):
        return None  # a spoilt cache is made again
    return images if images.shape == shape and images.dtype == np.uint8 else None


def _decoded(samples: list[Sample], size: int, cache: Path | None) -> np.ndarray:
    file = _cache_file(samples, size, cache) if cache else None
    images = _cached(file, (len(samples), size, size)) if file else None
    if images is not None:
        return images
    images = np.empty((len(samples), size, size), np.uint8)
    for i, sample in enumerate(tqdm(samples, "reading images", unit="", disable=quiet(len(samples)))):
        images[i] = read_gray(sample.path, size)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The process's number keeps two runs that decode the same set apart; .npy, or numpy appends it.
        partial = file.with_name(f"{file.stem}.{os.getpid()}.partial.npy")
        np.save(partial, images)
        partial.rename(file)
    return images


def load_images(samples: list[Sample], size: int, cache: Path | None) -> SampleSet:
    """The pixels of `samples` at size x size, decoded or, where `cache` (a folder) has them, taken from there: one file
    for each source, so that it serves whatever sources are combined.

    @raises TrainingError naming the file if one cannot be read, or if there are no samples
    """
    if not samples:
        raise TrainingError("there are no images to load")
    at: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        at.setdefault(sample.source, []).append(i)
    if len(at) == 1:
        return SampleSet(samples, _decoded(samples, size, cache))
    images = np.empty((len(samples), size, size), np.uint8)
    for indices in at.values():
        images[indices] = _decoded([samples[i] for i in indices], size, cache)
    return SampleSet(samples, images)
