"""How well drawn lungs fit outlines, boxes around both lungs, and the opacities that must lie within them."""
import numpy as np
from scipy import ndimage


def drawn(logits: np.ndarray) -> np.ndarray:
    """Logits [n, 2, s, s] -> bool, the largest connected part of each lung, as the gateway takes it (ai/severity)."""
    lungs = logits >= 0
    for image in lungs:
        for lung in image:
            labels, count = ndimage.label(lung)
            if count > 1:
                lung &= labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return lungs


def dice(told: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """bool [n, 2, s, s] -> [n, 2]; 1 where both are empty."""
    both, sizes = (told & truth).sum((2, 3)), told.sum((2, 3)) + truth.sum((2, 3))
    return np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), 1.0)


def around(lungs: np.ndarray) -> np.ndarray:
    """bool [n, 2, s, s] -> [n, 4] the box around both lungs, fractions of the image; zeros where nothing was drawn."""
    size, boxes = lungs.shape[-1], np.zeros((len(lungs), 4))
    for box, either in zip(boxes, lungs.any(1)):
        ys, xs = np.nonzero(either)
        if len(xs):
            box[:] = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) / size
    return boxes


def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [n, 4] with those beside them."""
    sides = (np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])).clip(0)
    both = sides.prod(1)
    union = (one[:, 2:] - one[:, :2]).prod(1) + (other[:, 2:] - other[:, :2]).prod(1) - both
    return both / np.maximum(union, 1e-9)


def within(lungs: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """bool [2, s, s] and boxes [k, 4] in fractions -> [k] the share of each box's pixels that are lung."""
    either, size = lungs.any(0), lungs.shape[-1]
    shares = []
    for x1, y1, x2, y2 in np.round(boxes * size).astype(int):
        part = either[y1:max(y2, y1 + 1), x1:max(x2, x1 + 1)]
        shares.append(part.mean() if part.size else 0.0)
    return np.array(shares)


def exchanged(told: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """bool [n]: a lung lies more on the other one's outline than on its own."""
    own, other = (told & truth).sum((2, 3)), (told & truth[:, ::-1]).sum((2, 3))
    return (other > own).any(1)
