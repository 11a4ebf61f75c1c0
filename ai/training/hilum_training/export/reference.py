"""The distributions that a model was accepted with, as the gateway watches them for drift (docs/drift.md; ai/drift)."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..data.pixels import read_gray
from ..data.samples import SampleSet


def _equal(bins: int, high: float, low: float = 0) -> list[float]:
    return [round(low + (high - low) * edge / bins, 10) for edge in range(bins + 1)]


SHARE = [
    0,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.03,
    0.04,
    0.05,
    0.075,
    0.1,
    0.125,
    0.15,
    0.2,
    0.25,
    0.3,
    0.4,
    0.5,
    0.75,
    1,
]
# The edges of ai/drift/quantities.ts: the gateway refuses others.
EDGES: dict[str, list[float]] = {
    "probability": _equal(20, 1),
    "positive": [0, 0.5, 1],
    "mean": _equal(50, 1),
    "deviation": _equal(50, 0.5),
    "black": SHARE,
    "white": SHARE,
    "sharpness": _equal(40, 0.2),
    "aspect": _equal(32, 2, 0.4),
}
# Gray values that count as black and as white, as in ai/drift/image-statistics.ts.
BLACK, WHITE = 5, 250


def statistics(images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """n times bytes [s, s] as the network sees them -> mean, deviation, shares of black and of white, sharpness: each
    [n]."""
    found: dict[str, list[float]] = {name: [] for name in ("mean", "deviation", "black", "white", "sharpness")}
    for image in images:
        deviation = float(image.std(dtype=float)) / 255
        steps = [np.abs(np.diff(image.astype(np.int16), axis=axis)) for axis in (0, 1)]
        step = sum(float(each.sum()) for each in steps) / sum(each.size for each in steps) / 255
        values = (
            image.mean(dtype=float) / 255,
            deviation,
            (image <= BLACK).mean(),
            (image >= WHITE).mean(),
            step / deviation if deviation else 0.0,
        )
        for name, value in zip(found, values):
            found[name].append(float(value))
    return {name: np.array(values) for name, values in found.items()}


def histogram(quantity: str, values: np.ndarray) -> dict[str, list]:
    """Counts in the bins of the quantity; what lies outside belongs to the first or the last."""
    edges = np.array(EDGES[quantity])
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return {"edges": EDGES[quantity], "counts": np.bincount(place, minlength=len(edges) - 1).tolist()}


def reference(name: str, sets: Sequence[SampleSet], probability: np.ndarray, threshold: float) -> dict:
    """Over all images of `sets`, in their order; `probability` [n] calibrated. The shape of the radiograph is left out
    where only stretched copies are left."""
    values = {"probability": probability, "positive": (probability >= threshold).astype(float)}
    # The gateway resizes with Lanczos: bilinear pictures are a little softer.
    values |= statistics([read_gray(s.path, images.size, Image.LANCZOS) for images in sets for s in images.samples])
    shapes = [(s.width, s.height) for images in sets for s in images.samples]
    if all(width and height for width, height in shapes):
        values["aspect"] = np.array([width / height for width, height in shapes])
    return {
        "set": name,
        "n": len(probability),
        "histograms": {key: histogram(key, each) for key, each in values.items()},
    }
