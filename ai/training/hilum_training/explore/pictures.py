"""Radiographs in the report: samples with their boxes, pairs, mean images, the map of where boxes lie."""

import io

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from ..data.samples import Sample
from ..drawing import inlined
from .charts import GRID
from .exploration import Exploration

SIDE = 240  # pixels of a picture's longer side
TRUTH, LUNG = (230, 57, 43), (92, 160, 230)


def png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return inlined("png", buffer.getvalue())


def _shape(sample: Sample, side: int) -> tuple[int, int]:
    """Width and height of the picture: as taken, where that is known."""
    width, height = sample.width or 1, sample.height or 1
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def draw(image: np.ndarray, sample: Sample, side: int = SIDE) -> str:
    """The radiograph in its own proportions, its boxes in red, the box of the lungs in blue."""
    width, height = _shape(sample, side)
    small = Image.fromarray(image).resize((width, height), Image.BICUBIC)
    if not len(sample.boxes) and sample.lung is None:
        return png(small)
    picture = small.convert("RGB")
    pen = ImageDraw.Draw(picture)
    frame = np.array([width, height, width, height]) - 1
    if sample.lung is not None:
        pen.rectangle(tuple(sample.lung * frame), outline=LUNG, width=1)
    for box in sample.boxes:
        pen.rectangle(tuple(box * frame), outline=TRUTH, width=2)
    # Few colours are needed beside gray: a palette makes the page a third of the size.
    return png(picture.quantize(96, dither=Image.Dither.NONE))


def chosen(e: Exploration, source: str, label: str, count: int, seed: int) -> list[int]:
    """Images drawn by chance, each of another patient as far as there are enough."""
    at = e.where(source, label)
    at = np.random.default_rng([seed, len(at)]).permutation(at)
    first: dict[str, int] = {}
    for i in at:
        first.setdefault(e.samples[i].patient, int(i))
    rest = [int(i) for i in at if int(i) not in first.values()] if len(first) < count else []
    return [*first.values(), *rest][:count]


def _reduced(images: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(image).resize((GRID, GRID), Image.BOX)) for image in images]).mean(0)


def mean_image(e: Exploration, indices: np.ndarray, most: int = 400) -> np.ndarray:
    """Mean of up to `most` of the images, spread over them: float [GRID, GRID], 0 to 255."""
    at = indices[np.unique(np.linspace(0, len(indices) - 1, min(len(indices), most)).astype(int))]
    return _reduced(e.images.images[at])


def mean_picture(e: Exploration, source: str, label: str) -> str:
    mean = mean_image(e, e.where(source, label))
    return png(Image.fromarray(mean.round().astype(np.uint8)).resize((SIDE, SIDE), Image.BICUBIC))


def coverage(samples: list[Sample]) -> np.ndarray:
    """Share of the images with boxes in which a box covers the place: float [GRID, GRID]."""
    total, boxed = np.zeros((GRID, GRID)), [sample for sample in samples if len(sample.boxes)]
    for sample in boxed:
        seen = np.zeros((GRID, GRID), bool)
        for x1, y1, x2, y2 in sample.boxes * GRID:
            seen[int(y1) : max(int(np.ceil(y2)), int(y1) + 1), int(x1) : max(int(np.ceil(x2)), int(x1) + 1)] = True
        total += seen
    return total / max(len(boxed), 1)


def heat_map(e: Exploration, source: str) -> tuple[str, float]:
    """Where boxes lie, over the mean radiograph; and the largest share of boxed images that one place is covered in."""
    covered = coverage([e.samples[i] for i in e.where(source)])
    top = max(float(covered.max()), 1e-6)
    mean = mean_image(e, e.where(source)) / 255
    heat = matplotlib.colormaps["inferno"](covered / top)[..., :3]
    weight = 0.72 * (covered / top)[..., None] ** 0.5
    mixed = (1 - weight) * mean[..., None] * 0.8 + weight * heat
    picture = Image.fromarray((255 * mixed).clip(0, 255).astype(np.uint8)).resize((SIDE * 2, SIDE * 2), Image.BICUBIC)
    return png(picture), top
