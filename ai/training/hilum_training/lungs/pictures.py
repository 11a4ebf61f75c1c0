"""Radiographs with the lungs that were drawn on them: the truth red, the model's blue and cyan, opacities yellow."""
import io

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from ..data.samples import Sample
from .material import Lungs
from .measure import dice, within

SIDE = 384  # pixels of a tile: four beside each other fit a screen
COLUMNS = 4
TRUTH, RIGHT, LEFT, OPAQUE = (255, 60, 60), (70, 150, 255), (0, 225, 225), (255, 220, 0)


def _edge(mask: np.ndarray) -> np.ndarray:
    """bool [s, s] -> its outline in pixels of a tile, two wide."""
    big = np.asarray(Image.fromarray((mask * 255).astype(np.uint8)).resize((SIDE, SIDE), Image.BILINEAR)) > 127
    return big & ~ndimage.binary_erosion(big, iterations=2)


def tile(image: np.ndarray, told: np.ndarray, truth: np.ndarray | None, sample: Sample, caption: str) -> np.ndarray:
    """uint8 [s, s] and bool [2, s, s] -> uint8 [SIDE, SIDE, 3]."""
    gray = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.BICUBIC))
    picture = np.repeat(gray[..., None], 3, axis=2)
    for lung in truth if truth is not None else []:
        picture[_edge(lung)] = TRUTH
    for lung, colour in zip(told, (RIGHT, LEFT)):
        picture[_edge(lung)] = colour
    drawing = Image.fromarray(picture)
    pen = ImageDraw.Draw(drawing)
    for box in sample.boxes * SIDE:
        pen.rectangle([float(v) for v in box], outline=OPAQUE)
    if sample.lung is not None:
        pen.rectangle([float(v) for v in sample.lung * SIDE], outline=TRUTH)
    pen.text((6, 4), caption, fill=(255, 255, 255))
    return np.asarray(drawing)


def _spread(order: np.ndarray, count: int) -> np.ndarray:
    """The first of `order`, and others evenly over all of it."""
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]


def sheet(lungs: Lungs, told: tuple[np.ndarray, np.ndarray]) -> bytes:
    """PNG of twelve: of the outlined, from the worst dice to the best, pneumonia and normal; of the boxed, those with
    the largest opacities, and those whose opacities lie least within the lungs."""
    tiles = []
    outlined, truth = lungs.outlined.images, lungs.truth()
    each = dice(told[0], truth).mean(1)
    positive = np.array([s.positive for s in outlined.samples])
    for group, count in ((positive, 4), (~positive, 2)):
        order = np.flatnonzero(group)[np.argsort(each[group])]
        for i in _spread(order, count) if len(order) else []:
            sample = outlined.samples[i]
            tiles.append(tile(outlined.images[i], told[0][i], truth[i], sample, f"{sample.label}, dice {each[i]:.3f}"))
    boxed = lungs.boxed.samples
    area = np.array([(s.boxes[:, 2:] - s.boxes[:, :2]).prod(1).sum() for s in boxed])
    inside = np.array([within(mask, s.boxes).min() if len(s.boxes) else 2.0 for mask, s in zip(told[1], boxed)])
    for i in dict.fromkeys([*np.argsort(-area)[:3], *np.argsort(inside)[:2], int(np.argmin(area))]):
        share = f", opacities within by {inside[i]:.0%} or more" if inside[i] <= 1 else ""
        tiles.append(tile(lungs.boxed.images[i], told[1][i], None, boxed[i], f"adult{share}"))
    tiles += [np.zeros((SIDE, SIDE, 3), np.uint8)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i:i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
