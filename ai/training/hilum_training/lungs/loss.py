"""What is wrong with the lungs that a network draws: against outlines, and, where there are none, against a box around
both.

A box says of every row and every column whether there is any lung in it, and so must the drawing's projections: BoxInst
(Tian 2020, arXiv 2012.02310), eq. 2. Only of the columns between the lungs it says nothing.
"""
import torch
from torch import Tensor
from torch.nn import functional as F

BOX_WEIGHT = 0.5
# No pixel is of both lungs; where only a box is known, nothing else says so.
SHARED_WEIGHT = 0.2
# Where the mediastinum may be, as shares of the box's width: the columns in which there need be no lung.
BETWEEN = (0.35, 0.65)


def _dice_loss(told: Tensor, truth: Tensor, over: tuple[int, ...]) -> Tensor:
    """1 - dice over the dimensions `over`, smoothed so that nothing against nothing is right."""
    return 1 - (2 * (told * truth).sum(over) + 1) / ((told + truth).sum(over) + 1)


def outline_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Logits and masks [n, 2, s, s], masks 0 to 1."""
    return F.binary_cross_entropy_with_logits(logits, masks) + _dice_loss(logits.sigmoid(), masks, (2, 3)).mean()


def box_loss(logits: Tensor, boxes: Tensor) -> Tensor:
    """Logits [n, 2, s, s], boxes [n, 4] x1, y1, x2, y2 in their pixels; a box of no area says nothing."""
    p, size = logits.sigmoid(), logits.shape[-1]
    either = 1 - (1 - p[:, 0]) * (1 - p[:, 1])
    known = ((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])).float()
    middle = torch.arange(size, device=logits.device) + 0.5
    left, top, right, bottom = (side.unsqueeze(1) for side in boxes.unbind(1))
    across = (middle - left) / (right - left).clamp(min=1e-6)
    told = ((across < BETWEEN[0]) | (across > BETWEEN[1])).float()
    columns = _dice_loss(either.amax(1) * told, ((across >= 0) & (across < 1)) * told, (1,))
    rows = _dice_loss(either.amax(2), ((middle >= top) & (middle < bottom)).float(), (1,))
    return ((columns + rows) * known).mean() + SHARED_WEIGHT * (p[:, 0] * p[:, 1]).mean()
