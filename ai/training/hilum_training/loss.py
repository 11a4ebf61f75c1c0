"""What the network is asked to learn: targets on the 32 x 32 grid, and the three losses."""
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .legacy_data import SIZE
from .networks.detector import STRIDE, to_boxes

CELLS = SIZE // STRIDE
# TTFNet's alpha: the share of a box over which the target is spread (a Gaussian with sigma = alpha * side / 6).
SPREAD = 0.54
# The image label is worth as much as the heat map. Boxes count for more: what keeps AP at IoU 0.5 down is where the sides
# are, not whether an opacity is found (AP at IoU 0.3 is twice as high).
BOX_WEIGHT, IMAGE_WEIGHT = 6.0, 1.5


def targets(boxes: list[np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
    """Heat [n, 1, c, c] in 0 to 1, boxes [n, 4, c, c] (pixels), weight of each cell's box [n, c, c] (sum 1 a box)."""
    n = len(boxes)
    heat = np.zeros((n, CELLS, CELLS), np.float32)
    box_map = np.zeros((n, 4, CELLS, CELLS), np.float32)
    weight = np.zeros((n, CELLS, CELLS), np.float32)
    grid = np.arange(CELLS, dtype=np.float32)
    for i, found in enumerate(boxes):
        area = (found[:, 2:] - found[:, :2]).prod(1) if len(found) else []
        for box in found[np.argsort(-np.asarray(area))]:  # the smaller one, drawn last, keeps the cells they share
            w, h = (box[2:] - box[:2]) / STRIDE
            cx, cy = ((box[:2] + box[2:]) / 2 / STRIDE).astype(int).clip(0, CELLS - 1)
            sx, sy = max(SPREAD * w / 6, 0.4), max(SPREAD * h / 6, 0.4)
            shape = np.exp(-((grid[None] - cx) ** 2 / (2 * sx**2) + (grid[:, None] - cy) ** 2 / (2 * sy**2)))
            shape[shape < 0.01] = 0
            heat[i] = np.maximum(heat[i], shape)
            cells = shape > 0
            box_map[i][:, cells] = box[:, None]
            weight[i][cells] = shape[cells] / shape.sum()
    return torch.from_numpy(heat)[:, None], torch.from_numpy(box_map), torch.from_numpy(weight)


def heat_loss(logits: Tensor, heat: Tensor, located: Tensor) -> Tensor:
    """Focal loss with reduced penalty near centres (Objects as Points, eq. 1), over the images with `located` = 1."""
    p = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    centre = (heat == 1).float()
    gain = centre * (1 - p) ** 2 * p.log() + (1 - centre) * (1 - heat) ** 4 * p**2 * (1 - p).log()
    mask = located.view(-1, 1, 1, 1)
    return -(gain * mask).sum() / (centre * mask).sum().clamp(min=1)


def box_loss(distances: Tensor, box_map: Tensor, weight: Tensor) -> Tensor:
    """1 - GIoU (Rezatofighi 2019, arXiv 1902.09630), weighted by cell; every box counts the same."""
    a, b = to_boxes(distances), box_map
    inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    outer = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inner
    giou = inner / union.clamp(min=1) - (outer - union) / outer.clamp(min=1)
    return ((1 - giou) * weight).sum() / weight.sum().clamp(min=1)


def total_loss(
    outputs: tuple[Tensor, Tensor, Tensor], boxes: list[np.ndarray], positive: Tensor, located: Tensor, weight: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """The weighted sum, and its parts for the log. `weight` [n] balances the labels within each set."""
    logit, heat, distances = outputs
    heat_target, box_map, box_weight = targets(boxes)
    parts = {
        "heat": heat_loss(heat, heat_target, located),
        "box": BOX_WEIGHT * box_loss(distances, box_map, box_weight),
        "image": IMAGE_WEIGHT * F.binary_cross_entropy_with_logits(logit[:, 0], positive, weight),
    }
    return sum(parts.values()), {name: float(part.detach()) for name, part in parts.items()}
