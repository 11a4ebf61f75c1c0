"""Radiographs with the truth in red and what the model tells in blue: its best hits, and its worst mistakes."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..drawing import inlined
from .answers import Answers
from .boxes import Found
from .fitting import Fitted, told

SIDE = 320  # pixels of a picture: four beside each other in the report
TRUTH, TOLD = (230, 57, 43), (66, 150, 255)


@dataclass(frozen=True)
class Picture:
    address: str
    caption: str


def draw(image: np.ndarray, found: Found, side: int = SIDE) -> bytes:
    """Bytes [size, size] and boxes in its pixels -> JPEG."""
    scale = side / image.shape[0]
    picture = Image.fromarray(image).resize((side, side), Image.BICUBIC).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for box in found.truth:
        pen.rectangle(tuple(box * scale), outline=TRUTH, width=2)
    for box, score in zip(found.boxes, found.scores):
        x1, y1, x2, y2 = box * scale
        pen.rectangle((x1, y1, x2, y2), outline=TOLD, width=2)
        pen.text((x1 + 4, min(y1 + 3, side - 12)), f"{score:.2f}", fill=TOLD)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _chosen(probability: np.ndarray, truth: np.ndarray, threshold: float, count: int) -> dict[str, np.ndarray]:
    """Indices by heading: of one image a hundred times worse than its neighbour, the report should show the worst."""
    called = probability >= threshold
    missed, alarmed = np.flatnonzero(~called & (truth == 1)), np.flatnonzero(called & (truth == 0))
    found, rest = np.flatnonzero(called & (truth == 1)), np.flatnonzero(~called & (truth == 0))
    return {
        "Missed, least suspected first": missed[np.argsort(probability[missed])][:count],
        "False alarms, most suspected first": alarmed[np.argsort(-probability[alarmed])][:count],
        "Found, spread over what is told": found[np.argsort(-probability[found])][_spread(len(found), count)],
        "Negative, and called so": rest[np.argsort(-probability[rest])][_spread(len(rest), count)],
    }


def _spread(length: int, count: int) -> np.ndarray:
    return np.unique(np.linspace(0, length - 1, count).round().astype(int)) if length else np.zeros(0, int)


def gallery(answers: Answers, images: np.ndarray, fitted: Fitted, count: int = 4) -> dict[str, list[Picture]]:
    """Pictures by heading; a heading without an image is left out."""
    probability, shown = fitted.calibration.probability(answers.logits), told(answers, fitted)
    pages = {}
    for heading, chosen in _chosen(probability, answers.truth(), fitted.point.threshold, count).items():
        pages[heading] = [
            Picture(
                inlined("jpeg", draw(images[i], shown[i])),
                f"{answers.samples[i].path.name}: {answers.samples[i].label}, told {probability[i]:.2f}",
            )
            for i in chosen
        ]
    return {heading: pictures for heading, pictures in pages.items() if pictures}
