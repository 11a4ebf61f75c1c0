"""The sets of radiographs: read once, kept as bytes, split by patient.

An image is a 256 x 256 square of gray bytes (the whole radiograph, stretched); a box is x1, y1, x2, y2 in its pixels.
"""
import csv
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import TrainingError

SIZE = 256
# The fold of SIIM from which half of the patients are held out; the other half trains.
HELD_OUT_FOLD = "3"


@dataclass
class Item:
    """One radiograph. `located` says that its boxes are all there is to find, so that the heat map may learn from it."""

    path: Path
    patient: str
    positive: bool
    located: bool
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    fold: str = ""


@dataclass
class ImageSet:
    """Items and their pixels: `images` is uint8 [n, 256, 256], in the order of `items`."""

    name: str
    items: list[Item]
    images: np.ndarray

    def subset(self, keep: list[int]) -> "ImageSet":
        return ImageSet(self.name, [self.items[i] for i in keep], self.images[keep])


def patient_hash(patient: str) -> int:
    """A number fixed by the patient alone, so that the split never changes when images are added."""
    return int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16)


def held_out(name: str, item: Item) -> bool:
    """Half of the patients of one SIIM fold and a tenth of Kermany's are never trained on; phantoms always are."""
    if name == "siim":
        return item.fold == HELD_OUT_FOLD and patient_hash(item.patient) % 2 == 0
    if name == "kermany":
        return patient_hash(item.patient) % 10 == 0
    return False


def split(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Training part and held-out part. @raises TrainingError if a patient would be in both."""
    held = [held_out(images.name, item) for item in images.items]
    train_part = images.subset([i for i, h in enumerate(held) if not h])
    held_part = images.subset([i for i, h in enumerate(held) if h])
    both = {i.patient for i in train_part.items} & {i.patient for i in held_part.items}
    if both:
        raise TrainingError(f"{images.name}: {len(both)} patients are in training and held out, e.g. {sorted(both)[0]}")
    return train_part, held_part


def read_gray(path: Path) -> np.ndarray:
    """uint8 [256, 256]. @raises TrainingError if the file is not a readable image."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L").resize((SIZE, SIZE), Image.BILINEAR))
    except (OSError, ValueError) as reason:
        raise TrainingError(f"cannot read image {path}: {reason}") from reason


def _folder(path: Path) -> Path:
    if not path.exists():
        raise TrainingError(f"no data at {path}; see ai/training/README.md for what --data must hold")
    return path


def _load(name: str, items: list[Item], cache: Path, state: str = "") -> ImageSet:
    """Decode the images, or take them from the cache if it was made from the same list of files in the same state."""
    listing = hashlib.sha256("\n".join([str(i.path) for i in items] + [state] * bool(state)).encode()).hexdigest()[:16]
    file = cache / f"{name}-{SIZE}-{listing}.npy"
    if file.exists():
        return ImageSet(name, items, np.load(file))
    images = np.zeros((len(items), SIZE, SIZE), np.uint8)
    for i, item in enumerate(items):
        images[i] = read_gray(item.path)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, images)
    return ImageSet(name, items, images)


def _box(row: dict[str, str], scale_x: float = 1, scale_y: float = 1) -> np.ndarray:
    x, y, w, h = (float(row[key]) for key in ("x", "y", "w", "h"))
    return np.array([[x * scale_x, y * scale_y, (x + w) * scale_x, (y + h) * scale_y]], np.float32)


def load_siim(data: Path) -> ImageSet:
    """SIIM-FISABIO-RSNA: adults, boxes in the 256 frame. Rows with use_as_negative=0 are no sure negatives: dropped."""
    folder = _folder(data / "siim")
    found: dict[str, Item] = {}
    with open(_folder(folder / "labels.csv"), newline="") as file:
        for row in csv.DictReader(file):
            if row["use_as_negative"] == "0":
                continue
            positive = row["label"] == "opacity"
            item = found.setdefault(
                row["image"], Item(folder / row["image"], row["patient_id"], positive, True, fold=row["fold5"])
            )
            if positive:
                item.boxes = np.concatenate([item.boxes, _box(row)])
    return _load("siim", list(found.values()), data / "cache")


def load_kermany(data: Path) -> ImageSet:
    """Kermany: children, image labels only, so that an image with pneumonia teaches the heat map nothing."""
    folder = _folder(data / "kermany-train")
    items = []
    for label in ("NORMAL", "PNEUMONIA"):
        for path in sorted(_folder(folder / label).glob("*.jp*g")):
            patient = re.search(r"(IM-\d+|person\d+)", path.name)
            if not patient:
                raise TrainingError(f"no patient in the file name {path}")
            items.append(Item(path, patient[1], label == "PNEUMONIA", label == "NORMAL"))
    return _load("kermany", items, data / "cache")


def load_phantoms(data: Path) -> ImageSet | None:
    """Drawn thoraxes with known opacities, or None while there are none. Boxes are scaled from the image's own frame."""
    folder = data / "phantom"
    listing = folder / "labels.csv"
    if not listing.exists():
        return None
    found: dict[str, Item] = {}
    with open(listing, newline="") as file:
        for row in csv.DictReader(file):
            positive = row["label"] == "opacity"
            path = folder / row["image"] if (folder / row["image"]).exists() else folder / "images" / row["image"]
            item = found.setdefault(row["image"], Item(path, row["image"], positive, True))
            if positive:
                item.boxes = np.concatenate(
                    [item.boxes, _box(row, SIZE / float(row["width"]), SIZE / float(row["height"]))]
                )
    # Phantoms are drawn again under the same names: the time of the list tells one drawing from the next.
    return _load("phantom", list(found.values()), data / "cache", str(listing.stat().st_mtime_ns))
