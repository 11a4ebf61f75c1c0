"""Regions as the gateway makes them (ai/runtime/mask.ts, outputs.ts): from a class activation map, or from boxes."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .boxes import Found

# Of two answers for one opacity both are wanted where they share less: AP50 on validation 0.471 at 0.5, 0.485 at 0.6, 0.484 at 0.7.
NMS_IOU = 0.6
MOST_REGIONS = 10
# A part of less than one hundredth of the radiograph is smaller than nearly every box that a reader draws.
LEAST_AREA = 0.01


@dataclass(frozen=True)
class MapRule:
    """Parts of a map from `threshold` on: a share of the map's highest value, since such maps have no scale of their
    own."""

    threshold: float
    least_area: float = LEAST_AREA


# Places on a side of the grid on which parts are looked for; the cells of a network's last layer are too few.
FINE = 64


def interpolated(heat: np.ndarray) -> np.ndarray:
    """A coarse map [h, w] on a finer grid, bilinear between the centres of its cells; beyond the last centre as that
    cell."""
    factor = -(-FINE // min(heat.shape))
    if factor <= 1:
        return heat
    for axis, size in enumerate(heat.shape):
        at = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
        before = np.floor(at).astype(int)
        share = np.expand_dims((at - before).astype(np.float32), 1 - axis)
        heat = heat.take(before, axis) * (1 - share) + heat.take(np.minimum(before + 1, size - 1), axis) * share
    return heat


def map_regions(heat: np.ndarray, rule: MapRule, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A map [h, w] in 0 to 1 -> boxes [k, 4] in pixels of a `size` x `size` frame and scores [k] (the part's mean),
    best first."""
    heat = interpolated(heat)
    labelled, count = ndimage.label(heat >= rule.threshold * heat.max())
    boxes, scores = [], []
    for part, (rows, columns) in enumerate(ndimage.find_objects(labelled), 1):
        member = labelled[rows, columns] == part
        if member.sum() < max(1, rule.least_area * heat.size):
            continue
        boxes.append([columns.start, rows.start, columns.stop, rows.stop])
        scores.append(heat[rows, columns][member].mean())
    if not boxes:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    order = np.argsort(-np.array(scores), kind="stable")[:MOST_REGIONS]
    scale = np.array([size / heat.shape[1], size / heat.shape[0]] * 2, np.float32)
    return (np.array(boxes, np.float32) * scale)[order], np.array(scores, np.float32)[order]


def reported(found: list[Found], probability: np.ndarray, threshold: float, score: float) -> list[Found]:
    """What is told: nothing on an image called negative; else the boxes from `score` on, at most ten; where none
    reaches it, the best one if it comes half way."""
    told = []
    for f, p in zip(found, probability):
        keep = np.flatnonzero(f.scores >= score)[:MOST_REGIONS]
        if len(keep) == 0 and len(f.scores) and f.scores[0] >= score / 2:
            keep = np.array([0])
        if p < threshold:
            keep = keep[:0]
        told.append(Found(f.boxes[keep], f.scores[keep], f.truth))
    return told
